//! The cutover machine: one pure function from what is wanted and what is observed to what to do next.

mod bake;
mod candidate;
mod decide;
mod decision;
mod foreign;
mod gate;
mod gone;
mod hindrance;
mod live;
mod observation;
mod record;
mod returning;
mod shift;
mod terms;
mod view;

pub use decide::decide;
pub use decision::{Action, Decision, Outcome, Phase, WaitingOn};
pub use gate::{closed_gate, http_can_be_asked, ills, is_failing};
pub use hindrance::{By, Hindrance, Remedy};
pub use observation::{
    Alarm, AlarmState, Content, Desired, ForeignChange, Hold, HttpAnswer, HttpVerdict, Ill, Observation,
    RuleObservation, RuleSplit, SlotObservation, Stage, Stranger, Targets, Workload,
};
pub use record::{Intent, Progress, Record, Signals};
pub use terms::Terms;
