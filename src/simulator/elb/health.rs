//! The health of targets: when they are checked, by what they are judged, what becomes of them.
//!
//! While a target's state and its task's behaviour agree, checks would change nothing, so none is simulated until the
//! behaviour changes: a world at rest costs nothing, whatever time passes.

use super::check::{Failed, ask, outcome};
use crate::simulator::queue::{Event, TargetKey};
use crate::simulator::state::State;
use crate::simulator::{Millis, Probe, Probes, TargetFault, TaskId, ecs};

/// Where a target is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum TargetState {
    /// No listener names its group.
    Unused,
    Initial,
    Healthy,
    Unhealthy(Failed),
    Draining,
}

/// One target.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct Target {
    pub task: Option<TaskId>,
    pub state: TargetState,
    /// When it was registered, or its group came into use.
    since: Millis,
    passes: u32,
    failures: u32,
    /// Makes events void that were meant for an earlier state.
    pub epoch: u32,
}

impl Target {
    pub fn new(task: Option<TaskId>, now: Millis) -> Target {
        Target { task, state: TargetState::Unused, since: now, passes: 0, failures: 0, epoch: 0 }
    }

    /// State, reason and description as ELBv2 words them.
    pub fn describe(&self) -> (&'static str, Option<&'static str>, Option<String>) {
        match self.state {
            TargetState::Unused => (
                "unused",
                Some("Target.NotInUse"),
                Some("Target group is not configured to receive traffic from the load balancer".into()),
            ),
            TargetState::Initial if self.failures == 0 => (
                "initial",
                Some("Elb.RegistrationInProgress"),
                Some("Target registration is in progress".into()),
            ),
            TargetState::Initial => (
                "initial",
                Some("Elb.InitialHealthChecking"),
                Some("Initial health checks in progress".into()),
            ),
            TargetState::Healthy => ("healthy", None, None),
            TargetState::Unhealthy(Failed::Status(status)) => (
                "unhealthy",
                Some("Target.ResponseCodeMismatch"),
                Some(format!("Health checks failed with these codes: [{status}]")),
            ),
            TargetState::Unhealthy(Failed::Refused) => {
                ("unhealthy", Some("Target.FailedHealthChecks"), Some("Health checks failed".into()))
            }
            TargetState::Unhealthy(Failed::Timeout) => {
                ("unhealthy", Some("Target.Timeout"), Some("Request timed out".into()))
            }
            TargetState::Draining => (
                "draining",
                Some("Target.DeregistrationInProgress"),
                Some("Target deregistration is in progress".into()),
            ),
        }
    }
}

/// Begins checking all targets of a group that a listener names from now on.
pub(super) fn begin(state: &mut State, group_arn: &str) {
    for key in keys(state, group_arn) {
        start(state, group_arn, &key);
    }
}

/// Begins checking one target.
pub(super) fn start(state: &mut State, group_arn: &str, key: &TargetKey) {
    let now = state.now;
    let Some(target) = state.target_groups.get_mut(group_arn).and_then(|group| group.targets.get_mut(key))
    else {
        return;
    };
    let epoch = target.epoch + 1;
    *target = Target { state: TargetState::Initial, epoch, ..Target::new(target.task, now) };
    let delay = state.settings.first_probe_delay_ms;
    state.later(delay, Event::Probe { group: group_arn.into(), target: key.clone(), epoch });
}

/// Stops checking all targets of a group that no listener names any more.
pub(super) fn unuse(state: &mut State, group_arn: &str) {
    let Some(group) = state.target_groups.get_mut(group_arn) else { return };
    group.targets.retain(|_, target| target.state != TargetState::Draining);
    for target in group.targets.values_mut() {
        target.state = TargetState::Unused;
        target.epoch += 1;
    }
    wake_services(state, group_arn);
}

/// Lets ECS look after the tasks that are a group's targets.
pub(super) fn wake_services(state: &mut State, group_arn: &str) {
    let Some(group) = state.target_groups.get(group_arn) else { return };
    let tasks: Vec<TaskId> = group.targets.values().filter_map(|target| target.task).collect();
    for task in tasks {
        ecs::wake_service_of(state, task);
    }
}

/// Checks all targets of a group anew, because how they are checked has changed.
pub(in crate::simulator) fn recheck(state: &mut State, group_arn: &str) {
    for key in keys(state, group_arn) {
        recheck_target(state, group_arn, &key);
    }
}

/// Checks one target anew, because what is behind it has changed.
pub(super) fn recheck_target(state: &mut State, group_arn: &str, key: &TargetKey) {
    let group = state.target_groups.get_mut(group_arn);
    let Some(target) = group.and_then(|group| group.targets.get_mut(key)) else { return };
    if matches!(target.state, TargetState::Unused | TargetState::Draining) {
        return;
    }
    target.epoch += 1;
    let epoch = target.epoch;
    let delay = state.settings.first_probe_delay_ms;
    state.later(delay, Event::Probe { group: group_arn.into(), target: key.clone(), epoch });
}

