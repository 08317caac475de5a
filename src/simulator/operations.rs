//! The operations that the simulated APIs offer, kept as tables so that whoever goes through all of them meets a new
//! one without being told.

use super::state::State;
use super::wire::{Answer, Input};
use super::{World, cloudwatch, ecs, elb, sts};

/// Runs an operation that only reads.
pub(super) type Read = fn(&State, Input) -> Answer;
/// Runs an operation that changes something.
pub(super) type Write = fn(&mut State, Input) -> Answer;

/// One operation that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfferedOperation {
    /// `ecs`, `elbv2`, `cloudwatch` or `sts`.
    pub service: &'static str,
    pub name: &'static str,
    /// False for Describe, List and Get calls.
    pub is_write: bool,
}

/// What a table has for an operation.
pub(super) fn find<T: Copy>(table: &[(&str, T)], operation: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == operation).map(|(_, run)| *run)
}

impl World {
    /// Every operation that can be called, by service and name: each is one that a [`Fault::Call`](super::Fault::Call)
    /// can name.
    pub fn operations() -> Vec<OfferedOperation> {
        let reads = |service, table: &[(&'static str, Read)]| names(service, false, table);
        let writes = |service, table: &[(&'static str, Write)]| names(service, true, table);
        let mut offered = [
            reads("ecs", &ecs::READS),
            writes("ecs", &ecs::WRITES),
            reads("elbv2", &elb::READS),
            writes("elbv2", &elb::WRITES),
            reads("cloudwatch", &cloudwatch::READS),
            writes("cloudwatch", &cloudwatch::WRITES),
            reads("sts", &sts::READS),
        ]
        .concat();
        offered.sort();
        offered
    }
}

fn names<T>(service: &'static str, is_write: bool, table: &[(&'static str, T)]) -> Vec<OfferedOperation> {
    table.iter().map(|(name, _)| OfferedOperation { service, name, is_write }).collect()
}
