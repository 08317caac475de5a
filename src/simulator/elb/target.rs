//! Targets: coming, going, and being described.

use super::external::reach;
use super::health::{Target, TargetState, start, wake_services};
use super::target_group::{self, TargetGroup};
use crate::simulator::queue::{Event, TargetKey};
use crate::simulator::state::State;
use crate::simulator::wire::{Answer, ApiError, Input};
use crate::simulator::{Probes, TargetFault, TaskId};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most targets one target group may have; Elastic Load Balancing, "Quotas for your Application Load Balancers".
const TARGETS_MAX: usize = 1_000;

/// Adds a target to a group, or takes one back that is draining.
pub(in crate::simulator) fn register(
    state: &mut State,
    group_arn: &str,
    key: TargetKey,
    task: Option<TaskId>,
) {
    let now = state.now;
    let Some(group) = state.target_groups.get_mut(group_arn) else { return };
    let used = group.load_balancer.is_some();
    let target = group.targets.entry(key.clone()).or_insert_with(|| Target::new(task, now));
    if target.state == TargetState::Draining {
        let epoch = target.epoch + 1;
        *target = Target::new(task, now);
        target.epoch = epoch;
    }
    if used && target.state == TargetState::Unused {
        start(state, group_arn, &key);
    }
}

/// Lets a target drain for the group's deregistration delay; one that is not in use is gone at once. Returns how
/// long it drains.
pub(in crate::simulator) fn deregister(state: &mut State, group_arn: &str, key: &TargetKey) -> u64 {
    let Some(group) = state.target_groups.get_mut(group_arn) else { return 0 };
    let (used, delay) = (group.load_balancer.is_some(), group.deregistration_delay_ms());
    let Some(target) = group.targets.get_mut(key) else { return 0 };
    if !used {
        group.targets.remove(key);
        return 0;
    }
    if target.state == TargetState::Draining {
        return 0;
    }
    target.state = TargetState::Draining;
    target.epoch += 1;
    let epoch = target.epoch;
    state.later(delay, Event::Drained { group: group_arn.into(), target: key.clone(), epoch });
    delay
}

fn read_targets(group: &TargetGroup, input: Input) -> Result<Vec<TargetKey>, ApiError> {
    let mut keys = vec![];
    for target in input.list("Targets") {
        let port = match target.number("Port") {
            None => group.default_port(),
            Some(port) => u16::try_from(port)
                .ok()
                .filter(|p| *p > 0)
                .ok_or_else(|| ApiError::validation("The target's port must be between 1 and 65535"))?,
        };
        let id = target.must("Id")?;
        let fits = match group.target_type.as_str() {
            "ip" => id.parse::<std::net::Ipv4Addr>().is_ok(),
            _ => id.starts_with("i-"),
        };
        if !fits {
            return Err(ApiError::validation(format!(
                "The target '{id}' does not fit the target type '{}'",
                group.target_type
            )));
        }
        keys.push((id.to_string(), port));
    }
    Ok(keys)
}

pub(super) fn register_call(state: &mut State, input: Input) -> Answer {
    let arn = input.must("TargetGroupArn")?.to_string();
    let group = target_group::find(state, &arn)?;
    let keys = read_targets(group, input)?;
    if keys.is_empty() {
        return Err(ApiError::validation("At least one target must be specified"));
    }
    let there: BTreeSet<&TargetKey> = group.targets.keys().chain(&keys).collect();
    if there.len() > TARGETS_MAX {
        return Err(ApiError::new(
            "TooManyTargets",
            format!("The target group '{}' can't have more than {TARGETS_MAX} targets", group.name),
        ));
    }
    let tasks: Vec<Option<TaskId>> = keys.iter().map(|key| task_at(state, key)).collect();
    for (key, task) in keys.iter().zip(&tasks) {
        check_reachable(state, key, *task)?;
    }
    for (key, task) in keys.into_iter().zip(tasks) {
        register(state, &arn, key, task);
    }
    Ok(json!({}))
}

/// The task that has a target's address, unless something else was said about the address.
fn task_at(state: &State, key: &TargetKey) -> Option<TaskId> {
    if state.externals.contains_key(key) {
        return None;
    }
    state.tasks.values().find(|task| task.is_at(key) && !task.exited).map(|task| task.id)
}

/// On real sockets a target must be something this machine has: nothing outside it is ever connected to.
fn check_reachable(state: &State, key: &TargetKey, task: Option<TaskId>) -> Result<(), ApiError> {
    let itself = state.listeners.values().any(|listener| {
        let balancer = state.load_balancers.get(&listener.load_balancer);
        listener.port == key.1 && balancer.is_some_and(|balancer| balancer.dns_name == key.0)
    });
    if itself {
        let why = format!("The target '{}:{}' is a load balancer's own listener", key.0, key.1);
        return Err(ApiError::new("InvalidTarget", why));
    }
    let played = task.is_some() || state.externals.contains_key(key);
    if state.settings.probes == Probes::Model || played || reach(state, key).is_some() {
        return Ok(());
    }
    Err(ApiError::new(
        "InvalidTarget",
        format!(
            "The target '{}' is neither a task nor a pod that the simulator knows, and of other addresses it reaches \
             only loopback ones; register one of 127.0.0.0/8",
            key.0
        ),
    ))
}

pub(super) fn deregister_call(state: &mut State, input: Input) -> Answer {
    let arn = input.must("TargetGroupArn")?.to_string();
    for key in read_targets(target_group::find(state, &arn)?, input)? {
        wake_services(state, &arn);
        deregister(state, &arn, &key);
    }
    Ok(json!({}))
}

pub(super) fn describe_health(state: &State, input: Input) -> Answer {
    let group = target_group::find(state, input.must("TargetGroupArn")?)?;
    let asked = read_targets(group, input)?;
    let shown: Vec<Value> = if asked.is_empty() {
        group.targets.iter().map(|(key, target)| render(group, key, Some(target))).collect()
    } else {
        asked.iter().map(|key| render(group, key, group.targets.get(key))).collect()
    };
    Ok(json!({"TargetHealthDescriptions": shown}))
}

fn render(group: &TargetGroup, key: &TargetKey, target: Option<&Target>) -> Value {
    let check_port = match group.health_check.port.as_str() {
        "traffic-port" => key.1.to_string(),
        port => port.to_string(),
    };
    let (state, reason, description) = match target {
        None => (
            "unused",
            Some("Target.NotRegistered"),
            Some("Target is not registered to the target group".into()),
        ),
        Some(_) if group.fault == TargetFault::Unavailable => {
            ("unavailable", Some("Elb.InternalError"), Some("Internal error".to_string()))
        }
        Some(target) => target.describe(),
    };
    json!({
        "Target": {"Id": key.0, "Port": key.1, "AvailabilityZone": "all"},
        "HealthCheckPort": check_port,
        "TargetHealth": {"State": state, "Reason": reason, "Description": description},
    })
}
