//! What people are told of a rollout's phases: within one rollout they go forward, whatever crashes in between.

use super::world::World;
use cutover::engine::{Event, Watcher};
use cutover::rollout::{Observation, Phase, Progress};
use std::cell::Cell;

/// One rollout, or the rest after it, which ends when a commit that came during a bake is taken up.
#[derive(Clone, Copy, PartialEq)]
struct Stretch {
    wanted: usize,
    /// That of the note that speaks.
    number: Option<u64>,
    is_done: bool,
}

/// Follows all runs over one world.
pub struct Phases<'a> {
    pub world: &'a World,
    /// What was observed last: the stretch, and whether requests reach the slot that it is about.
    seen: Cell<Option<(Stretch, bool)>>,
    told: Cell<Option<Phase>>,
    /// How far which stretch had come before that.
    before: Cell<Option<(Stretch, u8)>>,
}

impl<'a> Phases<'a> {
    pub fn new(world: &'a World) -> Phases<'a> {
        Phases { world, seen: Cell::default(), told: Cell::default(), before: Cell::default() }
    }
}

impl Watcher for Phases<'_> {
    fn observed(&self, _workload: &str, seen: &Observation) {
        if let (Some((stretch, reached)), Some(told)) = (self.seen.get(), self.told.get())
            && let Some(way) = way(told)
        {
            // A shift whose first write failed has not begun.
            let way = if told == Phase::Shifting && !reached { GATE } else { way };
            self.before.set(Some((stretch, way)));
        }
        let current = seen.current_record();
        let stretch = Stretch {
            wanted: self.world.wanted.get(),
            number: current.map(|(_, note)| note.sequence),
            is_done: current.is_some_and(|(_, note)| matches!(note.progress, Progress::Done(_))),
        };
        let reached = |slot| seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
        self.seen.set(Some((stretch, current.is_some_and(|(slot, _)| reached(slot)))));
    }

    fn event(&self, event: Event) {
        let Event::Phase { phase, .. } = event else { return };
        self.told.set(Some(phase));
        let (Some((stretch, before)), Some(now)) = (self.before.get(), way(phase)) else { return };
        let is_same = self.seen.get().is_some_and(|(seen, _)| seen == stretch);
        // An old answer shows an old phase.
        if is_same && now < before && self.world.faults.get().stale == 0 {
            self.world.broken(format!("the rollout went back to {phase}"));
        }
    }
}

const GATE: u8 = 1;

/// How far along a phase is; `None` for those that a rollout can be in at any time, and leave for where it was.
fn way(phase: Phase) -> Option<u8> {
    match phase {
        Phase::Preparing => Some(0),
        // After the approval the gates are waited for once more.
        Phase::Gating | Phase::AwaitingApproval => Some(GATE),
        Phase::Shifting => Some(2),
        Phase::Baking => Some(3),
        Phase::Live => Some(4),
        Phase::RollingBack | Phase::Quarantined | Phase::Blocked => None,
    }
}
