//! The service scheduler: looks after a service whenever something happened to it.

use super::deployment::{Deployment, Rollout};
use super::lifecycle::{self, Placement};
use super::notes::{name_tasks, note};
use super::service::{ServiceStatus, config, is_native};
use super::task::TaskStatus;
use super::{native, rolling, update};
use crate::simulator::elb::TargetState;
use crate::simulator::queue::{Event, ServiceId};
use crate::simulator::state::{State, Tags};
use crate::simulator::{Millis, TaskId};
use serde_json::Value;
use std::sync::Arc;

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

/// Lets the scheduler look after a service soon.
pub(super) fn wake(state: &mut State, id: ServiceId, delay: Millis) {
    let delay = if state.instant { 0 } else { delay };
    wake_in(state, id, delay);
}

/// Lets the scheduler look after a service after exactly `delay`.
pub(super) fn wake_in(state: &mut State, id: ServiceId, delay: Millis) {
    let at = state.now + delay;
    let Some(service) = state.services.get_mut(&id) else { return };
    if service.wake_at.is_none_or(|planned| planned > at) {
        service.wake_at = Some(at);
        state.queue.push(at, Event::Reconcile(id));
    }
}

/// [`wake`] for the service of a task.
pub(in crate::simulator) fn wake_service_of(state: &mut State, task: TaskId) {
    if let Some(service) = state.tasks.get(&task).and_then(|task| task.service) {
        wake(state, service, state.settings.scheduler_delay_ms);
    }
}

/// [`wake`] for every service.
pub(in crate::simulator) fn wake_all(state: &mut State) {
    let ids: Vec<ServiceId> = state.services.keys().copied().collect();
    for id in ids {
        wake(state, id, state.settings.scheduler_delay_ms);
    }
}

/// Brings a service one step nearer to what it should be.
pub(in crate::simulator) fn reconcile(state: &mut State, id: ServiceId) {
    let now = state.now;
    let Some(service) = state.services.get_mut(&id) else { return };
    if service.wake_at.is_none_or(|at| at > now) {
        return;
    }
    service.wake_at = None;
    match service.status {
        ServiceStatus::Inactive => {}
        ServiceStatus::Draining => drain(state, id),
        ServiceStatus::Active => {
            replace_bad(state, id);
            break_circuit(state, id);
            let native = state
                .services
                .get(&id)
                .is_some_and(|s| s.deployments.first().is_some_and(|d| is_native(&d.spec)));
            if native {
                native::place(state, id);
            } else {
                rolling::place(state, id);
            }
            conclude(state, id);
        }
    }
}

