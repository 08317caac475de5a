//! The two slots of a blue/green workload: reads them, and does the machine's actions on them.

mod act;
mod apply;
mod content;
mod hold;
mod in_place;
mod marked;
mod plan;
mod protect;
mod read;

pub(super) use marked::slot_mark;
pub(super) use plan::AllSlots;
pub(super) use protect::{Protection, backends};

use super::Kubernetes;
use crate::engine::{Rollout, Signal, Signalling, SlotsReading, Trouble, Workloads};
use crate::model::{RevisionId, Slot};
use crate::rollout::Action;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// What one run knows of slots from its earlier looks.
#[derive(Default)]
pub(super) struct Looks(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By the Deployment's uid: what it runs, and since when this run has seen it not at rest.
    unsteady: HashMap<String, (String, Instant)>,
    /// By the Deployment's uid: what was compared by a dry run, and the result.
    compared: HashMap<String, (String, bool)>,
}

impl Looks {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workloads for Kubernetes {
    async fn desired_revision(&self, rollout: &Rollout) -> Result<RevisionId, Trouble> {
        Ok(self.steered(rollout)?.revision)
    }

    async fn observe_slots(&self, rollout: &Rollout) -> Result<SlotsReading, Trouble> {
        Ok(SlotsReading { slots: self.read_slots(&self.steered(rollout)?).await?, hindrances: vec![] })
    }

    async fn apply_workload(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble> {
        self.act_on_slot(&self.steered(rollout)?, action).await
    }
}

impl Signalling for Kubernetes {
    async fn apply_signal(&self, rollout: &Rollout, slot: Slot, signal: Signal) -> Result<(), Trouble> {
        self.signal_slot(&self.steered(rollout)?, slot, signal).await
    }
}
