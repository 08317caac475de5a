//! What a sync saw last of an application's objects: what a watch tells of them afterwards is news only if it is different.
//! Pure.

use super::fingerprint::{Fingerprint, id};
use super::seen::News;
use serde_json::Value;
use std::collections::HashMap;

/// Changes kept while a sync is under way. Beyond that they are told at once.
const CHANGES: usize = 100_000;
/// Seconds without news after which an object counts as quiet again.
const QUIET_AFTER: u32 = 60;

/// Objects as one reading found them: a number for each.
#[derive(Clone, Debug, Default)]
pub struct Sighting(HashMap<u64, Fingerprint>);

impl Sighting {
    /// Of these objects.
    pub fn of<'a>(objects: impl Iterator<Item = &'a Value>) -> Sighting {
        Sighting(objects.map(|object| (id(object), Fingerprint::of(object))).collect())
    }

    /// True if the object was like this. What is gone may have been among kinds that were not read, so that is always
    /// news.
    fn has(&self, object: u64, now: Option<Fingerprint>) -> bool {
        now.is_some() && self.0.get(&object).copied() == now
    }
}

/// One application's. Times are in seconds of any monotonic clock. A streak is how often in one go an object was news
/// before; what the application's syncs do to it does not count.
#[derive(Default)]
pub(super) struct Baseline {
    saw: Sighting,
    /// How objects are by what was told since a sync began; `None` while there is no sync.
    meanwhile: Option<HashMap<u64, Option<Fingerprint>>>,
    /// Objects that were news lately: when, and their streaks.
    restless: HashMap<u64, (u32, u8)>,
}

impl Baseline {
    /// A sync begins. What is told from now on may be its own doing, or be seen by it.
    pub fn begin(&mut self) {
        self.meanwhile.get_or_insert_default();
    }

    /// True while a sync is under way.
    pub fn is_busy(&self) -> bool {
        self.meanwhile.is_some()
    }

    /// The streak, if this has to be told now.
    pub fn take(&mut self, news: &News, now: u32) -> Option<u8> {
        match &mut self.meanwhile {
            Some(meanwhile) if meanwhile.len() < CHANGES => {
                meanwhile.insert(news.object, news.now);
                return None;
            }
            Some(_) => {}
            None if self.saw.has(news.object, news.now) => return None,
            None => {}
        }
        Some(self.count(news.object, now))
    }

    /// The sync has ended. It last saw everything like this; `None` if it failed, so that whatever changes next is news.
    /// The smallest streak of what has to be told then.
    pub fn end(&mut self, saw: Option<Sighting>, now: u32) -> Option<u8> {
        self.saw = saw.unwrap_or_default();
        self.restless.retain(|_, (last, _)| now.saturating_sub(*last) < QUIET_AFTER);
        let changes = self.meanwhile.take().into_iter().flatten();
        let unseen: Vec<u64> =
            changes.filter(|(object, is)| !self.saw.has(*object, *is)).map(|(object, _)| object).collect();
        unseen.into_iter().map(|object| self.count(object, now)).min()
    }

    fn count(&mut self, object: u64, now: u32) -> u8 {
        if self.restless.len() >= CHANGES {
            self.restless.clear();
        }
        let before = self.restless.get(&object).filter(|(last, _)| now.saturating_sub(*last) < QUIET_AFTER);
        let streak = before.map_or(0, |(_, streak)| streak.saturating_add(1));
        self.restless.insert(object, (now, streak));
        streak
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: u32) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": value.to_string()}})
    }

    fn told(value: u32) -> News {
        let object = object(value);
        News { set: "set".into(), object: id(&object), now: Some(Fingerprint::of(&object)) }
    }

    fn gone() -> News {
        News { now: None, ..told(1) }
    }

    fn saw(value: u32) -> Option<Sighting> {
        Some(Sighting::of(std::iter::once(&object(value))))
    }

    #[test]
    fn what_a_sync_left_behind_is_no_news_and_everything_else_is() {
        let after = |before: &[News], saw: Option<Sighting>| {
            let mut baseline = Baseline::default();
            baseline.begin();
            for news in before {
                assert_eq!(baseline.take(news, 0), None, "told before the sync saw it");
            }
            (baseline.end(saw, 0), baseline)
        };
        // The watch was faster than the sync's last reading, or slower.
        assert_eq!(after(&[told(1), told(2)], saw(2)).0, None);
        let (left, mut baseline) = after(&[told(1)], saw(2));
        assert_eq!(left, Some(0), "the watch was behind: one look too many, and none too few");
        assert_eq!(baseline.take(&told(2), 100), None);
        assert_eq!(baseline.take(&told(3), 100), Some(0));
        assert_eq!(baseline.take(&told(2), 100), None, "it is again as it was judged");
        assert_eq!(baseline.take(&gone(), 200), Some(0));
        // Somebody else wrote after the sync's last reading, or took it away.
        assert_eq!(after(&[told(2), told(3)], saw(2)).0, Some(0));
        assert_eq!(after(&[told(2), gone()], saw(2)).0, Some(0));
        assert_eq!(after(&[gone()], Some(Sighting::default())).0, Some(0), "perhaps it was not read");
        // A sync that failed saw nothing.
        let (left, mut baseline) = after(&[told(2)], None);
        assert_eq!(left, Some(0));
        assert_eq!(baseline.take(&told(2), 100), Some(0));
    }

    #[test]
    fn what_others_do_again_and_again_counts_and_what_syncs_do_to_it_does_not() {
        let mut baseline = Baseline::default();
        let mut repaired = |now| {
            let streak = baseline.take(&told(3), now);
            baseline.begin();
            assert_eq!(baseline.take(&told(2), now), None);
            assert_eq!(baseline.end(saw(2), now), None);
            streak
        };
        assert_eq!([repaired(1), repaired(2), repaired(3)], [Some(0), Some(1), Some(2)]);
        assert_eq!(repaired(62), Some(3), "less than a minute later");
        assert_eq!(repaired(122), Some(0), "it was quiet for a minute");
        baseline.begin();
        assert_eq!(baseline.take(&told(3), 123), None);
        assert_eq!(baseline.end(saw(2), 123), Some(1), "in the middle of a sync");
    }
}
