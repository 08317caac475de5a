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
mod slot;
mod slots;
mod steering;
mod troubles;
mod watch;
mod watches;

pub use applyset::Identity;
pub use lock::{Lease, Writer};
pub use troubles::Found;
pub use watches::Watches;

use crate::engine::{Deployment, Platform, Settled, Trouble};
use crate::kubernetes::Cluster;
use crate::plan::{Live, PlanItem};
use inventory::Inventory;
use settle::Applied;
use std::sync::Arc;
use std::time::Duration;

/// One application's objects in one cluster, for one run.
pub struct Kubernetes {
    cluster: Cluster,
    identity: Identity,
    /// Takes fields from other managers whatever the application says.
    force_conflicts: bool,
    inventory: Arc<Inventory>,
    applied: Applied,
    watches: Watches,
    looks: slots::Looks,
}

impl Kubernetes {
    /// The application `name`, whose objects go to `namespace` where they say no other.
    pub fn new(cluster: Cluster, name: &str, namespace: &str) -> Kubernetes {
        let identity = Identity::new(name, namespace);
        let watches = Watches::new(cluster.clone(), applyset::PART_OF, identity.id());
        Kubernetes {
            cluster,
            identity,
            force_conflicts: false,
            inventory: Arc::default(),
            applied: Applied::default(),
            watches,
            looks: slots::Looks::default(),
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

    /// What is waited for, as watches show it.
    pub fn watches(&self) -> &Watches {
        &self.watches
    }

    /// Waits for so long, or until something changed of what is waited for.
    pub async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.watches.changed() => {}
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
