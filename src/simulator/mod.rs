//! An embedded ECS, ELBv2, CloudWatch and STS.
//!
//! [`World`] is the state machine: virtual time, no sockets, deterministic. It reads and writes the real wire
//! protocols. [`Connector`] lets an AWS SDK client talk to it inside the process. [`load_balancer_controller`] makes
//! targets of the pods of a Kubernetes cluster.
//!
//! Left out: container health checks, the Application Auto Scaling API (a fault plays an autoscaler), the size of
//! container instances (placement is a number, `task_capacity`), Service Connect, VPC Lattice, service discovery and
//! lifecycle hooks (kept, without effect), stickiness of targets (that of target groups is there), task sets and the CODE_DEPLOY controller, signatures and permissions (a fault can refuse any
//! call). Alarms change only when told to.

mod autoscale;
mod autotag;
mod behaviour;
mod buckets;
mod calls;
mod cloudwatch;
mod connector;
mod distort;
mod ecs;
mod elb;
mod endpoints;
mod faults;
mod inject;
mod inspect;
pub mod load_balancer_controller;
mod message;
mod operations;
mod outside;
mod queue;
mod random;
mod refusals;
mod seed;
mod settings;
pub mod shell;
mod state;
mod sts;
mod wire;
mod world;

#[cfg(test)]
mod tests;

pub use behaviour::{Behaviour, release};
pub use calls::{Call, CallLog};
pub use connector::Connector;
pub use endpoints::{
    ExternalTarget, ListenerEndpoint, Probe, RouteRequest, Routed, TargetRoute, TaskEndpoint, TaskId, Visitor,
};
pub use faults::{Failure, Fault, HaltPoint, TargetFault};
pub use inspect::{Refused, RuleView, ServiceView, TargetView};
pub use message::{WireRequest, WireResponse};
pub use operations::OfferedOperation;
pub use settings::{Buckets, Millis, Probes, Settings};
pub use world::World;
