//! What every Kubernetes adapter needs: a connection, discovery, requests on plain JSON that are bounded, counted and
//! repeated where that is safe, the API server's clock, errors, watches, and the check before each write.

mod calls;
mod connect;
mod discovery;
#[cfg(test)]
pub(crate) mod fake;
mod fields;
mod guard;
mod kubeconfig;
mod lease;
mod read;
mod resource;
mod send;
mod status;
#[cfg(test)]
mod tests;
mod watch;
mod write;

pub use calls::{CallCounts, Verb};
pub use connect::{Connect, Impersonate, KubeconfigSource};
pub use discovery::Kinds;
pub use fields::{InvalidField, index_path};
pub use lease::{LeaseForm, LeaseObject};
pub use resource::Resource;
pub use status::Refusal;
pub use watch::WatchEvent;
pub use write::{Apply, FIELD_MANAGER, Preconditions, Propagation};

pub use crate::engine::{Clock, WriteGuard};

use calls::Calls;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// One cluster, as seen with one identity. Cheap to clone; clones share the connections, the bound on requests under
/// way, the clock, the call counts, what is known of the cluster's kinds, and the write guard. It belongs to the tokio
/// runtime that it was connected in.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
    guard: Arc<Mutex<Option<Arc<dyn WriteGuard>>>>,
    fence: Option<Arc<dyn WriteGuard>>,
}

struct Shared {
    client: kube::Client,
    /// `https://10.0.0.1:6443`, for people.
    server: String,
    default_namespace: String,
    permits: Semaphore,
    clock: Clock,
    calls: Calls,
    kinds: tokio::sync::Mutex<Option<Arc<Kinds>>>,
}

impl Cluster {
    /// The API server's time.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Where requests go to: `https://10.0.0.1:6443`.
    pub fn server(&self) -> &str {
        &self.shared.server
    }

    /// The namespace of the kubeconfig's context or of the pod.
    pub fn default_namespace(&self) -> &str {
        &self.shared.default_namespace
    }

    /// What has been asked so far in this run.
    pub fn call_counts(&self) -> CallCounts {
        self.shared.calls.counts()
    }
}
