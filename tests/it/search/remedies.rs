//! Remedies, as people carry them out in a small world.

use super::moves::{promote, to_abort, to_forget};
use super::program::{Look, scale};
use super::sight::RULES;
use super::terms::{PLAIN, TERMS, is_fix};
use super::world::{FIX, FIX_2, NEITHER, NO_MEMORY, NONE, NOTHING, Sight, State, giving, number};
use cutover::rollout::{Phase, Remedy, WaitingOn};

/// What people are asked for; any one of these is enough. `None`: nobody is.
pub fn remedies(look: &Look) -> Option<Vec<Remedy>> {
    match (&look.decision.phase, &look.decision.waiting_on) {
        (Phase::AwaitingApproval, _) => Some(vec![Remedy::Promote]),
        (Phase::Quarantined, _) => Some(match is_fix(look.state.wants) {
            // A commit that mends everything is not to fail.
            true => vec![],
            false => vec![Remedy::Retry, Remedy::Commit],
        }),
        (Phase::Blocked, Some(WaitingOn::Person { remedies, .. })) => Some(remedies.clone()),
        (_, Some(WaitingOn::ReturnTargets { .. })) => None,
        _ => None,
    }
}

/// True where each remedy has to help, which those of a hindrance say of themselves.
pub fn is_each(look: &Look) -> bool {
    look.decision.phase == Phase::Blocked
}

/// Does what a remedy says. False if it can't be done in this world.
pub fn carry_out(remedy: &Remedy, state: &mut State, look: &Look) -> bool {
    let before = *state;
    match remedy {
        Remedy::SetRule { rule, slot, weights } => {
            let share = u8::try_from(weights.share_percent(*slot)).unwrap_or(100);
            for (index, id) in RULES.iter().enumerate() {
                if state.rules[index] != NONE && rule.contains(id) {
                    state.rules[index] = giving(number(*slot), share);
                }
            }
        }
        Remedy::TakeOut { rule, .. } | Remedy::Drop { rule, .. } => {
            match RULES.iter().position(|id| rule.contains(id)) {
                Some(rule) => state.rules[rule] = NEITHER,
                None => state.sides.iter_mut().for_each(|side| side.held = false),
            }
        }
        // No rule of these worlds comes before another one.
        Remedy::Yield { .. } => return false,
        Remedy::Edit { field, .. } => edit(state, field),
        Remedy::Commit => state.wants = if state.wants == FIX { FIX_2 } else { FIX },
        Remedy::Restore { .. } => restore(state),
        Remedy::Scale { slot, count } => {
            let count = u8::try_from(*count).unwrap_or(2);
            scale(&mut state.sides[number(*slot)], count);
        }
        Remedy::Retry => {
            let Some(sides) = to_forget(look) else { return false };
            for side in sides {
                state.sides[side].forget();
            }
        }
        Remedy::Abort => {
            let Some(side) = to_abort(state) else { return false };
            state.sides[side].abort = state.sides[side].note.map_or(0, |note| note.sequence);
        }
        Remedy::Promote => promote(state),
    }
    state.accept();
    state.memory = NO_MEMORY;
    *state != before
}

/// The documents name what is right: services and rules of their own.
fn edit(state: &mut State, field: &str) {
    if field.starts_with("gates") {
        state.terms = PLAIN;
    }
    if field.starts_with("its production rules") && leaves_a_rule(state) {
        state.terms = PLAIN;
    }
    state.hindered = false;
    state.sides.iter_mut().for_each(|side| side.alien = false);
    for rule in state.rules.iter_mut().filter(|code| matches!(**code, NEITHER | NOTHING)) {
        *rule = 0;
    }
}

/// True if a rule that the documents do not name has been moved.
fn leaves_a_rule(state: &State) -> bool {
    let named = TERMS[usize::from(state.terms)].rules;
    state.rules.iter().skip(named).any(|code| *code != NONE)
}

fn restore(state: &mut State) {
    calm(state);
    if state.test == NEITHER {
        state.test = 0;
    }
    for rule in state.rules.iter_mut().filter(|code| **code == NEITHER) {
        *rule = 0;
    }
    state.sides.iter_mut().for_each(|side| side.alien = false);
}

/// Everything can be read and written again.
pub fn calm(state: &mut State) {
    (state.alarm, state.http, state.mute) = (Sight::Good, Sight::Good, false);
    for side in &mut state.sides {
        (side.unread, side.fog, side.veiled) = (false, false, false);
    }
}