/// Makes a group's targets behave in another way than their tasks do.
pub(in crate::simulator) fn apply_fault(state: &mut State, group_arn: &str, fault: TargetFault) {
    if let Some(group) = state.target_groups.get_mut(group_arn) {
        group.fault = match fault {
            TargetFault::Flapping(period) => TargetFault::Flapping(period.max(1)),
            other => other,
        };
    }
    recheck(state, group_arn);
}

fn keys(state: &State, group_arn: &str) -> Vec<TargetKey> {
    state
        .target_groups
        .get(group_arn)
        .map(|group| group.targets.keys().cloned().collect())
        .unwrap_or_default()
}

/// The deregistration delay of a target is over.
pub(in crate::simulator) fn drained(state: &mut State, group_arn: &str, key: &TargetKey, epoch: u32) {
    if let Some(group) = state.target_groups.get_mut(group_arn)
        && group.targets.get(key).is_some_and(|target| target.epoch == epoch)
    {
        group.targets.remove(key);
    }
}

/// Makes one health check, or asks for it to be made.
pub(in crate::simulator) fn probe(state: &mut State, group_arn: &str, key: &TargetKey, epoch: u32) {
    let Some(group) = state.target_groups.get(group_arn) else { return };
    let Some(target) = group.targets.get(key).filter(|target| target.epoch == epoch) else { return };
    let interval = group.health_check.interval_seconds.max(1) * 1_000;
    let next = Event::Probe { group: group_arn.into(), target: key.clone(), epoch };
    let broken_by_fault = group.fault != TargetFault::None && group.fault != TargetFault::Unavailable;
    if state.settings.probes == Probes::External && !broken_by_fault && !state.instant {
        let mut open = state.open_probes.values();
        // One at a time: on a machine so slow that every answer comes after the next check is due, each counts all the
        // same, only later.
        if !open.any(|(g, k, e)| (g.as_str(), k, *e) == (group_arn, key, epoch)) {
            let asked = ask(state, group, key, target);
            let id = state.fresh();
            state.open_probes.insert(id, (group_arn.into(), key.clone(), epoch));
            state.due_probes.push(Probe { id, ..asked });
        }
        state.queue.push(state.now + interval, next);
        return;
    }
    let (result, until) = outcome(state, group, key, target);
    record_outcome(state, group_arn, key, epoch, result);
    let target = state.target_groups.get(group_arn).and_then(|group| group.targets.get(key));
    let settled = target.is_some_and(|target| match target.state {
        TargetState::Healthy => result.is_ok(),
        TargetState::Unhealthy(_) => result.is_err(),
        _ => false,
    });
    let external = state.settings.probes == Probes::External;
    let at = match until {
        _ if !settled || external => Some(state.now + interval),
        // The first check of the usual rhythm at which another outcome is possible.
        Some(change) => {
            Some(state.now + change.saturating_sub(state.now).div_ceil(interval).max(1) * interval)
        }
        None => None,
    };
    if let Some(at) = at {
        state.queue.push(at, next);
    }
}

/// Counts a check's result. A new target becomes healthy by its first success; afterwards the thresholds count.
pub(in crate::simulator) fn record_outcome(
    state: &mut State,
    group_arn: &str,
    key: &TargetKey,
    epoch: u32,
    result: Result<(), Failed>,
) {
    let Some(group) = state.target_groups.get_mut(group_arn) else { return };
    let (up, down) = (group.health_check.healthy_threshold, group.health_check.unhealthy_threshold);
    let Some(target) = group.targets.get_mut(key).filter(|target| target.epoch == epoch) else { return };
    let before = target.state;
    match result {
        Ok(()) => (target.passes, target.failures) = (target.passes + 1, 0),
        Err(_) => (target.passes, target.failures) = (0, target.failures + 1),
    }
    target.state = match (before, result) {
        (TargetState::Initial, Ok(())) => TargetState::Healthy,
        (TargetState::Unhealthy(_), Ok(())) if target.passes >= up => TargetState::Healthy,
        (TargetState::Initial | TargetState::Healthy, Err(why)) if target.failures >= down => {
            TargetState::Unhealthy(why)
        }
        (TargetState::Unhealthy(_), Err(why)) => TargetState::Unhealthy(why),
        (unchanged, _) => unchanged,
    };
    let turned = std::mem::discriminant(&before) != std::mem::discriminant(&target.state);
    if let Some(task) = target.task.filter(|_| turned) {
        ecs::wake_service_of(state, task);
    }
}
