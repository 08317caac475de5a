//! One step of a run: observe, remember, decide, and write one thing after the other until something goes wrong.

use super::sight::{self, NOW, hold, note, small};
use super::terms::{TERMS, desired};
use super::world::{
    NO_MEMORY, NO_SIDE, NONE, Note, ONLY_BLUE, ONLY_GREEN, Rest, Service, Side, Stand, State, giving, number,
    share, slot,
};
use cutover::rollout::{
    Action, Decision, Desired, Observation, Phase, Progress, closed_gate, decide, http_can_be_asked, ills,
};

/// What goes wrong in a step, and at which write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    /// The program dies before this write, or after the last one.
    Crash(u8),
    /// The write is made and its answer is lost.
    Lost(u8),
    /// The write is not made; it may be tried again.
    Transient(u8),
    /// The write is refused for good.
    Denied(u8),
}

/// What a run sees and decides; `state` has what it remembers from now on.
pub struct Look {
    pub state: State,
    pub want: Desired,
    pub seen: Observation,
    pub decision: Decision,
}

/// Observes and decides.
pub fn look(before: &State) -> Look {
    let mut state = *before;
    let want = desired(&state);
    remember_rules(&mut state);
    let mut seen = sight::observe(&state);
    recall_notes(&mut state, &mut seen);
    remember_times(&mut state, &want, &mut seen);
    save_notes(&mut state);
    let mut decision = decide(&want, &seen, NOW);
    while let Some(slot) = decision.asks_to_touch(&seen) {
        seen.slots.get_mut(slot).hold = hold(&state, number(slot));
        decision = decide(&want, &seen, NOW);
    }
    Look { state, want, seen, decision }
}

/// A note that could not be written before is written now, if that can be done.
fn save_notes(state: &mut State) {
    for side in 0..2 {
        let Some(unsaved) = state.memory.unsaved[side] else { continue };
        if state.sides[side].present() && !state.mute {
            put_note(&mut state.sides[side], unsaved);
            state.memory.unsaved[side] = None;
        }
    }
}

fn recall_notes(state: &mut State, seen: &mut Observation) {
    for side in 0..2 {
        let Some(unsaved) = state.memory.unsaved[side] else { continue };
        let observed = &mut seen.slots.get_mut(slot(side)).record;
        if observed.as_ref().is_some_and(|there| there.sequence > u64::from(unsaved.sequence)) {
            // Another run has gone on from here.
            state.memory.unsaved[side] = None;
        } else {
            *observed = Some(sight::record(&unsaved));
        }
    }
}

fn remember_rules(state: &mut State) {
    let named = TERMS[usize::from(state.terms)].rules;
    let memory = &mut state.memory;
    if memory.weights == NONE {
        memory.weights = 0;
    }
    for (rule, code) in state.rules.iter().enumerate().take(named).filter(|(_, code)| **code != NONE) {
        let attempted = std::mem::replace(&mut memory.attempted[rule], NONE);
        let known = &mut memory.known[rule];
        if *known == NONE || *known == *code {
            *known = *code;
        } else if attempted != NONE && share(attempted, 0) == share(*code, 0) {
            *known = *code;
            memory.weights = 0;
        } else {
            memory.changed = true;
            memory.weights = 0;
        }
    }
}

fn remember_times(state: &mut State, want: &Desired, seen: &mut Observation) {
    let under_way = seen.current_record().map(|(slot, record)| (slot, record.progress.clone()));
    let candidate = match &under_way {
        Some((slot, Progress::Rolling | Progress::Ready | Progress::Shifting { .. })) => Some(*slot),
        _ => None,
    };
    let baking = matches!(under_way, Some((_, Progress::Baking(_))));
    if candidate.is_some() || baking {
        sight::evidence(state, seen);
    }
    if candidate.is_some_and(|slot| http_can_be_asked(want, seen, slot)) {
        sight::answer(state, seen);
    }
    let memory = &mut state.memory;
    memory.gate = match candidate {
        Some(slot) if closed_gate(want, seen, slot).is_none() => from_now(memory.gate),
        _ => NONE,
    };
    memory.watched = if under_way.is_some() { from_now(memory.watched) } else { NONE };
    let found = match seen.current_record() {
        Some((slot, record)) if !matches!(record.progress, Progress::Failed(_)) => {
            ills(want, seen, sight::NOW, slot, record)
        }
        _ => vec![],
    };
    let before = std::mem::replace(&mut memory.ill, [NONE; 8]);
    for place in found.into_iter().map(sight::place) {
        memory.ill[place] = from_now(before[place]);
    }
    seen.changed_by_others = memory.changed.then(sight::foreign);
    sight::recall(memory, seen);
}

fn from_now(age: u8) -> u8 {
    if age == NONE { 0 } else { age }
}

