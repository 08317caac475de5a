//! Tells which application's objects have changed, for all applications of one cluster and identity: one watch for each
//! kind that any of them uses, of what bears an ApplySet's label. Of each object a fingerprint is kept and nothing else.

mod fingerprint;
mod pending;
mod seen;

use super::applyset::Identity;
use crate::engine::TroubleKind;
use crate::kubernetes::{Cluster, Resource};
use crate::model::{AppKey, marks};
use futures_util::StreamExt;
use pending::Pending;
use seen::{News, Seen};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The watches of one cluster as one identity sees it. They end with this value.
pub struct Lookout {
    inner: Arc<Inner>,
    teller: AbortHandle,
}

struct Inner {
    cluster: Cluster,
    state: Mutex<State>,
    pending: Pending,
    begun: Instant,
}

#[derive(Default)]
struct State {
    /// By the id of their ApplySet.
    members: HashMap<String, Member>,
    /// Kinds that may not be watched in all namespaces at once.
    narrow: BTreeSet<Resource>,
    watches: BTreeMap<Place, AbortHandle>,
    tickets: u64,
}

/// One application.
struct Member {
    key: AppKey,
    ticket: u64,
    kinds: BTreeSet<Resource>,
    namespaces: BTreeSet<String>,
}

/// A kind in one namespace, or in all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    resource: Resource,
    namespace: Option<String>,
}

/// An application is followed as long as this is kept.
pub struct Followed {
    inner: Arc<Inner>,
    set: String,
    ticket: u64,
}

impl Lookout {
    /// Nothing is watched yet. `listener` is told of applications whose objects changed. Needs a tokio runtime.
    pub fn new(cluster: Cluster, listener: mpsc::UnboundedSender<AppKey>) -> Lookout {
        let inner = Arc::new(Inner {
            cluster,
            state: Mutex::default(),
            pending: Pending::default(),
            begun: Instant::now(),
        });
        let telling = Arc::clone(&inner);
        let teller = tokio::spawn(async move { telling.pending.tell(&listener).await }).abort_handle();
        Lookout { inner, teller }
    }

    /// From now on changes of the application's objects are told: of these kinds, in these namespaces where the identity
    /// may not watch all of them. To be called before the application is read, so that nothing is missed in between; what
    /// the first list of a new watch shows is told as well.
    pub fn follow(
        &self,
        key: &AppKey,
        identity: &Identity,
        kinds: BTreeSet<Resource>,
        namespaces: BTreeSet<String>,
    ) -> Followed {
        let set = identity.id().to_owned();
        let mut state = self.inner.state();
        state.tickets += 1;
        let ticket = state.tickets;
        state.members.insert(set.clone(), Member { key: key.clone(), ticket, kinds, namespaces });
        self.inner.adjust(&mut state);
        Followed { inner: Arc::clone(&self.inner), set, ticket }
    }

    /// How many watches there are.
    pub fn watches(&self) -> usize {
        self.inner.state().watches.len()
    }
}

impl Followed {
    /// True if the application was said to use just these.
    pub fn is_of(&self, kinds: &BTreeSet<Resource>, namespaces: &BTreeSet<String>) -> bool {
        let state = self.inner.state();
        let member = state.members.get(&self.set).filter(|member| member.ticket == self.ticket);
        member.is_some_and(|member| member.kinds == *kinds && member.namespaces == *namespaces)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        if state.members.get(&self.set).is_some_and(|member| member.ticket == self.ticket) {
            state.members.remove(&self.set);
            self.inner.adjust(&mut state);
        }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.teller.abort();
        let mut state = self.inner.state();
        state.members.clear();
        self.inner.adjust(&mut state);
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the watches that are wanted, ends those that are not any more.
    fn adjust(self: &Arc<Self>, state: &mut State) {
        let mut wanted: BTreeSet<Place> = BTreeSet::new();
        for member in state.members.values() {
            for resource in &member.kinds {
                let place = |namespace| Place { resource: resource.clone(), namespace };
                match state.narrow.contains(resource) {
                    true => wanted.extend(member.namespaces.iter().cloned().map(Some).map(place)),
                    false => drop(wanted.insert(place(None))),
                }
            }
        }
        state.watches.retain(|place, task| {
            let is_wanted = wanted.contains(place);
            if !is_wanted {
                task.abort();
            }
            is_wanted
        });
        for place in wanted {
            let watch = |place: &Place| Arc::clone(self).watch(place.clone());
            state.watches.entry(place).or_insert_with_key(|place| tokio::spawn(watch(place)).abort_handle());
        }
    }

    async fn watch(self: Arc<Self>, place: Place) {
        let stream = self.cluster.watch(&place.resource, place.namespace.as_deref(), marks::MEMBER);
        let mut stream = std::pin::pin!(stream);
        let mut seen = Seen::default();
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    let now = u32::try_from(self.begun.elapsed().as_secs()).unwrap_or(u32::MAX);
                    seen.take(event, now).into_iter().for_each(|news| self.tell(&news));
                }
                Err(trouble)
                    if trouble.kind == TroubleKind::Denied
                        && place.resource.namespaced
                        && place.namespace.is_none() =>
                {
                    let mut state = self.state();
                    state.narrow.insert(place.resource.clone());
                    self.adjust(&mut state);
                    return;
                }
                // It goes on by itself, with growing pauses; what is missed until then shows in its next list.
                Err(_) => {}
            }
        }
    }

    fn tell(&self, news: &News) {
        let state = self.state();
        if let Some(member) = state.members.get(&*news.set) {
            self.pending.add(&member.key, news.streak);
        }
    }
}
