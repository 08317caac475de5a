//! Joins the pure core and the adapters for one application: observe, decide, act, observe again.

mod ports;

pub use ports::{Gating, Rollout, Traffic, TrafficReading, Trouble, TroubleKind, Workloads};
