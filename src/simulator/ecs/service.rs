//! Services.

use super::Deployment;
use crate::simulator::queue::ServiceId;
use crate::simulator::state::Tags;
use crate::simulator::{Millis, TaskId};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

const EVENTS_MAX: usize = 100;

/// What a service's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum ServiceStatus {
    Active,
    Draining,
    Inactive,
}

impl ServiceStatus {
    pub fn name(self) -> &'static str {
        match self {
            ServiceStatus::Active => "ACTIVE",
            ServiceStatus::Draining => "DRAINING",
            ServiceStatus::Inactive => "INACTIVE",
        }
    }
}

/// One target group that a service's tasks are registered in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Registration {
    pub group: String,
    pub container: String,
    pub port: u16,
}

/// One service.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Service {
    pub id: ServiceId,
    pub name: String,
    pub cluster: String,
    pub arn: String,
    pub status: ServiceStatus,
    /// CreateService's fields as they are now, with defaults.
    pub spec: Arc<Map<String, Value>>,
    pub desired: usize,
    /// PRIMARY first.
    pub deployments: Vec<Deployment>,
    /// Newest first: id, time, message.
    pub events: VecDeque<(String, Millis, String)>,
    /// Those that are not STOPPED.
    pub tasks: BTreeSet<TaskId>,
    pub created_at: Millis,
    pub tags: Tags,
    /// The steady state was announced and nothing happened since.
    pub steady: bool,
    /// When the scheduler looks after it next.
    pub wake_at: Option<Millis>,
    /// The deployment that a failed one is rolled back to.
    pub completed: Option<Deployment>,
}

impl Service {
    pub fn is_active(&self) -> bool {
        self.status == ServiceStatus::Active
    }

    pub fn is_inactive(&self) -> bool {
        self.status == ServiceStatus::Inactive
    }

    /// A message for people, as ECS writes it: after the service's name.
    pub fn note(&mut self, id: String, now: Millis, message: &str) {
        self.events.push_front((id, now, format!("(service {}) {message}", self.name)));
        self.events.truncate(EVENTS_MAX);
    }
}

/// A flag or number deep in a service's fields.
pub(super) fn config<'a>(spec: &'a Map<String, Value>, name: &str) -> &'a Value {
    spec.get("deploymentConfiguration").map_or(&Value::Null, |config| &config[name])
}

/// True if ECS shifts the traffic of this service itself.
pub(super) fn is_native(spec: &Map<String, Value>) -> bool {
    matches!(config(spec, "strategy").as_str(), Some("BLUE_GREEN" | "LINEAR" | "CANARY"))
}

/// The target groups that tasks are registered in; `side` 1 means the alternate ones of ECS's own blue/green.
pub(in crate::simulator) fn registrations(spec: &Map<String, Value>, side: usize) -> Vec<Registration> {
    let entries = spec.get("loadBalancers").and_then(Value::as_array).into_iter().flatten();
    let read = |entry: &Value| {
        let alternate = entry["advancedConfiguration"]["alternateTargetGroupArn"].as_str();
        let group = alternate.filter(|_| side == 1).or(entry["targetGroupArn"].as_str())?;
        Some(Registration {
            group: group.into(),
            container: entry["containerName"].as_str()?.into(),
            port: u16::try_from(entry["containerPort"].as_u64()?).ok()?,
        })
    };
    entries.filter_map(read).collect()
}
