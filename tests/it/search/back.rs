//! The way back: a version that does badly under traffic loses it, whatever else can't be read, written or found.

use super::ends::{BOUND, Dead, tell};
use super::moves::{come, may_come};
use super::program::{Fault, look};
use super::terms::TERMS;
use super::world::{Budget, NO_MEMORY, SICK, Sight, Stand, State, share};

/// Follows a version that does badly to where it has lost its traffic, as long as the side it came from answers. `None`:
/// this is no such state.
pub fn goes_back(
    state: &State,
    known: &impl Fn(u128) -> bool,
    proven: &mut Vec<u128>,
) -> Option<Result<(), Dead>> {
    let state = State { budget: Budget::default(), memory: NO_MEMORY, ..*state };
    if let Some(from) = left_alone(&state) {
        return Some(follow_back(state, (1 - from, from), known, proven));
    }
    let side = state.current()?;
    let note = state.sides[side].note?;
    let from = usize::from(note.from);
    let under_way = matches!(note.stand, Stand::Shifting { .. } | Stand::Baking { .. });
    if !under_way || from > 1 || !state.has_weight(side) || (0..3).any(|rule| state.is_foreign(rule)) {
        return None;
    }
    let (sick, other) = (&state.sides[side], &state.sides[from]);
    let answers = other.present() && other.healthy > 0 && other.runs != SICK && !other.fog && !other.unread;
    let dead = sick.healthy == 0 && sick.present() && !sick.unread && !sick.fog;
    let rings = state.alarm == Sight::Bad && TERMS[usize::from(state.terms)].evidence;
    if !answers || !(dead || rings) || state.is_held(from) {
        return None;
    }
    Some(follow_back(state, (side, from), known, proven))
}

/// The side that answers, where the other one is deleted and rules still send requests to it.
fn left_alone(state: &State) -> Option<usize> {
    let ours = (0..3).all(|rule| !state.is_foreign(rule));
    let answers = |side: &usize| {
        let (at, gone) = (&state.sides[*side], &state.sides[1 - *side]);
        let noted = at.note.is_some_and(|note| matches!(note.stand, Stand::Done { .. }));
        let well = at.present()
            && at.healthy > 0
            && at.runs != SICK
            && !at.fog
            && !at.unread
            && at.proof == 2
            && noted;
        let alone = !gone.present() && !gone.alien && !gone.unread;
        let sent = state.rules().any(|code| share(code, 1 - *side) > 0);
        well && alone && sent
    };
    (0..2).find(answers).filter(|_| ours)
}

fn follow_back(
    mut state: State,
    (side, from): (usize, usize),
    known: &impl Fn(u128) -> bool,
    proven: &mut Vec<u128>,
) -> Result<(), Dead> {
    let dead = state.sides[side].healthy == 0;
    let mut story = vec![];
    for round in 0..BOUND {
        state.normalise();
        let print = state.print();
        if state.all_to(from) || known(print) {
            return Ok(());
        }
        proven.push(print);
        let seen = look(&state);
        tell(&seen, &mut story);
        state = seen.act(Fault::None);
        if seen.decision.actions.is_empty() {
            // Ills have to last; the bounds of some are minutes.
            state.pass(if round < 4 { 1 } else { 2 });
        }
        while may_come(&state, from) {
            come(&mut state, from);
        }
        if dead && state.sides[side].present() {
            (state.sides[side].healthy, state.sides[side].running) = (0, 0);
        }
    }
    story.push("it keeps its traffic".into());
    Err(story)
}
