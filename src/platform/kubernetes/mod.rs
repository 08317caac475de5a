//! Kubernetes objects, applied, pruned and waited for.

mod apply;
mod applyset;
mod desired;
pub mod health;
mod hooks;
mod inventory;
mod left_alone;
mod live;
mod lock;
mod prune;
mod settle;
mod troubles;
mod watch;
mod watches;

pub use applyset::Identity;
pub use lock::{Lease, Writer};
pub use watches::Watches;

use crate::engine::{Deployment, Platform, Settled, Trouble};
use crate::kubernetes::Cluster;
use crate::plan::{Live, PlanItem};
use inventory::Inventory;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// One application's objects in one cluster, for one run.
pub struct Kubernetes {
    cluster: Cluster,
    identity: Identity,
    /// Takes fields from other managers whatever the application says.
    force_conflicts: bool,
    inventory: Arc<Inventory>,
    changed: Arc<Notify>,
}

impl Kubernetes {
    /// The application `name`, whose objects go to `namespace` where they say no other.
    pub fn new(cluster: Cluster, name: &str, namespace: &str) -> Kubernetes {
        Kubernetes {
            cluster,
            identity: Identity::new(name, namespace),
            force_conflicts: false,
            inventory: Arc::default(),
            changed: Arc::default(),
        }
    }

    /// Takes fields from other managers, or leaves that to the application's `sync.forceConflicts`.
    #[must_use]
    pub fn force_conflicts(self, force_conflicts: bool) -> Kubernetes {
        Kubernetes { force_conflicts, ..self }
    }

    /// The connection.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What marks the application's objects.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whoever notices that something changed in the cluster rings here, and [`Kubernetes::pause`] ends.
    pub fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// Waits for so long, or until something changed.
    pub async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.changed.notified() => {}
        }
    }

    fn forces(&self, deployment: &Deployment) -> bool {
        self.force_conflicts || deployment.application.sync.force_conflicts
    }
}

impl Platform for Kubernetes {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.read(deployment).await
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        self.carry_out(deployment, item).await
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        self.settle(deployment, item).await
    }
}
