//! What people are told of a rollout's phases: within one rollout they go forward, whatever crashes in between.

use super::ports::revision;
use super::world::World;
use cutover::engine::{Event, Watcher};
use cutover::rollout::{Observation, Phase};
use std::cell::Cell;

/// One rollout.
#[derive(Clone, Copy, PartialEq)]
struct Rollout {
    wanted: usize,
    /// That of the note that speaks of it; `None` before there is one.
    number: Option<u64>,
}

/// Follows all runs over one world.
pub struct Phases<'a> {
    pub world: &'a World,
    /// What was observed last: the rollout, and whether requests reach its slot. `None` while the note still speaks of
    /// another revision: its bake or first deploy is ended before the wanted one is taken up.
    seen: Cell<Option<(Rollout, bool)>>,
    told: Cell<Option<Phase>>,
    /// How far which rollout had come before that.
    before: Cell<Option<(Rollout, u8)>>,
}

impl<'a> Phases<'a> {
    pub fn new(world: &'a World) -> Phases<'a> {
        Phases { world, seen: Cell::default(), told: Cell::default(), before: Cell::default() }
    }
}

impl Watcher for Phases<'_> {
    fn observed(&self, _workload: &str, seen: &Observation) {
        if let (Some((rollout, reached)), Some(told)) = (self.seen.get(), self.told.get())
            && let Some(way) = way(told)
        {
            // A shift whose first write failed has not begun.
            let way = if told == Phase::Shifting && !reached { GATE } else { way };
            self.before.set(Some((rollout, way)));
        }
        let current = seen.current_record();
        let wanted = self.world.wanted.get();
        let rollout = Rollout { wanted, number: current.map(|(_, note)| note.sequence) };
        let is_of_it = current.is_none_or(|(_, note)| note.revision == revision(wanted));
        let reached = |slot| seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
        self.seen.set(is_of_it.then(|| (rollout, current.is_some_and(|(slot, _)| reached(slot)))));
    }

    fn event(&self, event: Event) {
        let Event::Phase { phase, .. } = event else { return };
        self.told.set(Some(phase));
        let (Some((rollout, before)), Some(now)) = (self.before.get(), way(phase)) else { return };
        let is_same = self.seen.get().is_some_and(|(seen, _)| seen == rollout);
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