fn drain(state: &mut State, id: ServiceId) {
    for view in views(state, id) {
        lifecycle::stop(
            state,
            view.id,
            "ServiceSchedulerInitiated",
            "Scaling activity initiated by (service deletion)",
        );
    }
    if let Some(service) = state.services.get_mut(&id).filter(|service| service.tasks.is_empty()) {
        service.status = ServiceStatus::Inactive;
        service.deployments.clear();
    }
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
        let key = (task.ip.clone(), registration.port);
        let target = state.target_groups.get(&registration.group).and_then(|group| group.targets.get(&key));
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

/// Stops tasks whose targets are unhealthy; others are started in their place.
fn replace_bad(state: &mut State, id: ServiceId) {
    let now = state.now;
    for view in views(state, id) {
        let Health::Bad(group, why) = &view.health else {
            if view.health == Health::Good {
                prove(state, id, &view);
            } else {
                wait_for_grace(state, id, view.id);
            }
            continue;
        };
        note(
            state,
            id,
            &format!(
                "(task {}) is unhealthy in (target-group {group}) due to (reason {why})",
                short_name(state, view.id)
            ),
        );
        if let Some(service) = state.services.get_mut(&id) {
            service.steady = false;
            if let Some(primary) =
                service.deployments.first_mut().filter(|d| view.primary && d.rollout == Rollout::InProgress)
            {
                primary.failed_tasks += 1;
                primary.updated_at = now;
            }
        }
        let reason = format!("Task failed ELB health checks in (target-group {group})");
        lifecycle::stop(state, view.id, "ServiceSchedulerInitiated", &reason);
    }
}

/// An unhealthy task in its grace period must be looked at again when that ends.
fn wait_for_grace(state: &mut State, id: ServiceId, task: TaskId) {
    let Some(started) = state.tasks.get(&task).and_then(|task| task.started_at) else { return };
    let grace = state
        .services
        .get(&id)
        .and_then(|s| s.spec.get("healthCheckGracePeriodSeconds")?.as_u64())
        .unwrap_or(0);
    let ends = started + grace * 1_000;
    if ends > state.now {
        wake_in(state, id, ends - state.now);
    }
}

/// A task that is healthy for the first time ends its deployment's row of failures.
fn prove(state: &mut State, id: ServiceId, view: &View) {
    let Some(task) = state.tasks.get_mut(&view.id).filter(|task| !task.proved) else { return };
    task.proved = true;
    if let Some(primary) =
        state.services.get_mut(&id).and_then(|s| s.deployments.first_mut()).filter(|_| view.primary)
    {
        primary.failed_tasks = 0;
        primary.retries = 0;
    }
}

pub(super) fn short_name(state: &State, id: TaskId) -> String {
    state.tasks.get(&id).map(|task| task.name.clone()).unwrap_or_default()
}

/// Ends a deployment whose tasks fail again and again or whose alarms ring, where the service asks for that.
fn break_circuit(state: &mut State, id: ServiceId) {
    let Some(service) = state.services.get(&id) else { return };
    let Some(primary) = service.deployments.first().filter(|d| d.rollout == Rollout::InProgress) else {
        return;
    };
    let breaker = config(&service.spec, "deploymentCircuitBreaker");
    let threshold = service.desired.div_ceil(2).clamp(3, 200);
    let failed = breaker["enable"] == true && primary.failed_tasks as usize >= threshold;
    let alarms = config(&service.spec, "alarms");
    let mut names = alarms["alarmNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let ringing = alarms["enable"] == true
        && names.any(|name| state.alarms.get(name).is_some_and(|alarm| alarm.state == "ALARM"));
    if failed {
        fail(
            state,
            id,
            "ECS deployment circuit breaker: tasks failed to start.",
            breaker["rollback"] == true,
        );
    } else if ringing {
        let rollback = alarms["rollback"] == true;
        fail(state, id, "ECS deployment failed: alarm detected.", rollback);
    }
}

/// Ends the PRIMARY deployment as FAILED; with `rollback`, the last completed one is deployed again.
fn fail(state: &mut State, id: ServiceId, reason: &str, rollback: bool) {
    let now = state.now;
    let number = state.fresh();
    let Some(service) = state.services.get_mut(&id) else { return };
    let Some(primary) = service.deployments.first_mut() else { return };
    primary.end(Rollout::Failed, reason.into(), now);
    let (failed_id, failed_side) = (primary.id.clone(), primary.side);
    let native = is_native(&primary.spec);
    let back = service.completed.clone().filter(|_| rollback || native);
    note(
        state,
        id,
        &format!(
            "(deployment {failed_id}) deployment failed: {}",
            reason.rsplit(": ").next().unwrap_or(reason)
        ),
    );
    let Some(back) = back else { return };
    if native {
        native::give_back(state, id, &back, &failed_id);
        return;
    }
    let mut again = Deployment::new(number, Arc::clone(&back.definition), Arc::clone(&back.spec), now);
    again.reason = format!("ECS deployment circuit breaker: rolling back to deploymentId {}.", back.id);
    again.side = failed_side;
    note(state, id, &format!("rolling back to (deployment {}).", back.id));
    if let Some(service) = state.services.get_mut(&id) {
        service.spec = Arc::clone(&back.spec);
    }
    update::begin(state, id, again);
}

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

/// Ends deployments that have come to an end and announces the steady state.
fn conclude(state: &mut State, id: ServiceId) {
    let now = state.now;
    let views = views(state, id);
    let Some(service) = state.services.get(&id) else { return };
    let Some(primary) = service.deployments.first() else { return };
    let of = |deployment: &Deployment| {
        let tasks = service.tasks.iter().filter_map(|task| state.tasks.get(task));
        tasks.filter(|task| task.deployment.as_deref() == Some(&deployment.id)).count()
    };
    let gone: Vec<String> =
        service.deployments.iter().skip(1).filter(|d| of(d) == 0).map(|d| d.id.clone()).collect();
    let alone = gone.len() + 1 == service.deployments.len();
    let mine: Vec<&View> = views.iter().filter(|view| view.primary).collect();
    let all_good = mine.len() == service.desired && mine.iter().all(|view| view.health == Health::Good);
    let others = views.len() - mine.len();
    let settled = alone && others == 0 && all_good && native::has_shifted(service, primary);
    let (was, primary_id, was_steady) = (primary.rollout, primary.id.clone(), service.steady);
    let Some(service) = state.services.get_mut(&id) else { return };
    service.deployments.retain(|deployment| !gone.contains(&deployment.id));
    if !settled {
        return;
    }
    if was == Rollout::InProgress
        && let Some(primary) = service.deployments.first_mut()
    {
        primary.end(Rollout::Completed, format!("ECS deployment {primary_id} completed."), now);
        primary.failed_tasks = 0;
        service.completed = Some(primary.clone());
        note(state, id, &format!("(deployment {primary_id}) deployment completed."));
    }
    if !was_steady && was != Rollout::Failed {
        note(state, id, "has reached a steady state.");
        if let Some(service) = state.services.get_mut(&id) {
            service.steady = true;
        }
    }
}
