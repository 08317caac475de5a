//! Lists of members, each read to its end or not at all.

use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::Resource;
use crate::model::ObjectKey;
use crate::platform::kubernetes::{Identity, Kubernetes};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Lists asked for at the same time; the bound on requests is the client room's.
const CONCURRENCY: usize = 32;

/// One list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub resource: Resource,
    pub namespace: Option<String>,
    /// Everything, not only members.
    pub all: bool,
}

impl Place {
    pub(super) fn members(resource: &Resource, namespace: Option<&str>) -> Place {
        Place { resource: resource.clone(), namespace: namespace.map(ToOwned::to_owned), all: false }
    }
}

/// What the lists found, members or not, by key.
#[derive(Default)]
pub(super) struct Lists {
    /// An object once for each version of its kind that was asked for: documents may use several.
    found: BTreeMap<ObjectKey, Vec<Value>>,
    missed: Vec<String>,
    /// What of the inventory is out of bounds, or was not looked for; sentences.
    beyond: Vec<String>,
    /// Kinds that no list could be had of, each as a key without a name.
    out_of_reach: BTreeSet<ObjectKey>,
}

impl Lists {
    /// Notes that something of the inventory could not be looked for.
    pub(super) fn miss(&mut self, why: &str) {
        self.missed.push(why.to_owned());
    }

    /// Notes that something of the inventory is where the application may have nothing any more.
    pub(super) fn pass_over(&mut self, why: String) {
        self.missed.push(why.clone());
        self.beyond.push(why);
    }

    /// What the inventory has to lead to: the members, and the kinds among which there may be others.
    pub(super) fn led_to(&self, identity: &Identity) -> BTreeSet<ObjectKey> {
        let members = self.members(identity).map(|(key, _)| key.clone());
        members.chain(self.out_of_reach.iter().cloned()).collect()
    }

    /// Notes that something was not looked for, which stands in the way of nothing.
    pub(super) fn tell(&mut self, what: String) {
        self.beyond.push(what);
    }

    /// What was passed over.
    pub(super) fn beyond(&self) -> Vec<String> {
        self.beyond.clone()
    }

    /// Gives an object away, in the version that its document uses: there may be thousands, and each is needed once.
    pub(super) fn take(&mut self, key: &ObjectKey, api_version: &str) -> Option<Value> {
        let mut versions = self.found.remove(key)?;
        let at = versions.iter().position(|live| live["apiVersion"] == api_version);
        Some(versions.swap_remove(at.unwrap_or_default()))
    }

    /// An object as it was listed.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Value> {
        self.found.get(key)?.first()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Value)> {
        self.found.iter().filter_map(|(key, versions)| Some((key, versions.first()?)))
    }

    fn add(&mut self, key: ObjectKey, live: Value) {
        self.found.entry(key).or_default().push(live);
    }

    pub(super) fn members<'a>(
        &'a self,
        identity: &'a Identity,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Value)> {
        self.iter().filter(|(_, live)| identity.owns(live))
    }

    /// Why members may be missing here.
    pub(super) fn incomplete(&self) -> Option<String> {
        (!self.missed.is_empty()).then(|| self.missed.join("; "))
    }
}

impl Kubernetes {
    /// Reads all `places`. One that we may not list makes the inventory incomplete; what documents declare there is
    /// asked for one by one. Anything else that fails is an error.
    pub(super) async fn list_all(
        &self,
        mut lists: Lists,
        places: BTreeSet<Place>,
        declared: &BTreeSet<Place>,
    ) -> Result<Lists, Trouble> {
        let selector = self.identity.selector();
        let mut answers = stream::iter(places)
            .map(|place| async {
                let selector = if place.all { "" } else { selector.as_str() };
                let found = self.cluster.list(&place.resource, place.namespace.as_deref(), selector).await;
                (place, found)
            })
            .buffered(CONCURRENCY);
        while let Some((place, found)) = answers.next().await {
            match found {
                Ok(objects) => {
                    objects.into_iter().for_each(|object| lists.add(place.resource.key_of(&object), object));
                }
                // Whether somebody scales a workload has to be known, or its replicas would be reset.
                Err(trouble) if trouble.kind == TroubleKind::Denied && !place.all => {
                    lists.miss(&trouble.to_string())
                }
                // What serves this kind is away: what documents declare of it is out of reach, each for itself.
                Err(trouble) if trouble.kind == TroubleKind::Unavailable && !place.all => {
                    lists.miss(&trouble.to_string());
                }
                // Its CustomResourceDefinition went since discovery, and with it every object.
                Err(trouble) if trouble.kind == TroubleKind::Missing && !declared.contains(&place) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        drop(answers);
        Ok(lists)
    }

    /// Adds the members at more `places`; gives back what could not be read.
    pub(super) async fn find_more(&self, lists: &mut Lists, places: Vec<Place>) -> Vec<(Place, Trouble)> {
        let selector = self.identity.selector();
        let mut answers = stream::iter(places)
            .map(|place| async {
                let found = self.cluster.list(&place.resource, place.namespace.as_deref(), &selector).await;
                (place, found)
            })
            .buffered(CONCURRENCY);
        let mut unread = vec![];
        while let Some((place, found)) = answers.next().await {
            match found {
                Ok(objects) => {
                    for object in objects {
                        let key = place.resource.key_of(&object);
                        if lists.get(&key).is_none() {
                            lists.add(key, object);
                        }
                    }
                }
                // The kind is gone, and with it every object.
                Err(trouble) if trouble.kind == TroubleKind::Missing => {}
                Err(trouble) => {
                    if trouble.kind != TroubleKind::Denied {
                        let Resource { group, kind, .. } = place.resource.clone();
                        let nameless = ObjectKey { group, kind, namespace: None, name: String::new() };
                        lists.out_of_reach.insert(nameless);
                    }
                    unread.push((place, trouble));
                }
            }
        }
        unread
    }
}
