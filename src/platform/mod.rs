//! The platforms workloads run on.

pub mod ecs;
pub mod kubernetes;
mod lock_waits;
mod owner;
mod withhold;

pub use owner::Owner;
