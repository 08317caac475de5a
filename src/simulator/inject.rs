//! Carrying out faults, and letting calls fail.

use super::{Failure, Fault, HaltPoint};
use super::{cloudwatch, ecs, elb, state::State};

/// Faults of calls that are still to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    calls: Vec<(String, u32, u32, Failure)>,
    halt: Option<(u32, HaltPoint)>,
    pub halted: bool,
}

/// What becomes of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is carried out and answered.
    Served,
    Fails(Failure),
    /// The caller dies at it.
    Halts(HaltPoint),
}

impl Pending {
    pub fn add(&mut self, operation: String, after: u32, times: u32, failure: Failure) {
        self.calls.push((operation, after, times, failure));
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
        for (pattern, after, times, failure) in &mut self.calls {
            let matches = match pattern.as_str() {
                "*" => true,
                "*write" => is_write,
                "*read" => !is_write,
                name => name == operation,
            };
            if !matches {
                continue;
            }
            if *after > 0 {
                *after -= 1;
            } else if fate == Fate::Served {
                *times = if *times == u32::MAX { u32::MAX } else { times.saturating_sub(1) };
                fate = Fate::Fails(failure.clone());
            }
        }
        self.calls.retain(|(_, _, times, _)| *times > 0);
        fate
    }
}

/// Lets a fault that is not about calls happen now.
pub(super) fn strike(state: &mut State, pending: &mut Pending, fault: Fault) {
    match fault {
        Fault::Call { operation, after, times, failure } if times > 0 => {
            pending.add(operation, after, times, failure)
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
        Fault::Alarm { name, state: value } => {
            cloudwatch::force_state(state, &name, &value, "Set by the simulator.");
            ecs::wake_all(state);
        }
    }
}
