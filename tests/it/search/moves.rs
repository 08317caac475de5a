//! Everything that may happen next in a small world.

use super::accidents::{self, Accident};
use super::program::{Fault, Look};
use super::sight::NOW;
use super::terms::TERMS;
use super::world::{
    ALARMING, GOOD, NO_MEMORY, NONE, Note, OLD, Rest, SICK, STILLBORN, Service, Sight, Stand, State, slot,
};
use cutover::rollout::{Observation, Phase, Progress, decide};

/// One thing that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    Step(Fault),
    /// The run is asked to stop.
    Stop,
    /// At least so much time goes by.
    Pass(u8),
    Come(u8),
    Gone(u8),
    Sicken(u8),
    GiveUp(u8),
    Ring,
    Hush,
    Commit {
        revision: u8,
        terms: u8,
    },
    Promote,
    Abort,
    Retry,
    Accident(Accident),
}

/// What a search lets people commit.
pub struct Commits {
    pub revisions: &'static [u8],
    pub terms: &'static [u8],
}

/// All moves from a state, each with the state that it leads to.
pub fn all(look: &Look, before: &State, commits: &Commits, into: &mut Vec<(Move, State)>) {
    into.clear();
    steps(look, before, into);
    let mut add = |what: Move| {
        let mut state = *before;
        happen(what, &mut state, look);
        into.push((what, state));
    };
    if before.budget.crashes > 0 && before.memory != NO_MEMORY {
        add(Move::Stop);
    }
    for age in 1..5 {
        add(Move::Pass(age));
    }
    for side in 0..2_u8 {
        let at = &before.sides[usize::from(side)];
        let weighted = before.has_weight(usize::from(side));
        match at.service {
            Service::Draining => add(Move::Gone(side)),
            Service::Present if may_come(before, usize::from(side)) => add(Move::Come(side)),
            _ => {}
        }
        if at.present() && at.runs == SICK && weighted && at.healthy > 0 {
            add(Move::Sicken(side));
        }
        if at.present() && at.runs == STILLBORN && at.rest == Rest::Moving {
            add(Move::GiveUp(side));
        }
    }
    let rings = (0..2).any(|side| before.sides[side].runs == ALARMING && before.has_weight(side));
    match (before.alarm, rings) {
        (Sight::Bad, false) => add(Move::Hush),
        (Sight::Good | Sight::NoData, true) => add(Move::Ring),
        _ => {}
    }
    if to_promote(before).is_some() {
        add(Move::Promote);
    }
    if before.budget.commits > 0 {
        for revision in commits.revisions.iter().filter(|revision| **revision != before.wants) {
            add(Move::Commit { revision: *revision, terms: before.terms });
        }
        for terms in commits.terms.iter().filter(|terms| **terms != before.terms) {
            add(Move::Commit { revision: before.wants, terms: *terms });
        }
    }
    if before.budget.people > 0 {
        if to_abort(before).is_some() {
            add(Move::Abort);
        }
        if to_forget(look).is_some() {
            add(Move::Retry);
        }
    }
    if before.budget.strangers > 0 {
        let mut list = vec![];
        accidents::of(before, &look.want, &look.seen, &mut list);
        for accident in list {
            add(Move::Accident(accident));
        }
    }
}

fn steps(look: &Look, before: &State, into: &mut Vec<(Move, State)>) {
    into.push((Move::Step(Fault::None), look.act(Fault::None)));
    let writes = u8::try_from(look.decision.actions.len()).unwrap_or(0);
    if before.budget.crashes > 0 {
        let mut add = |fault: Fault| {
            let mut state = look.act(fault);
            state.budget.crashes -= 1;
            into.push((Move::Step(fault), state));
        };
        for at in 0..=writes {
            add(Fault::Crash(at));
        }
    }
    if before.budget.strangers > 0 {
        let mut add = |fault: Fault| {
            let mut state = look.act(fault);
            state.budget.strangers -= 1;
            into.push((Move::Step(fault), state));
        };
        for at in 0..writes {
            for fault in [Fault::Lost(at), Fault::Transient(at), Fault::Denied(at)] {
                add(fault);
            }
        }
    }
}

/// Lets it happen; a step is what the look has decided.
pub fn happen(what: Move, state: &mut State, look: &Look) {
    match what {
        Move::Step(fault) => *state = look.act(fault),
        Move::Stop => {
            *state = look.stop();
            state.budget.crashes -= 1;
        }
        Move::Pass(age) => state.pass(age),
        Move::Come(side) => come(state, usize::from(side)),
        Move::Gone(side) => state.sides[usize::from(side)].service = Service::Absent,
        Move::Sicken(side) => state.sides[usize::from(side)].healthy = 0,
        Move::GiveUp(side) => give_up(state, usize::from(side)),
        Move::Ring => state.alarm = Sight::Bad,
        Move::Hush => state.alarm = Sight::Good,
        Move::Commit { revision, terms } => {
            (state.wants, state.terms) = (revision, terms);
            state.memory = NO_MEMORY;
            state.budget.commits -= 1;
        }
        Move::Promote => promote(state),
        Move::Abort => {
            if let Some(side) = to_abort(state) {
                state.sides[side].abort = sequence(state, side);
                state.budget.people -= 1;
            }
        }
        Move::Retry => {
            for side in to_forget(look).into_iter().flatten() {
                state.sides[side].forget();
            }
            state.accept();
            state.memory = NO_MEMORY;
            state.budget.people -= 1;
        }
        Move::Accident(accident) => {
            accident.happen(state);
            state.budget.strangers -= 1;
        }
    }
}

