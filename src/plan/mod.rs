//! What a sync would do, as data and as text. Pure.
//!
//! `assemble` makes the plan from documents and what is live; `forecast` asks the cutover machine itself what it will
//! do if all goes well; `prune` decides what may be deleted; `undeclared` finds
//! rollouts under way that nobody declares; `summary`, `render` and `json` print.

mod assemble;
mod blue_green;
mod configuration;
mod data;
mod deletion;
mod forecast;
mod json;
mod live;
mod objects;
mod palette;
mod prune;
mod refers;
mod released;
mod render;
mod rolling;
mod services;
mod side;
mod slot_spec;
mod slots;
mod summary;
mod task_definition;
mod traffic;
mod undeclared;
mod words;

pub use assemble::assemble;
pub use data::{Change, Plan, PlanItem, RuleKind, TrafficChange};
pub use deletion::plan_deletion;
pub use forecast::{refusal, untold_touch};
pub use json::to_json;
pub use live::{FieldConflict, Live, LiveObject, LiveRevision, LiveRollout, WouldBe};
pub use palette::Palette;
pub use prune::{Owned, PruneDecision, prunable};
pub use refers::references;
pub use render::{render_diff, render_plan};
pub use slot_spec::slot_spec;
pub use slots::CARRIED_ALONG;
pub use summary::Summary;
pub use undeclared::{SlotMark, Undeclared, UnderWay, declared_slots, undeclared, under_way};

#[cfg(test)]
mod tests;
