//! ECS's own blue/green, linear and canary deployments, modelled simply: the new tasks come up beside the old ones in
//! the alternate target group, ECS moves the weights of the production rule, waits for the bake time and stops the
//! old tasks.

use super::deployment::{Deployment, Rollout};
use super::scheduler::{wake, wake_in};
use super::service::{Service, config, is_native, registrations};
use super::staff::{start_tasks, stop_tasks};
use super::view::{Health, views};
use crate::simulator::elb::{forward_weights, listener_of_rule, replace_actions, set_weights};
use crate::simulator::queue::ServiceId;
use crate::simulator::state::State;
use crate::simulator::{Millis, TaskId};
use serde_json::Value;

/// True if the traffic is where it belongs: always for a rolling deployment.
pub(super) fn has_shifted(service: &Service, primary: &Deployment) -> bool {
    !is_native(&primary.spec) || primary.shifted.0 == 100 || service.desired == 0
}

/// Does the next step of a deployment that shifts traffic itself.
pub(super) fn place(state: &mut State, id: ServiceId) {
    let now = state.now;
    let Some(service) = state.services.get(&id) else { return };
    let Some(primary) = service.deployments.first().cloned() else { return };
    let (desired, arn_of_old) = (service.desired, service.deployments.get(1).map(|d| d.id.clone()));
    let views = views(state, id);
    let (mine, old): (Vec<_>, Vec<_>) = views.iter().partition(|view| view.primary);
    if primary.rollout != Rollout::InProgress {
        let surplus: Vec<TaskId> =
            mine.iter().rev().take(mine.len().saturating_sub(desired)).map(|view| view.id).collect();
        stop_tasks(state, id, &surplus);
        start_tasks(state, id, desired.saturating_sub(mine.len()));
        return;
    }
    start_tasks(state, id, desired.saturating_sub(mine.len()));
    let ready = mine.len() >= desired && mine.iter().all(|view| view.health == Health::Good);
    let (percent, since) = primary.shifted;
    let (step, step_bake) = steps(&primary, percent);
    let waited = now.saturating_sub(since);
    let old_ids: Vec<TaskId> = old.iter().map(|view| view.id).collect();
    match percent {
        0 if ready && (arn_of_old.is_none() || old_ids.is_empty()) => shift(state, id, &primary, 100),
        0 if ready => shift(state, id, &primary, step),
        0 => {}
        1..100 if waited >= step_bake => shift(state, id, &primary, step),
        1..100 => wake_in(state, id, step_bake - waited),
        _ => {
            // Old tasks must not stop before the load balancer has followed the last shift.
            let bake = minutes(config(&primary.spec, "bakeTimeInMinutes"))
                .max(2 * state.settings.alb_propagation_ms);
            if waited >= bake {
                stop_tasks(state, id, &old_ids);
            } else if !old_ids.is_empty() {
                wake_in(state, id, bake - waited);
            }
        }
    }
}

fn minutes(value: &Value) -> Millis {
    value.as_u64().unwrap_or(0) * 60_000
}

/// The percentage after `percent`, and how long to stay before.
fn steps(deployment: &Deployment, percent: u32) -> (u32, Millis) {
    let part = |of: &str, name: &str| config(&deployment.spec, of)[name].clone();
    match config(&deployment.spec, "strategy").as_str() {
        Some("CANARY") if percent == 0 => {
            let first = part("canaryConfiguration", "canaryPercent").as_f64().unwrap_or(5.0);
            (first.clamp(1.0, 100.0) as u32, 0)
        }
        Some("CANARY") => (100, minutes(&part("canaryConfiguration", "canaryBakeTimeInMinutes"))),
        Some("LINEAR") => {
            let step =
                part("linearConfiguration", "stepPercent").as_f64().unwrap_or(10.0).clamp(1.0, 100.0) as u32;
            ((percent + step).min(100), minutes(&part("linearConfiguration", "stepBakeTimeInMinutes")))
        }
        _ => (100, 0),
    }
}

/// Gives a deployment `percent` of the traffic.
fn shift(state: &mut State, id: ServiceId, deployment: &Deployment, percent: u32) {
    set_rule(state, deployment, percent);
    let now = state.now;
    if let Some(primary) = state.services.get_mut(&id).and_then(|s| s.deployments.first_mut()) {
        primary.shifted = (percent, now);
        primary.updated_at = now;
    }
    wake(state, id, 1);
}

fn set_rule(state: &mut State, deployment: &Deployment, percent: u32) {
    let entries = deployment.spec.get("loadBalancers").and_then(Value::as_array).cloned().unwrap_or_default();
    let (to, from) = (
        registrations(&deployment.spec, deployment.side),
        registrations(&deployment.spec, 1 - deployment.side),
    );
    for (i, entry) in entries.iter().enumerate() {
        let Some(rule_arn) = entry["advancedConfiguration"]["productionListenerRule"].as_str() else {
            continue;
        };
        let (Some(to), Some(from)) = (to.get(i), from.get(i)) else { continue };
        let listener = state.listeners.get(&listener_of_rule(rule_arn));
        let rule = listener.and_then(|listener| listener.rules.iter().find(|rule| rule.arn == rule_arn));
        let Some(actions) = rule.map(|rule| rule.actions.clone()) else { continue };
        let weights = [(to.group.clone(), percent), (from.group.clone(), 100 - percent)];
        let changed = set_weights(&actions, &weights);
        if forward_weights(&changed) != forward_weights(&actions) {
            replace_actions(state, rule_arn, changed);
        }
    }
}

/// After a failure: the traffic goes back, and the deployment before is the PRIMARY one again.
pub(super) fn give_back(state: &mut State, id: ServiceId, back: &Deployment, failed: &str) {
    set_rule(state, back, 100);
    let Some(service) = state.services.get_mut(&id) else { return };
    if let Some(place) = service.deployments.iter().position(|deployment| deployment.id == back.id) {
        let back = service.deployments.remove(place);
        service.deployments.insert(0, back);
    }
    service.spec = std::sync::Arc::clone(&back.spec);
    let tasks = service.tasks.iter().filter_map(|task| state.tasks.get(task));
    let of_failed = tasks.filter(|task| task.deployment.as_deref() == Some(failed) && !task.stopping);
    let of_failed: Vec<TaskId> = of_failed.map(|task| task.id).collect();
    stop_tasks(state, id, &of_failed);
}
