//! Deployments: a service's way from one revision to the next.

use super::TaskDefinition;
use crate::simulator::Millis;
use serde_json::{Map, Value};
use std::sync::Arc;

/// How a deployment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Rollout {
    InProgress,
    Completed,
    Failed,
}

impl Rollout {
    pub fn name(self) -> &'static str {
        match self {
            Rollout::InProgress => "IN_PROGRESS",
            Rollout::Completed => "COMPLETED",
            Rollout::Failed => "FAILED",
        }
    }
}

/// One deployment of a service. The first of a service's deployments is PRIMARY, the others are ACTIVE until their
/// tasks are gone.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Deployment {
    /// `ecs-svc/` and a number.
    pub id: String,
    pub definition: Arc<TaskDefinition>,
    /// The service's fields as they were when it began; tasks are started from these.
    pub spec: Arc<Map<String, Value>>,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub rollout: Rollout,
    pub reason: String,
    /// Tasks that failed one after the other.
    pub failed_tasks: u32,
    /// Start attempts that failed one after the other, and when the next may be made.
    pub retries: u32,
    pub retry_at: Millis,
    /// For ECS's own blue/green: which of the two target groups its tasks are registered in.
    pub side: usize,
    /// For ECS's own blue/green: percent of the traffic that it has been given, and when.
    pub shifted: (u32, Millis),
}

impl Deployment {
    pub fn new(
        number: u64,
        definition: Arc<TaskDefinition>,
        spec: Arc<Map<String, Value>>,
        now: Millis,
    ) -> Deployment {
        let id = format!(
            "ecs-svc/{:019}",
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 10_000_000_000_000_000_000
        );
        Deployment {
            reason: format!("ECS deployment {id} in progress."),
            id,
            definition,
            spec,
            created_at: now,
            updated_at: now,
            rollout: Rollout::InProgress,
            failed_tasks: 0,
            retries: 0,
            retry_at: 0,
            side: 0,
            shifted: (0, now),
        }
    }

    /// Notes that a task could not be started; the next attempt waits, twice as long each time.
    pub fn note_failure(&mut self, now: Millis, delay: Millis) {
        self.failed_tasks += 1;
        self.retry_at = now + (delay << self.retries.min(5));
        self.retries += 1;
        self.updated_at = now;
    }

    pub fn end(&mut self, rollout: Rollout, reason: String, now: Millis) {
        (self.rollout, self.reason, self.updated_at) = (rollout, reason, now);
    }
}
