//! Starting and stopping a service's tasks, with the events that tell of it.

use super::deployment::Rollout;
use super::lifecycle::{self, Placement};
use super::notes::{name_tasks, note};
use super::scheduler::wake_in;
use crate::simulator::TaskId;
use crate::simulator::queue::ServiceId;
use crate::simulator::state::{State, Tags};
use serde_json::Value;

/// Starts up to `count` tasks of the PRIMARY deployment; fewer where there is no room.
pub(super) fn start_tasks(state: &mut State, id: ServiceId, count: usize) {
    let (now, retry) = (state.now, state.settings.retry_delay_ms);
    let Some(service) = state.services.get(&id) else { return };
    let Some(primary) = service.deployments.first().cloned() else { return };
    if count == 0 || primary.rollout == Rollout::Failed {
        return;
    }
    if primary.retry_at > now {
        wake_in(state, id, primary.retry_at - now);
        return;
    }
    let (cluster, group) = (service.cluster.clone(), format!("service:{}", service.name));
    let tags = match service.spec.get("propagateTags").and_then(Value::as_str) {
        Some("SERVICE") => service.tags.clone(),
        Some("TASK_DEFINITION") => {
            let family = state.families.get(&primary.definition.family);
            family
                .and_then(|family| family.tags.get(&primary.definition.revision))
                .cloned()
                .unwrap_or_default()
        }
        _ => Tags::new(),
    };
    let room = state.task_capacity.saturating_sub(state.tasks_alive).min(count);
    let mut started = vec![];
    for _ in 0..room {
        let placement = Placement {
            cluster: &cluster,
            group: group.clone(),
            service: Some(id),
            deployment: Some(primary.id.clone()),
            spec: &primary.spec,
            side: primary.side,
            tags: tags.clone(),
            started_by: None,
        };
        let task = lifecycle::start(state, &primary.definition, placement);
        started.push(short_name(state, task));
    }
    if !started.is_empty() {
        note(state, id, &format!("has started {} tasks: {}.", started.len(), name_tasks(&started)));
    }
    let Some(service) = state.services.get_mut(&id) else { return };
    service.steady = false;
    if room < count {
        if let Some(primary) = service.deployments.first_mut() {
            primary.note_failure(now, retry);
        }
        let retry_at = service.deployments.first().map_or(now, |primary| primary.retry_at);
        note(
            state,
            id,
            "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a \
             different availability zone.",
        );
        wake_in(state, id, retry_at.saturating_sub(now).max(1));
    }
}

/// Stops tasks because they are too many or of an old deployment.
pub(super) fn stop_tasks(state: &mut State, id: ServiceId, tasks: &[TaskId]) {
    if tasks.is_empty() {
        return;
    }
    let names: Vec<String> = tasks.iter().map(|task| short_name(state, *task)).collect();
    note(state, id, &format!("has stopped {} running tasks: {}.", names.len(), name_tasks(&names)));
    let draining =
        tasks.iter().filter(|task| state.tasks.get(task).is_some_and(|task| task.registered)).count();
    if draining > 0 {
        note(state, id, &format!("has begun draining connections on {draining} tasks."));
    }
    let deployment =
        state.services.get(&id).and_then(|s| s.deployments.first()).map(|d| d.id.clone()).unwrap_or_default();
    for task in tasks {
        let reason = format!("Scaling activity initiated by (deployment {deployment})");
        lifecycle::stop(state, *task, "ServiceSchedulerInitiated", &reason);
    }
    if let Some(service) = state.services.get_mut(&id) {
        service.steady = false;
    }
}

pub(super) fn short_name(state: &State, id: TaskId) -> String {
    state.tasks.get(&id).map(|task| task.name.clone()).unwrap_or_default()
}