impl Look {
    /// Does what was decided, up to what goes wrong.
    pub fn act(&self, fault: Fault) -> State {
        let mut state = self.state;
        // A way back does not wait for notes, marks and counts.
        let may_do_without = self.decision.phase == Phase::RollingBack;
        for (index, action) in (0_u8..).zip(&self.decision.actions) {
            if fault == Fault::Crash(index) {
                state.memory = NO_MEMORY;
                return state;
            }
            let denied = fault == Fault::Denied(index) || (state.mute && is_tag(action));
            let is_made = !denied && fault != Fault::Transient(index) && write(&mut state, action);
            let is_known = is_made && fault != Fault::Lost(index);
            if is_known || may_do_without && leave_out(&mut state, action) {
                continue;
            }
            match (fault, action) {
                (Fault::Transient(at) | Fault::Lost(at), Action::SetWeights { rule, weights })
                    if at == index =>
                {
                    state.memory.attempted[*rule] = small(weights.share_percent(slot(1)).into());
                }
                (Fault::Transient(at) | Fault::Lost(at), Action::NameGroup { rule, .. }) if at == index => {
                    state.memory.attempted[*rule] = state.rules[*rule];
                }
                (Fault::Transient(at) | Fault::Lost(at), _) if at == index => {}
                // It was denied, or what should be written to is gone.
                _ => state.memory = NO_MEMORY,
            }
            return state;
        }
        if self.decision.outcome().is_some() || matches!(fault, Fault::Crash(_)) {
            state.memory = NO_MEMORY;
        }
        state
    }

    /// Ends the run politely: for how long it has watched is noted.
    pub fn stop(&self) -> State {
        let mut state = self.state;
        let watched = state.memory.watched;
        if let Some(current) = state.current()
            && let Some(note) = &mut state.sides[current].note
            && note.stand == Stand::Rolling
            && watched != NONE
            && !state.mute
        {
            note.watched = note.watched.max(watched);
        }
        state.memory = NO_MEMORY;
        state
    }
}

fn is_tag(action: &Action) -> bool {
    matches!(action, Action::WriteRecord { .. } | Action::AdoptSlot { .. })
}

/// True if a run may go on without this write; a note is kept for later.
fn leave_out(state: &mut State, action: &Action) -> bool {
    if let Action::WriteRecord { slot, record } = action {
        let (note, side) = (note(record), number(*slot));
        state.memory.unsaved[side] = (state.sides[side].note != Some(note)).then_some(note);
    }
    is_tag(action) || matches!(action, Action::ScaleSlot { .. })
}

/// Makes one write. False if what it is made to is not there.
pub fn write(state: &mut State, action: &Action) -> bool {
    match action {
        Action::CreateSlot { slot, count, record } => {
            let old = state.sides[number(*slot)];
            if old.service != Service::Absent {
                return false;
            }
            let kept = Side { unread: old.unread, held: old.held, alien: old.alien, ..NO_SIDE };
            let (count, note) = (small((*count).into()), Some(note(record)));
            let made =
                Side { service: Service::Present, runs: state.wants, count, note, owned: true, ..kept };
            state.sides[number(*slot)] = Side { rest: Rest::Moving, ..made };
            state.memory.watched = NONE;
        }
        Action::UpdateSlot { slot, count } => {
            let wants = state.wants;
            let side = &mut state.sides[number(*slot)];
            if !side.present() {
                return false;
            }
            if side.runs != wants {
                (side.before, side.proof) = (side.runs, 0);
            }
            (side.runs, side.count, side.rest) = (wants, small((*count).into()), Rest::Moving);
            (side.running, side.healthy, side.veiled) = (0, 0, false);
        }
        Action::ScaleSlot { slot, count } => {
            let side = &mut state.sides[number(*slot)];
            scale(side, small((*count).into()));
            return side.present();
        }
        Action::AdoptSlot { slot } => {
            let side = &mut state.sides[number(*slot)];
            side.owned = side.present();
            return side.present();
        }
        Action::WriteRecord { slot, record } => return keep(state, number(*slot), note(record)),
        Action::NameGroup { rule, .. } => {
            let code = &mut state.rules[*rule];
            *code = match *code {
                ONLY_BLUE => 0,
                ONLY_GREEN => 100,
                other => other,
            };
            let code = *code;
            (state.memory.known[*rule], state.ours[*rule]) = (code, code);
        }
        Action::PointTestRule { slot } => state.test = giving(number(*slot), 100),
        Action::SetWeights { rule, weights } => {
            for (index, side) in state.sides.iter_mut().enumerate() {
                let new = small(weights.share_percent(slot(index)).into());
                if new > share(state.rules[*rule], index) {
                    side.proof = side.proof.max(1);
                }
            }
            state.rules[*rule] = small(weights.share_percent(slot(1)).into());
            (state.memory.known[*rule], state.ours[*rule]) = (state.rules[*rule], state.rules[*rule]);
            state.memory.weights = 0;
        }
    }
    true
}

/// Tells a service to run so many tasks.
pub fn scale(side: &mut Side, count: u8) {
    if !side.present() {
        return;
    }
    if count > side.count {
        side.rest = Rest::Moving;
    }
    side.count = count;
    side.running = side.running.min(count);
    side.healthy = side.healthy.min(count);
    if side.running == count && side.rest == Rest::Moving {
        side.rest = Rest::Steady;
    }
}

fn keep(state: &mut State, side: usize, note: Note) -> bool {
    let all = state.all_to(side);
    let kept = &mut state.sides[side];
    if !kept.present() {
        return false;
    }
    if kept.note.is_none_or(|old| old.sequence != note.sequence) {
        state.memory.watched = NONE;
    }
    let baked = matches!(kept.note.map(|old| old.stand), Some(Stand::Baking { since }) if since >= 2);
    if baked && all && matches!(note.stand, Stand::Done { .. }) && note.revision == kept.runs {
        kept.proof = 2;
    }
    put_note(kept, note);
    state.memory.unsaved[side] = None;
    if all && matches!(note.stand, Stand::Done { .. }) {
        state.accept();
    }
    true
}

fn put_note(side: &mut Side, note: Note) {
    if side.note.is_none_or(|old| old.sequence != note.sequence) {
        side.approved = false;
    }
    side.note = Some(note);
}
