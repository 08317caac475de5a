//! The platforms workloads run on.
pub mod ecs;
pub mod kubernetes;
