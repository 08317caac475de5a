//! The platforms workloads run on.
pub mod ecs;
