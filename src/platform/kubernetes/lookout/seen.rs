//! What one watch remembers of the objects that it was told of. Pure.

use super::fingerprint::{Fingerprint, id};
use crate::kubernetes::WatchEvent;
use crate::model::marks;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Objects remembered of one kind: some fifty megabytes. What there is beyond that is found by the slow resync only.
const OBJECTS: usize = 500_000;

/// Something changed that belongs to the ApplySet `set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub set: Arc<str>,
    /// The object, by [`id`].
    pub object: u64,
    /// How it is now; `None` if it is gone, or belongs to another set.
    pub now: Option<Fingerprint>,
}

#[derive(Default)]
pub(super) struct Seen {
    /// By [`id`].
    objects: HashMap<u64, Mark>,
    sets: HashSet<Arc<str>>,
    /// The number of the list that was begun last.
    list: u32,
}

/// About fifty bytes an object, whatever its size.
struct Mark {
    set: Arc<str>,
    fingerprint: Fingerprint,
    list: u32,
}

impl Seen {
    /// Takes in what the watch tells.
    pub fn take(&mut self, event: WatchEvent) -> Vec<News> {
        match event {
            WatchEvent::ListBegins => {
                self.list += 1;
                vec![]
            }
            // What the list did not name went while nobody watched.
            WatchEvent::ListEnds => {
                let list = self.list;
                let gone = self.objects.extract_if(|_, mark| mark.list != list);
                let news = gone.map(|(object, mark)| gone_from(mark.set, object)).collect();
                self.sets.retain(|set| Arc::strong_count(set) > 1);
                news
            }
            WatchEvent::Is(object) => self.is(&object),
            WatchEvent::Gone(object) => {
                let object = id(&object);
                let mark = self.objects.remove(&object);
                mark.into_iter().map(|mark| gone_from(mark.set, object)).collect()
            }
        }
    }

    fn is(&mut self, object: &Value) -> Vec<News> {
        let Some(set) = set_of(object) else { return vec![] };
        let (id, fingerprint) = (id(object), Fingerprint::of(object));
        let set = self.intern(set);
        let Some(mark) = self.objects.get_mut(&id) else {
            if self.objects.len() < OBJECTS {
                self.objects.insert(id, Mark { set: Arc::clone(&set), fingerprint, list: self.list });
            }
            return vec![News { set, object: id, now: Some(fingerprint) }];
        };
        mark.list = self.list;
        if mark.fingerprint == fingerprint && mark.set == set {
            return vec![];
        }
        mark.fingerprint = fingerprint;
        let before = std::mem::replace(&mut mark.set, Arc::clone(&set));
        let mut news = vec![News { set: Arc::clone(&set), object: id, now: Some(fingerprint) }];
        if before != set {
            news.push(gone_from(before, id));
        }
        news
    }

    fn intern(&mut self, set: &str) -> Arc<str> {
        if let Some(known) = self.sets.get(set) {
            return Arc::clone(known);
        }
        let new: Arc<str> = set.into();
        self.sets.insert(Arc::clone(&new));
        new
    }
}

fn set_of(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("labels")?.get(marks::MEMBER)?.as_str()
}

fn gone_from(set: Arc<str>, object: u64) -> News {
    News { set, object, now: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn thing(name: &str, set: &str, value: u32) -> WatchEvent {
        WatchEvent::Is(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": value.to_string()},
            "metadata": {"name": name, "namespace": "n", "labels": {marks::MEMBER: set}}}))
    }

    fn said(seen: &mut Seen, event: WatchEvent) -> Vec<String> {
        seen.take(event).into_iter().map(|news| news.set.to_string()).collect()
    }

    #[test]
    fn changes_are_told_and_repetitions_are_not() {
        let mut seen = Seen::default();
        assert_eq!(said(&mut seen, WatchEvent::ListBegins), [""; 0]);
        assert_eq!(said(&mut seen, thing("a", "shop", 1)), ["shop"]);
        assert_eq!(said(&mut seen, WatchEvent::ListEnds), [""; 0]);
        assert_eq!(said(&mut seen, thing("a", "shop", 1)), [""; 0], "nothing changed");
        assert_eq!(said(&mut seen, thing("a", "shop", 2)), ["shop"]);
        assert_eq!(said(&mut seen, thing("a", "blog", 2)), ["blog", "shop"]);
        let WatchEvent::Is(a) = thing("a", "blog", 2) else { unreachable!() };
        assert_eq!(said(&mut seen, WatchEvent::Gone(a.clone())), ["blog"]);
        assert_eq!(said(&mut seen, WatchEvent::Gone(a)), [""; 0]);
    }

    #[test]
    fn what_happened_while_the_watch_was_broken_is_found_by_the_next_list() {
        let mut seen = Seen::default();
        for event in
            [WatchEvent::ListBegins, thing("a", "shop", 1), thing("b", "blog", 1), thing("c", "log", 1)]
        {
            seen.take(event);
        }
        seen.take(WatchEvent::ListEnds);
        assert_eq!(said(&mut seen, WatchEvent::ListBegins), [""; 0]);
        assert_eq!(said(&mut seen, thing("a", "shop", 1)), [""; 0]);
        assert_eq!(said(&mut seen, thing("c", "log", 2)), ["log"]);
        assert_eq!(said(&mut seen, WatchEvent::ListEnds), ["blog"], "b is gone");
    }

    #[test]
    fn an_object_takes_about_fifty_bytes() {
        assert!(size_of::<(u64, Mark)>() <= 48, "{}", size_of::<(u64, Mark)>());
    }
}
