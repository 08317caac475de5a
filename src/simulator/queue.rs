//! What will happen by itself, in order of time.

use super::elb::Rule;
use super::{Millis, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names a service for as long as the world lives, over deletion and creation under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ServiceId(pub u64);

/// The address of a target: IP and port.
pub(super) type TargetKey = (String, u16);

/// Something that is due at some time. An `epoch` that is no longer the thing's own makes the event void.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The scheduler looks after a service.
    Reconcile(ServiceId),
    /// A task takes the next step of its life.
    TaskStep { task: TaskId, epoch: u32 },
    /// A running task's targets are registered.
    Register(TaskId),
    /// A task's process ends with exit code 1.
    Crash(TaskId),
    /// A task's process is killed if it still runs.
    Kill(TaskId),
    /// A stranger tags a resource.
    Tag(String),
    /// An autoscaler looks at a service.
    Autoscale(ServiceId),
    /// A stopped task can no longer be described.
    Forget(TaskId),
    /// A health check.
    Probe { group: String, target: TargetKey, epoch: u32 },
    /// A target's deregistration delay is over.
    Drained { group: String, target: TargetKey, epoch: u32 },
    /// A load balancer follows its listener's configuration.
    Propagate { listener: String, version: u64, rules: Arc<Vec<Rule>> },
}

/// Events by time; of those at the same time the one put in first comes first.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    events: BTreeMap<(Millis, u64), Event>,
    count: u64,
}

impl Queue {
    /// Adds an event.
    pub fn push(&mut self, at: Millis, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    /// The time of the first event.
    pub fn next_at(&self) -> Option<Millis> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first event that is due until `now`.
    pub fn pop(&mut self, now: Millis) -> Option<(Millis, Event)> {
        if self.next_at()? > now {
            return None;
        }
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
