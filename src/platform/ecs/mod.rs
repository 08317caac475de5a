//! Services, tasks and task definitions on Amazon ECS, through AWS's own JSON.

mod backoff;
mod batch;
mod fleet;
mod inseparable;
mod live;
mod lock;
mod members;
mod ownership;
mod read;
mod register;
mod revisions;
mod rolling;
mod slot;
mod slots;
mod steady;
mod strangers;
mod troubles;
mod verdict;
mod write;

pub use crate::platform::Owner;
pub use live::{LiveService, LiveTaskDefinition, ServiceStatus};
pub use lock::{Lease, LockError, Writer};
pub use write::Stamp;

use crate::aws::Aws;
use crate::engine::{
    Neighbours, NoNeighbours, Rollout, Signal, Signalling, SlotsReading, Trouble, Workloads,
};
use crate::model::{RevisionId, Slot};
use crate::rollout::{Action, Stranger};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// One ECS cluster, for one run: what it caches is either immutable or used once.
pub struct Ecs {
    aws: Aws,
    cluster: String,
    batch: batch::Batch,
    seen: read::SeenServices,
    revisions: revisions::SeenRevisions,
    registering: register::Registering,
    members: Arc<members::Members>,
    /// All services of the cluster, of which other applications may have marked some.
    others: strangers::Listed,
    /// When the PRIMARY deployment of each service began that this run updated, as ECS answered the update.
    sent: Mutex<HashMap<String, f64>>,
    stopped: Mutex<HashMap<String, (Instant, Vec<String>)>>,
    passing: ownership::Passing,
    neighbours: Arc<dyn Neighbours>,
}

impl Ecs {
    /// The cluster of that name or ARN, on these clients.
    pub fn new(aws: Aws, cluster: impl Into<String>) -> Ecs {
        Ecs {
            aws,
            cluster: cluster.into(),
            batch: batch::Batch::default(),
            seen: read::SeenServices::default(),
            revisions: revisions::SeenRevisions::default(),
            registering: register::Registering::default(),
            members: Arc::default(),
            others: strangers::Listed::default(),
            sent: Mutex::default(),
            stopped: Mutex::default(),
            passing: ownership::Passing::default(),
            neighbours: Arc::new(NoNeighbours),
        }
    }

    /// The cluster as it was named.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }
}

impl Workloads for Ecs {
    async fn desired_revision(&self, rollout: &Rollout) -> Result<RevisionId, Trouble> {
        slot::desired_revision(rollout)
    }

    async fn observe_slots(&self, rollout: &Rollout) -> Result<SlotsReading, Trouble> {
        self.read_slots(rollout).await
    }

    async fn own_targets(
        &self,
        rollout: &Rollout,
        slot: Slot,
        healthy: &BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, Trouble> {
        self.own_targets_of(rollout, slot, healthy).await.map(Some)
    }

    async fn strangers(&self, rollout: &Rollout, slot: Slot) -> Result<Vec<Stranger>, Trouble> {
        self.strangers_in(rollout, slot).await
    }

    async fn apply_workload(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble> {
        self.apply_slot(rollout, action).await
    }
}

impl Signalling for Ecs {
    async fn apply_signal(&self, rollout: &Rollout, slot: Slot, signal: Signal) -> Result<(), Trouble> {
        self.signal_slot(rollout, slot, signal).await
    }
}
