//! What one watch has told so far. Pure.

use super::slim::{Kept, slim};
use crate::engine::Trouble;
use crate::kubernetes::WatchEvent;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Objects kept of one watch; a bound on memory that no application of a sane size reaches.
const OBJECTS: usize = 20_000;

/// Namespace and name of an object of one kind.
pub(super) type Id = (Option<String>, String);

#[derive(Default)]
pub(super) struct Feed {
    objects: HashMap<Id, Arc<Value>>,
    /// What the list under way has told so far.
    listing: Option<HashMap<Id, Arc<Value>>>,
    /// What was deleted under the watch, by uid. How it was last is kept of Jobs only: one that cleans up after itself
    /// may have come to its end and be gone at a look.
    gone: HashMap<String, Option<Arc<Value>>>,
    lists_begun: u64,
    /// The number of the newest list that came to its end.
    list_complete: u64,
    trouble: Option<Trouble>,
    overflowed: bool,
}

/// Whether an object is there, as far as the watch knows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    Is(Arc<Value>),
    /// Nothing was told yet that would decide it.
    NotYet,
    /// It is not there any more; how it was last, if that is kept.
    Gone(Option<Arc<Value>>),
}

impl Feed {
    /// How many lists have begun; one with a higher number than this begins after now.
    pub fn lists_begun(&self) -> u64 {
        self.lists_begun
    }

    /// True once everything that was there has been told.
    pub fn is_complete(&self) -> bool {
        self.list_complete > 0
    }

    /// Why the watch does not go on at the moment.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    pub fn fail(&mut self, trouble: Trouble) {
        self.trouble = Some(trouble);
    }

    pub fn objects(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.objects.values()
    }

    /// True if there was more than is kept.
    pub fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// The object with this uid. It is gone if its end was told, or if a list that began after the first `lists` ones
    /// does not have it: such a list is as new as the object's own answer, since lists are read with quorum.
    pub fn seen(&self, id: &Id, uid: &str, lists: u64) -> Seen {
        if let Some(object) = self.objects.get(id) {
            return Seen::Is(Arc::clone(object));
        }
        match self.gone.get(uid) {
            Some(last) => Seen::Gone(last.clone()),
            None if self.list_complete > lists && !self.overflowed => Seen::Gone(None),
            None => Seen::NotYet,
        }
    }

    /// Takes in what the watch tells. True if anything that is looked at changed by it.
    pub fn take(&mut self, event: WatchEvent) -> bool {
        // A list that begins may fail as the one before did.
        if event != WatchEvent::ListBegins {
            self.trouble = None;
        }
        match event {
            WatchEvent::ListBegins => {
                self.lists_begun += 1;
                self.listing = Some(HashMap::new());
                false
            }
            WatchEvent::ListEnds => {
                self.list_complete = self.lists_begun;
                self.objects = self.listing.take().unwrap_or_default();
                true
            }
            WatchEvent::Is(object) => self.keep(object),
            WatchEvent::Gone(object) => {
                self.objects.remove(&id(&object));
                if let Some(uid) = uid(&object).map(str::to_owned).filter(|_| self.gone.len() < OBJECTS) {
                    let is_job = object.get("kind").and_then(Value::as_str) == Some("Job");
                    let last = match slim(object) {
                        Kept::Yes(object) if is_job => Some(Arc::new(object)),
                        _ => None,
                    };
                    self.gone.insert(uid, last);
                }
                true
            }
        }
    }

    fn keep(&mut self, object: Value) -> bool {
        let id = id(&object);
        let into = self.listing.as_mut().unwrap_or(&mut self.objects);
        match slim(object) {
            Kept::Yes(_) if into.len() >= OBJECTS && !into.contains_key(&id) => {
                self.overflowed = true;
                false
            }
            Kept::Yes(object) => {
                into.insert(id, Arc::new(object));
                self.listing.is_none()
            }
            Kept::No => into.remove(&id).is_some(),
        }
    }
}

pub(super) fn id(object: &Value) -> Id {
    let text = |field: &str| object.get("metadata")?.get(field)?.as_str().map(str::to_owned);
    (text("namespace"), text("name").unwrap_or_default())
}

