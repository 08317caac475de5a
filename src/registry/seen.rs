//! What the watches of Applications have told so far, and what of it is news. Pure.

use super::object::{is_same, key_of, registered_of};
use crate::controller::{Registered, Registration};
use crate::kubernetes::WatchEvent;
use crate::model::AppKey;
use std::collections::{BTreeMap, BTreeSet};

/// The Applications of one watch.
#[derive(Default)]
struct Scope {
    known: BTreeMap<AppKey, Registered>,
    /// What the list under way has told so far.
    listing: Option<BTreeSet<AppKey>>,
    is_complete: bool,
}

/// All watches, each by its number.
pub(super) struct Seen {
    scopes: Vec<Scope>,
    is_listed: bool,
}

impl Seen {
    pub fn new(watches: usize) -> Seen {
        Seen { scopes: (0..watches).map(|_| Scope::default()).collect(), is_listed: false }
    }

    /// Takes in what a watch tells; the answer is what the controller has to know of it.
    pub fn take(&mut self, watch: usize, event: WatchEvent) -> Vec<Registration> {
        let Some(scope) = self.scopes.get_mut(watch) else { return vec![] };
        let mut news = match event {
            WatchEvent::ListBegins => {
                scope.listing = Some(BTreeSet::new());
                vec![]
            }
            WatchEvent::Is(object) => {
                let key = key_of(&object);
                let last = scope.known.get(&key);
                let registered = registered_of(&object, last);
                if let Some(listing) = &mut scope.listing {
                    listing.insert(key.clone());
                }
                if last.is_some_and(|last| is_same(last, &registered)) {
                    return vec![];
                }
                scope.known.insert(key, registered.clone());
                vec![Registration::Is(Box::new(registered))]
            }
            WatchEvent::Gone(object) => {
                let known = scope.known.remove(&key_of(&object));
                known.map(|known| Registration::Gone(known.key)).into_iter().collect()
            }
            WatchEvent::ListEnds => {
                scope.is_complete = true;
                let told = scope.listing.take().unwrap_or_default();
                let gone: Vec<AppKey> =
                    scope.known.keys().filter(|key| !told.contains(key)).cloned().collect();
                gone.iter().for_each(|key| _ = scope.known.remove(key));
                gone.into_iter().map(Registration::Gone).collect()
            }
        };
        if !self.is_listed && self.scopes.iter().all(|scope| scope.is_complete) {
            self.is_listed = true;
            news.push(Registration::Listed);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use WatchEvent::{Gone, Is, ListBegins, ListEnds};
    use serde_json::{Value, json};

    fn shop(name: &str, generation: i64, sync: &str) -> Value {
        json!({
            "metadata": {"namespace": "team-a", "name": name, "uid": name, "generation": generation},
            "spec": {"source": {"repoURL": "https://git.example/x.git"}, "destination": {"ecs": {"cluster": "prod"}}},
            "status": {"sync": sync},
        })
    }

    fn told(seen: &mut Seen, watch: usize, event: WatchEvent) -> Vec<String> {
        let name = |registration| match registration {
            Registration::Is(is) => format!("{} {} {:?}", is.key, is.generation, is.status.sync),
            Registration::Gone(key) => format!("{key} is gone"),
            Registration::Listed => "listed".into(),
        };
        seen.take(watch, event).into_iter().map(name).collect()
    }

    #[test]
    fn what_is_new_is_told_once_and_what_a_new_list_lacks_is_gone() {
        let mut seen = Seen::new(2);
        let none: [&str; 0] = [];
        assert_eq!(told(&mut seen, 0, ListBegins), none);
        assert_eq!(told(&mut seen, 0, Is(shop("a", 1, "Unknown"))), ["team-a/a 1 Unknown"]);
        assert_eq!(told(&mut seen, 0, Is(shop("b", 1, "Unknown"))), ["team-a/b 1 Unknown"]);
        assert_eq!(told(&mut seen, 0, ListEnds), none, "the other watch has not told anything");
        assert_eq!(told(&mut seen, 1, ListBegins), none);
        assert_eq!(told(&mut seen, 1, ListEnds), ["listed"]);
        assert_eq!(told(&mut seen, 0, Is(shop("a", 1, "Unknown"))), none);
        assert_eq!(told(&mut seen, 0, Is(shop("a", 1, "Synced"))), ["team-a/a 1 Synced"]);
        assert_eq!(told(&mut seen, 0, Is(shop("a", 2, "Synced"))), ["team-a/a 2 Synced"]);
        assert_eq!(told(&mut seen, 0, ListBegins), none);
        assert_eq!(told(&mut seen, 0, Is(shop("a", 2, "Synced"))), none);
        assert_eq!(told(&mut seen, 0, ListEnds), ["team-a/b is gone"]);
        assert_eq!(told(&mut seen, 0, Gone(shop("a", 2, "Synced"))), ["team-a/a is gone"]);
        assert_eq!(told(&mut seen, 0, Gone(shop("a", 2, "Synced"))), none);
    }
}
