//! Tells which application's objects have changed, for all applications of one cluster and identity: one watch for each
//! kind that any of them uses, of what bears an ApplySet's label. Of each object a fingerprint is kept and nothing else, and
//! another one of how the application's last sync saw it: what that has seen is not told, its own writes above all.

mod baseline;
mod fingerprint;
mod pending;
mod seen;

use super::applyset::Identity;
use crate::engine::TroubleKind;
use crate::kubernetes::{Cluster, Resource};
use crate::model::{AppKey, marks};
use baseline::Baseline;
pub use baseline::Sighting;
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
    watches: BTreeMap<Place, Watch>,
    tickets: u64,
}

/// One application.
struct Member {
    key: AppKey,
    ticket: u64,
    kinds: BTreeSet<Resource>,
    namespaces: BTreeSet<String>,
    baseline: Baseline,
}

struct Watch {
    task: AbortHandle,
    /// Members that need it.
    users: usize,
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

/// A sync of a followed application that is under way.
pub struct Busy {
    inner: Arc<Inner>,
    set: String,
    ticket: u64,
    saw: Option<Sighting>,
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
    /// may not watch all of them. To be called before the application is read, so that nothing is missed in between.
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
        let mut member =
            Member { key: key.clone(), ticket, kinds, namespaces, baseline: Baseline::default() };
        self.inner.begin_watches(&mut state, &member);
        if let Some(mut before) = state.members.remove(&set) {
            state.end_watches(&before);
            if before.baseline.is_busy() {
                self.inner.end(&mut before, None);
            } else if before.key == *key {
                member.baseline = before.baseline;
            }
        }
        state.members.insert(set.clone(), member);
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
        let mut state = self.inner.state();
        let member = state.member(&self.set, self.ticket);
        member.is_some_and(|member| member.kinds == *kinds && member.namespaces == *namespaces)
    }

    /// A sync begins. Until its end nothing is told of the application, and then only what it has not seen.
    pub fn begin(&self) -> Busy {
        if let Some(member) = self.inner.state().member(&self.set, self.ticket) {
            member.baseline.begin();
        }
        Busy { inner: Arc::clone(&self.inner), set: self.set.clone(), ticket: self.ticket, saw: None }
    }
}

impl Busy {
    /// How the sync saw everything in its last reading.
    pub fn saw(mut self, sighting: Sighting) {
        self.saw = Some(sighting);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(member) = self.inner.state().member(&self.set, self.ticket) {
            self.inner.end(member, self.saw.take());
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        if state.member(&self.set, self.ticket).is_some()
            && let Some(member) = state.members.remove(&self.set)
        {
            state.end_watches(&member);
        }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.teller.abort();
        let mut state = self.inner.state();
        state.members.clear();
        std::mem::take(&mut state.watches).into_values().for_each(|watch| watch.task.abort());
    }
}

impl State {
    /// A member, if it was not replaced.
    fn member(&mut self, set: &str, ticket: u64) -> Option<&mut Member> {
        self.members.get_mut(set).filter(|member| member.ticket == ticket)
    }

    /// What is watched for a member.
    fn places(&self, member: &Member) -> Vec<Place> {
        let places = member.kinds.iter().flat_map(|resource| {
            let namespaces: Vec<Option<String>> = match self.narrow.contains(resource) {
                true => member.namespaces.iter().cloned().map(Some).collect(),
                false => vec![None],
            };
            namespaces.into_iter().map(|namespace| Place { resource: resource.clone(), namespace })
        });
        places.collect()
    }

    /// Ends the watches that only this member needed.
    fn end_watches(&mut self, member: &Member) {
        for place in self.places(member) {
            let Some(watch) = self.watches.get_mut(&place) else { continue };
            watch.users -= 1;
            if watch.users == 0 {
                watch.task.abort();
                self.watches.remove(&place);
            }
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the watches that a member needs and nobody needed before.
    fn begin_watches(self: &Arc<Self>, state: &mut State, member: &Member) {
        for place in state.places(member) {
            self.begin_watch(state, place);
        }
    }

    fn begin_watch(self: &Arc<Self>, state: &mut State, place: Place) {
        let watch = |place: &Place| Watch {
            task: tokio::spawn(Arc::clone(self).watch(place.clone())).abort_handle(),
            users: 0,
        };
        state.watches.entry(place).or_insert_with_key(watch).users += 1;
    }

    /// One identity may not watch the kind in all namespaces at once.
    fn narrow(self: &Arc<Self>, resource: &Resource) {
        let mut state = self.state();
        state.watches.remove(&Place { resource: resource.clone(), namespace: None });
        state.narrow.insert(resource.clone());
        let members = state.members.values().filter(|member| member.kinds.contains(resource));
        let namespaces: Vec<String> = members.flat_map(|member| member.namespaces.clone()).collect();
        for namespace in namespaces {
            self.begin_watch(&mut state, Place { resource: resource.clone(), namespace: Some(namespace) });
        }
    }

    fn end(&self, member: &mut Member, saw: Option<Sighting>) {
        if let Some(streak) = member.baseline.end(saw, self.seconds()) {
            self.pending.add(&member.key, streak);
        }
    }

    async fn watch(self: Arc<Self>, place: Place) {
        let stream = self.cluster.watch(&place.resource, place.namespace.as_deref(), marks::MEMBER);
        let mut stream = std::pin::pin!(stream);
        let mut seen = Seen::default();
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    seen.take(event).into_iter().for_each(|news| self.tell(&news));
                }
                Err(trouble)
                    if trouble.kind == TroubleKind::Denied
                        && place.resource.namespaced
                        && place.namespace.is_none() =>
                {
                    self.narrow(&place.resource);
                    return;
                }
                // It goes on by itself, with growing pauses; what is missed until then shows in its next list.
                Err(_) => {}
            }
        }
    }

    fn tell(&self, news: &News) {
        let mut state = self.state();
        if let Some(member) = state.members.get_mut(&*news.set)
            && let Some(streak) = member.baseline.take(news, self.seconds())
        {
            self.pending.add(&member.key, streak);
        }
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_secs()).unwrap_or(u32::MAX)
    }
}
