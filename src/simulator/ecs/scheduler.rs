//! The service scheduler: looks after a service whenever something happened to it.

use super::breaker::break_circuit;
use super::deployment::{Deployment, Rollout};
use super::notes::note;
use super::service::{ServiceStatus, is_native};
use super::staff::short_name;
use super::view::{Health, View, views};
use super::{lifecycle, native, rolling};
use crate::simulator::queue::{Event, ServiceId};
use crate::simulator::state::State;
use crate::simulator::{Millis, TaskId};

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
