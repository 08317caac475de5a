//! The cutover machine: one pure function from what is wanted and what is observed to what to do next.

mod decide;
mod decision;
mod observation;
mod record;

pub use decide::{decide, required_healthy, serving_slot};
pub use decision::{Action, Decision, Outcome, Phase, WaitingOn};
pub use observation::{
    Alarm, AlarmState, Content, Desired, HttpAnswer, Observation, RuleObservation, RuleSplit,
    SlotObservation, Stage, Targets, Workload,
};
pub use record::{Progress, Record, Signals};
