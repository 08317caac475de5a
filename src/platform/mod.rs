//! The platforms workloads run on.

pub mod ecs;
pub mod kubernetes;
mod owner;

pub use owner::Owner;