/// True if the slot's tasks have somewhere to go to.
pub fn may_come(state: &State, index: usize) -> bool {
    let side = &state.sides[index];
    let well = match side.runs {
        STILLBORN => false,
        SICK => !state.has_weight(index),
        _ => true,
    };
    let full = side.running == side.count && (side.healthy == side.count || !state.names(index));
    side.present() && well && side.rest != Rest::Failed && !(full && side.rest == Rest::Steady)
}

/// One more task runs, and the deployment comes to rest with the last one.
pub fn come(state: &mut State, index: usize) {
    let named = state.names(index);
    let side = &mut state.sides[index];
    side.running = side.count.min(side.running + 1);
    if named {
        side.healthy = side.running.min(side.healthy + 1);
    }
    if side.running == side.count {
        side.rest = Rest::Steady;
    }
}

fn give_up(state: &mut State, index: usize) {
    let side = &mut state.sides[index];
    side.rest = Rest::Failed;
    if side.before != NONE {
        (side.refused, side.refuses, side.proof) = (0, side.runs, 0);
        (side.runs, side.before) = (side.before, NONE);
    }
}

fn sequence(state: &State, side: usize) -> u8 {
    state.sides[side].note.map_or(0, |note| note.sequence)
}

fn current(state: &State) -> Option<(usize, Note)> {
    let side = state.current()?;
    state.sides[side].note.map(|note| (side, note))
}

/// The slot whose rollout waits for people.
pub fn to_promote(state: &State) -> Option<usize> {
    let (side, note) = current(state)?;
    let asked = TERMS[usize::from(state.terms)].approval && note.revision == state.wants;
    (asked && note.stand == Stand::Ready && state.sides[side].promote != note.sequence).then_some(side)
}

/// Says `promote`.
pub fn promote(state: &mut State) {
    if let Some(side) = to_promote(state) {
        state.sides[side].promote = sequence(state, side);
        state.sides[side].approved = true;
    }
}

/// The slot whose rollout can be given up.
pub fn to_abort(state: &State) -> Option<usize> {
    let (side, note) = current(state)?;
    let under_way =
        matches!(note.stand, Stand::Rolling | Stand::Ready | Stand::Shifting { .. } | Stand::Baking { .. });
    let stuck = note.from == NONE && state.has_weight(side);
    (under_way && !stuck && state.sides[side].abort != note.sequence).then_some(side)
}

/// The slots whose notes `retry` lets go, found by asking the machine.
pub fn to_forget(look: &Look) -> Option<Vec<usize>> {
    let mut seen = Observation { changed_by_others: None, ..look.seen.clone() };
    let phase = decide(&look.want, &seen, NOW).phase;
    let of = |side: &usize| seen.slots.get(slot(*side)).record.as_ref();
    let failed = |side: &usize| {
        of(side).is_some_and(|record| {
            matches!(record.progress, Progress::Failed(_)) && record.revision == look.want.revision
        })
    };
    let sides: Vec<usize> = match phase {
        Phase::Quarantined => (0..2).filter(failed).collect(),
        Phase::Blocked => (0..2).filter(|side| of(side).is_some()).collect(),
        _ => return None,
    };
    for side in &sides {
        seen.slots.get_mut(slot(*side)).record = None;
    }
    let helps = !sides.is_empty() && decide(&look.want, &seen, NOW).phase != phase;
    helps.then_some(sides)
}

/// Worlds to begin with.
pub fn beginnings(rules: usize) -> Vec<(&'static str, State)> {
    let live = super::world::Side {
        service: Service::Present,
        runs: OLD,
        count: 2,
        running: 2,
        healthy: 2,
        owned: true,
        proof: 2,
        ..super::world::NO_SIDE
    };
    let done = Note {
        sequence: 1,
        revision: OLD,
        from: NONE,
        started: 3,
        stand: Stand::Done { since: 3 },
        next: NONE,
        watched: 0,
        rules: 0,
    };
    let all = |code: u8| std::array::from_fn(|rule| if rule < rules { code } else { NONE });
    let settled = State {
        wants: GOOD,
        terms: 0,
        sides: [super::world::Side { note: Some(done), ..live }, super::world::NO_SIDE],
        rules: all(0),
        ours: all(0),
        test: 0,
        alarm: Sight::Good,
        http: Sight::Good,
        hindered: false,
        lost: false,
        mute: false,
        memory: NO_MEMORY,
        budget: super::world::Budget::default(),
    };
    let mut adopted = settled;
    adopted.sides[0] = super::world::Side { owned: false, ..live };
    adopted.rules = all(super::world::ONLY_BLUE);
    adopted.ours = adopted.rules;
    let mut reverted = settled;
    let next = Note { sequence: 2, revision: GOOD, from: 0, ..done };
    reverted.sides[1] = super::world::Side { runs: GOOD, note: Some(next), ..live };
    (reverted.wants, reverted.rules, reverted.ours, reverted.test) = (OLD, all(100), all(100), 100);
    let third = State { wants: SICK, ..reverted };
    let mut empty = settled;
    empty.sides[0] = super::world::NO_SIDE;
    vec![
        ("the old version is live on blue, by a rollout that ended well", settled),
        ("an existing service serves on blue and bears no mark", adopted),
        ("nothing runs yet", empty),
        ("the new version is live on green, the old one is warm, and the commit is reverted", reverted),
        ("the new version is live on green, the old one is warm, and a version is wanted that dies", third),
    ]
}
