//! Joins the pure core and the adapters for one application: observe, decide, act, observe again.

mod events;
mod memory;
mod ports;
mod run;

pub use events::{Event, Silent, Watcher};
pub use memory::{Memory, Stale};
pub use ports::{
    Gating, Guard, Rollout, TimeSource, Traffic, TrafficReading, Trouble, TroubleKind, Workloads,
};
pub use run::{Adapter, Ports, Run, RunEnd, StopSignal, desired};
