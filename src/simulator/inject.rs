//! Carrying out faults, and letting calls fail.

use super::autoscale::{self, Autoscaler};
use super::autotag::AutoTag;
use super::{Failure, Fault, HaltPoint};
use super::{cloudwatch, ecs, elb, state::State};
use std::sync::Arc;

/// Faults of calls that are still to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    calls: Vec<Planned>,
    halt: Option<(u32, HaltPoint)>,
    pub halted: bool,
}

/// Calls that are to fail.
#[derive(Clone, Debug)]
struct Planned {
    pattern: String,
    after: u32,
    times: u32,
    failure: Failure,
    /// The account when a fault that answers from the past was injected.
    past: Option<Arc<State>>,
}

impl Planned {
    fn matches(&self, operation: &str, is_write: bool) -> bool {
        match self.pattern.as_str() {
            "*" => true,
            "*write" => is_write,
            "*read" => !is_write,
            name => name == operation,
        }
    }
}

/// What becomes of one call.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// It is carried out and answered.
    Served,
    /// With the oldest state that its answer may come from.
    Fails(Failure, Option<Arc<State>>),
    /// The caller dies at it.
    Halts(HaltPoint),
}

impl Pending {
    fn add(&mut self, state: &State, pattern: String, after: u32, times: u32, failure: Failure) {
        let past = matches!(failure, Failure::Stale { .. }).then(|| Arc::new(state.clone()));
        self.calls.push(Planned { pattern, after, times, failure, past });
    }

    /// True while calls may be answered from the past.
    pub fn looks_back(&self) -> bool {
        self.calls.iter().any(|planned| planned.past.is_some())
    }

    /// The caller dies at its `write`-th write from now.
    pub fn halt_at(&mut self, write: u32, point: HaltPoint) {
        self.halt = Some((write.max(1), point));
    }

    /// A new caller lives.
    pub fn revive(&mut self) {
        self.halted = false;
        self.halt = None;
    }

    /// Decides about the next call. The first fault that matches and is due is used up.
    pub fn fate(&mut self, operation: &str, is_write: bool) -> Fate {
        if self.halted {
            return Fate::Halts(HaltPoint::Before);
        }
        if is_write && let Some((left, point)) = self.halt.as_mut() {
            *left -= 1;
            if *left == 0 {
                let point = *point;
                self.halt = None;
                self.halted = true;
                return Fate::Halts(point);
            }
        }
        let mut fate = Fate::Served;
        for planned in self.calls.iter_mut().filter(|planned| planned.matches(operation, is_write)) {
            if planned.after > 0 {
                planned.after -= 1;
            } else if matches!(fate, Fate::Served) {
                planned.times =
                    if planned.times == u32::MAX { u32::MAX } else { planned.times.saturating_sub(1) };
                fate = Fate::Fails(planned.failure.clone(), planned.past.clone());
            }
        }
        self.calls.retain(|planned| planned.times > 0);
        fate
    }
}

/// Lets a fault that is not about calls happen now.
pub(super) fn strike(state: &mut State, pending: &mut Pending, fault: Fault) {
    match fault {
        Fault::Call { operation, after, times, failure } if times > 0 => {
            pending.add(state, operation, after, times, failure)
        }
        Fault::Call { .. } => {}
        Fault::Halt { write, point } => pending.halt_at(write, point),
        Fault::Targets { target_group, fault } => {
            let groups = state.target_groups.values();
            let named: Vec<String> = groups
                .filter(|group| group.arn == target_group || group.name == target_group)
                .map(|group| group.arn.clone())
                .collect();
            for arn in named {
                elb::apply_fault(state, &arn, fault);
            }
        }
        Fault::Capacity { tasks } => {
            state.task_capacity = tasks;
            ecs::wake_all(state);
        }
        Fault::StopTask { task, reason } => ecs::stop(state, task, "TerminationNotice", &reason),
        Fault::SpotInterruption { service } => {
            for id in autoscale::named(state, &service) {
                ecs::interrupt(state, id);
            }
        }
        Fault::DesiredCount { service, count } => {
            for id in autoscale::named(state, &service) {
                ecs::set_desired(state, id, count);
            }
        }
        Fault::Autoscaler { service, min, max, every_ms } => {
            autoscale::begin(state, &service, Autoscaler { min, max, every_ms });
        }
        Fault::AutoTag { key, value, delay_ms } => state.auto_tag = Some(AutoTag { key, value, delay_ms }),
        Fault::Alarm { name, state: value } => {
            cloudwatch::force_state(state, &name, &value, "Set by the simulator.");
            ecs::wake_all(state);
        }
    }
}
