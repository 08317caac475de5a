//! What a run tells the people who watch it.

use crate::plan::Plan;
use crate::rollout::{Action, Observation, Phase, WaitingOn};
use serde::Serialize;

/// One thing that happened, or that is awaited.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum Event {
    /// A workload's rollout entered a phase.
    Phase { workload: String, phase: Phase },
    /// It waits.
    Waiting {
        workload: String,
        on: WaitingOn,
        text: String,
        /// The same in words that stay as long as the wait does; `None` for what ends a run.
        #[serde(skip)]
        general: Option<String>,
    },
    /// A write was made.
    Wrote { workload: String, action: Action, text: String },
    /// A read or write failed for now and is tried again.
    Trouble { workload: String, text: String },
    /// A resource that is not blue/green was written.
    Applied { document: String, text: String },
    /// It is waited for until it has come to rest.
    Settling { document: String, text: String },
    /// Something people should know.
    Notice { workload: String, text: String },
}

/// Takes the events of a run; called from the run's own task.
pub trait Watcher {
    /// One event.
    fn event(&self, event: Event);

    /// What will be done, before it is. Once more if that changed while the sync waited for its turn.
    fn planned(&self, _plan: &Plan) {}

    /// Everything that was observed, each time it was.
    fn observed(&self, _workload: &str, _seen: &Observation) {}
}

/// Says nothing.
pub struct Silent;

impl Watcher for Silent {
    fn event(&self, _event: Event) {}
}