pub(super) fn uid(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("uid")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::TroubleKind;
    use serde_json::json;

    fn thing(name: &str, uid: &str) -> Value {
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name, "uid": uid}})
    }

    fn key(name: &str) -> Id {
        (None, name.to_owned())
    }

    fn fed(events: impl IntoIterator<Item = WatchEvent>) -> Feed {
        let mut feed = Feed::default();
        events.into_iter().for_each(|event| _ = feed.take(event));
        feed
    }

    use WatchEvent::{Gone, Is, ListBegins, ListEnds};

    #[test]
    fn an_object_is_gone_only_when_its_end_was_told_or_a_later_list_lacks_it() {
        let none = fed([]);
        assert_eq!(none.seen(&key("a"), "1", 0), Seen::NotYet);
        let listing = fed([ListBegins]);
        assert_eq!(listing.seen(&key("a"), "1", 0), Seen::NotYet);
        let listed = fed([ListBegins, ListEnds]);
        assert_eq!(listed.seen(&key("a"), "1", 0), Seen::Gone(None));
        assert_eq!(listed.seen(&key("a"), "1", 1), Seen::NotYet, "it may be younger than the list");
        let again = fed([ListBegins, ListEnds, ListBegins, ListEnds]);
        assert_eq!(again.seen(&key("a"), "1", 1), Seen::Gone(None));
        let told = fed([ListBegins, ListEnds, Is(thing("a", "1")), Gone(thing("a", "1"))]);
        assert_eq!(told.seen(&key("a"), "1", 1), Seen::Gone(None));
        assert_eq!(told.seen(&key("a"), "2", 1), Seen::NotYet, "another object of the same name");
    }

    #[test]
    fn what_was_known_stays_known_until_a_new_list_is_complete() {
        let mut feed = fed([ListBegins, Is(thing("a", "1")), Is(thing("b", "2")), ListEnds]);
        feed.take(ListBegins);
        feed.take(Is(thing("b", "2")));
        assert!(matches!(feed.seen(&key("a"), "1", 1), Seen::Is(_)));
        feed.take(ListEnds);
        assert_eq!(feed.seen(&key("a"), "1", 1), Seen::Gone(None));
        assert!(matches!(feed.seen(&key("b"), "2", 1), Seen::Is(_)));
    }

    #[test]
    fn a_pod_that_no_controller_made_is_seen_whatever_its_state() {
        let pod = |ready: &str, phase: &str| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "1", "resourceVersion": "7"},
                "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}})
        };
        for (ready, phase) in [("True", "Running"), ("False", "Pending"), ("False", "Succeeded")] {
            let feed = fed([ListBegins, Is(pod(ready, phase)), ListEnds]);
            let Seen::Is(seen) = feed.seen(&key("p"), "1", 0) else {
                panic!("a pod that is {phase} was taken for one that is gone")
            };
            assert_eq!(
                seen["metadata"]["resourceVersion"], "7",
                "whether it is new enough is judged by that"
            );
        }
    }

    #[test]
    fn of_pods_that_controllers_made_only_those_with_a_trouble_are_kept() {
        let pod = |ready: &str| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "1",
                "ownerReferences": [{"kind": "ReplicaSet", "controller": true}]},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}})
        };
        let mut feed = fed([ListBegins, ListEnds]);
        assert!(!feed.take(Is(pod("True"))));
        assert_eq!(feed.objects().count(), 0);
        assert!(feed.take(Is(pod("False"))));
        assert_eq!(feed.objects().count(), 1);
        assert!(feed.take(Is(pod("True"))), "its recovery is news");
        assert_eq!(feed.objects().count(), 0);
    }

    #[test]
    fn a_trouble_lasts_until_the_watch_tells_something_again() {
        let mut feed = Feed::default();
        let trouble = Trouble { kind: TroubleKind::Denied, doing: "watch".into(), message: "no".into() };
        feed.fail(trouble.clone());
        assert_eq!(feed.trouble(), Some(&trouble));
        feed.take(ListBegins);
        assert_eq!(feed.trouble(), Some(&trouble));
        feed.take(ListEnds);
        assert_eq!(feed.trouble(), None);
    }

    #[test]
    fn more_objects_than_the_bound_are_not_kept_and_none_of_them_is_called_gone() {
        let many = (0..=OBJECTS).map(|n| Is(thing(&n.to_string(), &n.to_string())));
        let feed = fed([ListBegins].into_iter().chain(many).chain([ListEnds]));
        assert!(feed.has_overflowed());
        assert_eq!(feed.objects().count(), OBJECTS);
        assert_eq!(feed.seen(&key(&OBJECTS.to_string()), "x", 0), Seen::NotYet);
    }
}
