//! What a sync saw last of an application's objects: what a watch tells of them afterwards is news only if it is different.
//! Pure.

use super::fingerprint::{Fingerprint, id};
use super::seen::News;
use serde_json::Value;
use std::collections::HashMap;

/// Changes kept while a sync is under way. Beyond that they are told at once.
const CHANGES: usize = 100_000;

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

/// One application's.
#[derive(Default)]
pub(super) struct Baseline {
    saw: Sighting,
    /// How objects are by what was told since a sync began, and their streaks; `None` while there is no sync.
    meanwhile: Option<HashMap<u64, (Option<Fingerprint>, u8)>>,
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

    /// True if this has to be told now.
    pub fn takes(&mut self, news: &News) -> bool {
        match &mut self.meanwhile {
            Some(meanwhile) if meanwhile.len() < CHANGES => {
                meanwhile.insert(news.object, (news.now, news.streak));
                false
            }
            Some(_) => true,
            None => !self.saw.has(news.object, news.now),
        }
    }

    /// The sync has ended. It last saw everything like this; `None` if it failed, so that whatever changes next is news.
    /// What has to be told then, by its streak.
    pub fn end(&mut self, saw: Option<Sighting>) -> Option<u8> {
        self.saw = saw.unwrap_or_default();
        let changes = self.meanwhile.take().into_iter().flatten();
        let unseen = changes.filter(|(object, (now, _))| !self.saw.has(*object, *now));
        unseen.map(|(_, (_, streak))| streak).min()
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
        News { set: "set".into(), object: id(&object), now: Some(Fingerprint::of(&object)), streak: 3 }
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
            assert!(!before.iter().any(|news| baseline.takes(news)), "told before the sync saw it");
            (baseline.end(saw), baseline)
        };
        // The watch was faster than the sync's last reading, or slower.
        assert_eq!(after(&[told(1), told(2)], saw(2)).0, None);
        let (left, mut baseline) = after(&[told(1)], saw(2));
        assert_eq!(left, Some(3), "the watch was behind: one look too many, and none too few");
        assert!(!baseline.takes(&told(2)));
        assert!(baseline.takes(&told(3)));
        assert!(!baseline.takes(&told(2)), "it is again as it was judged");
        assert!(baseline.takes(&gone()));
        // Somebody else wrote after the sync's last reading, or took it away.
        assert_eq!(after(&[told(2), told(3)], saw(2)).0, Some(3));
        assert_eq!(after(&[told(2), gone()], saw(2)).0, Some(3));
        assert_eq!(after(&[gone()], Some(Sighting::default())).0, Some(3), "perhaps it was not read");
        // A sync that failed saw nothing.
        let (left, mut baseline) = after(&[told(2)], None);
        assert_eq!(left, Some(3));
        assert!(baseline.takes(&told(2)));
    }
}
