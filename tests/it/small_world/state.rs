//! What there is in the world: slots with their tasks, and rules.

use cutover::model::{BySlot, Slot};
use cutover::rollout::{Record, RuleSplit, Signals};

/// How a version behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Good,
    NeverHealthy,
    CrashLoop,
    /// Comes up, but rings the alarm once it has weight.
    RingsAlarm,
}

#[derive(Clone, Debug)]
pub struct Task {
    /// Its address.
    pub number: u64,
    pub started: u64,
    pub ready_after: u64,
    pub down_until: u64,
}

#[derive(Clone, Debug)]
pub struct Service {
    pub version: usize,
    pub count: u32,
    pub tasks: Vec<Task>,
    /// The tasks that were stopped lately, and when.
    pub gone: Vec<(u64, u64)>,
    pub record: Option<Record>,
    pub signals: Signals,
    pub owned: bool,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub split: RuleSplit,
    pub writes: u64,
    pub changed: u64,
}

/// What AWS would answer; kept for a while so that answers can be stale.
#[derive(Clone, Debug)]
pub struct State {
    pub slots: BySlot<Option<Service>>,
    pub rules: Vec<Rule>,
}

impl State {
    /// True if a rule names the slot's targets.
    pub fn names(&self, slot: Slot) -> bool {
        self.rules.iter().any(|rule| match &rule.split {
            RuleSplit::Both(_) => true,
            RuleSplit::Only(only) => *only == slot,
            RuleSplit::Neither(_) => false,
        })
    }
}

impl Service {
    /// Stops all tasks but the first `count`.
    pub fn keep(&mut self, count: usize, now: u64) {
        let gone = self.tasks.drain(count.min(self.tasks.len())..).map(|task| (task.number, now));
        self.gone.extend(gone);
    }
}

/// What may go wrong, each in percent of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub read_fails: u64,
    pub write_fails: u64,
    pub answer_lost: u64,
    pub stale: u64,
    pub flap: u64,
}
