//! How the scheduler sees a service's tasks.

use super::task::TaskStatus;
use crate::simulator::TaskId;
use crate::simulator::elb::TargetState;
use crate::simulator::queue::ServiceId;
use crate::simulator::state::State;
use serde_json::Value;

/// What the scheduler makes of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// Not running yet, or not checked yet.
    Waiting,
    Good,
    /// Its target is unhealthy: the group and the reason.
    Bad(String, String),
}

/// One task of a service that is not being stopped.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub id: TaskId,
    /// Belongs to the PRIMARY deployment.
    pub primary: bool,
    pub running: bool,
    pub health: Health,
}

/// The service's tasks that are to stay, oldest first.
pub(super) fn views(state: &State, id: ServiceId) -> Vec<View> {
    let Some(service) = state.services.get(&id) else { return vec![] };
    let primary = service.deployments.first().map(|deployment| deployment.id.as_str());
    let tasks = service.tasks.iter().filter_map(|id| state.tasks.get(id)).filter(|task| !task.stopping);
    tasks
        .map(|task| View {
            id: task.id,
            primary: task.deployment.as_deref() == primary,
            running: task.status == TaskStatus::Running,
            health: health(state, task.id),
        })
        .collect()
}

fn health(state: &State, id: TaskId) -> Health {
    let Some(task) = state.tasks.get(&id).filter(|task| task.status == TaskStatus::Running) else {
        return Health::Waiting;
    };
    let grace = task
        .service
        .and_then(|id| state.services.get(&id))
        .and_then(|service| service.spec.get("healthCheckGracePeriodSeconds").and_then(Value::as_u64));
    let grace_ends = task.started_at.unwrap_or(state.now) + grace.unwrap_or(0) * 1_000;
    let mut verdict = Health::Good;
    for registration in &task.registrations {
        let Some(group) = state.target_groups.get(&registration.group) else {
            // Nobody can say how the task is in a group that is gone: it is neither proven nor replaced.
            verdict = Health::Waiting;
            continue;
        };
        let target = group.targets.get(&task.target_key(registration));
        let bad = |why: &str| Health::Bad(registration.group.clone(), why.into());
        match target.map(|target| (target.state, target)) {
            // A group that no listener names is not checked, so it can't hold a service up.
            Some((TargetState::Healthy | TargetState::Unused, _)) => {}
            Some((TargetState::Unhealthy(_), target)) if state.now >= grace_ends => {
                return bad(&target.describe().2.unwrap_or_default());
            }
            // Someone else deregistered it.
            Some((TargetState::Draining, _)) if task.registered => {
                return bad("Target.DeregistrationInProgress");
            }
            None if task.registered => return bad("Target.NotRegistered"),
            _ => verdict = Health::Waiting,
        }
    }
    verdict
}
