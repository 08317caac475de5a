//! Kubernetes objects, applied, pruned and waited for.

mod apply;
mod applyset;
mod bookkeeping;
mod confine;
mod desired;
mod filled;
pub mod health;
mod hooks;
mod inventory;
mod jobs;
mod left_alone;
mod live;
mod lock;
mod lookout;
mod ownership;
mod planned;
mod prune;
mod release;
mod settle;
mod slot;
mod slots;
mod steering;
mod takeover;
mod troubles;
mod watch;
mod watches;

pub use applyset::Identity;
pub use lock::{Lease, Writer};
pub use lookout::{Followed, Lookout, Sighting};
pub use troubles::Found;
pub use watches::Watches;

use crate::engine::{Deployment, Neighbours, NoNeighbours, Platform, Settled, Trouble};
use crate::kubernetes::Cluster;
use crate::model::{Allowed, Application, Lineage};
use crate::plan::{Live, Owned, PlanItem};
use inventory::Inventory;
use planned::Planned;
use serde_json::Value;
use settle::Applied;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Whose fields an apply takes without `sync.forceConflicts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forcing {
    /// Nobody's: another manager's field is a conflict, which people decide on.
    Never,
    /// Those of objects that are members of the ApplySet already: whoever took a field from us since has drifted from
    /// Git. What is not a member yet may belong to somebody, and is still a conflict.
    Members,
    /// Everybody's.
    Always,
}

/// One application's objects in one cluster, for one run.
pub struct Kubernetes {
    cluster: Cluster,
    identity: Identity,
    forcing: Forcing,
    allowed: Allowed,
    inventory: Arc<Inventory>,
    applied: Applied,
    planned: Planned,
    watches: Watches,
    looks: slots::Looks,
    sighting: Mutex<Sighting>,
    neighbours: Arc<dyn Neighbours>,
}

impl Kubernetes {
    /// The application `name`, whose objects go to `namespace` where they say no other.
    pub fn new(cluster: Cluster, name: &str, namespace: &str) -> Kubernetes {
        let identity = Identity::new(name, namespace);
        let watches = Watches::new(cluster.clone(), applyset::PART_OF, identity.id());
        Kubernetes {
            cluster,
            identity,
            forcing: Forcing::Never,
            allowed: Allowed::everything(),
            inventory: Arc::default(),
            applied: Applied::default(),
            planned: Planned::default(),
            watches,
            looks: slots::Looks::default(),
            sighting: Mutex::default(),
            neighbours: Arc::new(NoNeighbours),
        }
    }

    /// Says whose fields are taken without asking.
    #[must_use]
    pub fn forcing(self, forcing: Forcing) -> Kubernetes {
        Kubernetes { forcing, ..self }
    }

    /// Keeps the application within bounds: a reading of documents that go beyond them is an error.
    #[must_use]
    pub fn confined(self, allowed: Allowed) -> Kubernetes {
        Kubernetes { allowed, ..self }
    }

    /// Writes down on Applications among the documents which ones they come from.
    #[must_use]
    pub fn recording(self, lineage: Option<&Lineage>) -> Kubernetes {
        Kubernetes { identity: self.identity.recording(lineage.map(ToString::to_string)), ..self }
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

    /// The members as the last whole reading of the live state found them; given away.
    pub fn take_sighting(&self) -> Sighting {
        std::mem::take(&mut *self.sighting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for so long, or until something changed of what is waited for.
    pub async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.watches.changed() => {}
        }
    }

    /// True if fields of others are taken whoever they are and whenever they wrote.
    fn takes_all(&self, is_asked_for: bool) -> bool {
        is_asked_for || self.forcing == Forcing::Always
    }

    /// True if an apply over `live` takes fields of other managers.
    fn forces(&self, is_asked_for: bool, live: Option<&Value>) -> bool {
        is_asked_for
            || match self.forcing {
                Forcing::Never => false,
                Forcing::Members => live.is_some_and(|live| self.identity.owns(live)),
                Forcing::Always => true,
            }
    }
}

impl Platform for Kubernetes {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.read(deployment).await
    }

    async fn read_slots(&self, _: &Application) -> Result<Vec<Owned>, Trouble> {
        self.marked_slots().await
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        self.carry_out(deployment, item).await
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        match self.is_about_carried(deployment, item)? {
            true => Ok(Settled::Steady),
            false => self.settle(deployment, item).await,
        }
    }

    async fn read_owned(&self, _: &Deployment) -> Result<Live, Trouble> {
        self.read_members().await
    }

    async fn has_bookkeeping(&self) -> Result<bool, Trouble> {
        self.bookkeeping().await.map(|kept| kept.is_some())
    }

    async fn remove_bookkeeping(&self) -> Result<(), Trouble> {
        self.drop_bookkeeping().await
    }
}
