//! Watches of what is waited for, so that nobody has to ask again and again. One for each kind that something is awaited
//! of, and one for pods; they begin when the first wait does, and end with this value.

mod feed;
mod slim;

pub(super) use slim::without_bulk;

use crate::engine::Trouble;
use crate::kubernetes::{Cluster, Resource};
use feed::{Feed, Id, id, uid};
use futures_util::StreamExt;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Changes come in bursts; whoever waits looks once for all that come within this time.
const BURST: Duration = Duration::from_millis(50);

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    pub resource: Resource,
    /// `None` for all, and for what lies in none.
    pub namespace: Option<String>,
    /// As kubectl's `-l`; empty for all.
    pub selector: String,
}

/// An object as a watch sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sight {
    Is(Arc<Value>),
    /// The watch has not told of it yet; its trouble, if it has one.
    NotYet(Option<Trouble>),
    /// It was deleted; how it was last, if that is kept.
    Gone(Option<Arc<Value>>),
}

/// The watches of one run, and what they have told.
pub(super) struct Hub {
    cluster: Cluster,
    feeds: Mutex<HashMap<Scope, Arc<Mutex<Feed>>>>,
    /// Counts what was told; waiters wake up by it.
    told: Arc<watch::Sender<u64>>,
    /// Ends the tasks when this value is dropped.
    tasks: Mutex<JoinSet<()>>,
}

impl Hub {
    pub fn new(cluster: Cluster) -> Hub {
        Hub {
            cluster,
            feeds: Mutex::default(),
            told: Arc::new(watch::Sender::new(0)),
            tasks: Mutex::new(JoinSet::new()),
        }
    }

    /// Begins to watch, if that is not done yet. The answer is the mark that [`Hub::sight`] wants for objects that were
    /// written before this call.
    pub fn observe(&self, scope: &Scope) -> u64 {
        let mut feeds = lock(&self.feeds);
        if let Some(feed) = feeds.get(scope) {
            return lock(feed).lists_begun();
        }
        let feed = Arc::new(Mutex::new(Feed::default()));
        feeds.insert(scope.clone(), Arc::clone(&feed));
        let told = Arc::clone(&self.told);
        let stream = self.cluster.watch(&scope.resource, scope.namespace.as_deref(), &scope.selector);
        lock(&self.tasks).spawn(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = stream.next().await {
                let is_news = match event {
                    Ok(event) => lock(&feed).take(event),
                    Err(trouble) => {
                        lock(&feed).fail(trouble);
                        true
                    }
                };
                if is_news {
                    told.send_modify(|count| *count += 1);
                }
            }
        });
        0
    }

    /// How the watch sees an object that was written before `mark` was taken.
    pub fn sight(&self, scope: &Scope, object: &Value, mark: u64) -> Sight {
        let Some(feed) = self.feed(scope) else { return Sight::NotYet(None) };
        let feed = lock(&feed);
        match feed.seen(&place(scope, object), uid(object).unwrap_or_default(), mark) {
            feed::Seen::Is(object) => Sight::Is(object),
            feed::Seen::Gone(last) => Sight::Gone(last),
            feed::Seen::NotYet => Sight::NotYet(feed.trouble().cloned()),
        }
    }

    /// Everything that is kept of a scope; `Err` with the watch's trouble, if it has one, until all of it was told once.
    pub fn everything(&self, scope: &Scope) -> Result<Vec<Arc<Value>>, Option<Trouble>> {
        let feed = self.feed(scope).ok_or(None)?;
        let feed = lock(&feed);
        match feed.is_complete() {
            true => Ok(feed.objects().cloned().collect()),
            false => Err(feed.trouble().cloned()),
        }
    }

    /// True if there are more objects in a scope than are kept.
    pub fn has_overflowed(&self, scope: &Scope) -> bool {
        self.feed(scope).is_some_and(|feed| lock(&feed).has_overflowed())
    }

    /// Returns after any of the watches has told something new.
    pub async fn changed(&self) {
        let mut told = self.told.subscribe();
        if told.changed().await.is_ok() {
            tokio::time::sleep(BURST).await;
        }
    }

    fn feed(&self, scope: &Scope) -> Option<Arc<Mutex<Feed>>> {
        lock(&self.feeds).get(scope).map(Arc::clone)
    }
}

fn place(scope: &Scope, object: &Value) -> Id {
    let (namespace, name) = id(object);
    (namespace.filter(|_| scope.resource.namespaced), name)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
