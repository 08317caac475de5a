//! Liveness: if accidents stop and a good commit comes, it is live within a bounded number of steps, by itself or by
//! carrying out what the program asks people for.

use super::check::serves_wanted;
use super::moves::{come, may_come};
use super::program::{Fault, Look, look};
use super::remedies::{calm, carry_out, is_each, remedies};
use super::sight::RULES;
use super::world::{AGES, Budget, FIX, NO_MEMORY, Rest, SICK, STILLBORN, Service, State};
use cutover::model::Seconds;
use cutover::rollout::{Decision, Outcome, Remedy, WaitingOn};

/// Steps within which all has to be well, remedies not counted.
pub const BOUND: usize = 80;

/// Remedies that may be needed one after the other.
const DEPTH: usize = 4;

/// What comes after the accidents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// A commit that mends everything.
    Fix,
    /// The commit of before is reverted.
    Revert(u8),
}

/// A way that does not end well: what happened on it, in words.
pub type Dead = Vec<String>;

/// The state in which accidents have stopped and the commit has come.
pub fn quiet(state: &State, wish: Wish) -> State {
    let mut state = *state;
    state.budget = Budget::default();
    state.wants = match wish {
        Wish::Fix => FIX,
        Wish::Revert(revision) => revision,
    };
    state.memory = NO_MEMORY;
    calm(&mut state);
    state.normalise();
    state
}

/// Follows the program; `known` tells which states are proven already, and `proven` gets those that are now.
///
/// # Errors
/// The way that leads nowhere.
pub fn follow(begin: &State, known: &impl Fn(u128) -> bool, proven: &mut Vec<u128>) -> Result<(), Dead> {
    let mut story = vec![];
    go(*begin, DEPTH, known, proven, &mut story).map_err(|()| story)
}

fn go(
    begin: State,
    depth: usize,
    known: &impl Fn(u128) -> bool,
    proven: &mut Vec<u128>,
    story: &mut Dead,
) -> Result<(), ()> {
    let mut state = begin;
    let mut passed = vec![];
    for _ in 0..BOUND {
        state.normalise();
        let print = state.print();
        if known(print) || proven.contains(&print) {
            proven.extend(passed);
            return Ok(());
        }
        passed.push(print);
        let seen = look(&state);
        if is_well(&seen) {
            proven.extend(passed);
            return Ok(());
        }
        tell(&seen, story);
        if seen.decision.actions.is_empty()
            && let Some(remedies) = remedies(&seen)
        {
            by_hand(state, &seen, &remedies, depth, known, proven, story)?;
            proven.extend(passed);
            return Ok(());
        }
        let mut next = seen.act(Fault::None);
        live_on(&mut next);
        if seen.decision.actions.is_empty() {
            next.pass(patience(&seen.decision));
            if next.normal() == state.normal() {
                next.pass(2);
            }
            if next.normal() == state.normal() {
                next.pass(3);
            }
        }
        if next.normal() == state.normal() && seen.decision.actions.is_empty() {
            story.push("nothing changes any more".into());
            return Err(());
        }
        state = next;
    }
    story.push(format!("not done after {BOUND} steps"));
    Err(())
}

impl State {
    fn normal(&self) -> State {
        let mut state = *self;
        state.normalise();
        state
    }
}

/// Adds what was decided to a story.
pub fn tell(look: &Look, story: &mut Dead) {
    let decision = &look.decision;
    let line = match &decision.waiting_on {
        Some(on) => format!("{}: waits for {}", decision.phase, on.in_words(look.want.terms)),
        None => {
            let acts: Vec<String> = decision.actions.iter().map(|a| a.in_words(look.want.terms)).collect();
            format!("{}: {}", decision.phase, acts.join(", "))
        }
    };
    let line = format!("{line}\n          {}", super::story::state(&look.state));
    if story.last() != Some(&line) && story.len() < 30 {
        story.push(line);
    }
}

/// Live on all rules, and the program says so.
fn is_well(look: &Look) -> bool {
    look.decision.outcome() == Some(Outcome::Done) && serves_wanted(&look.state)
}

/// What the platform does by itself.
fn live_on(state: &mut State) {
    for side in 0..2 {
        while may_come(state, side) && state.sides[side].runs != SICK {
            let before = *state;
            come(state, side);
            if before == *state {
                break;
            }
        }
        let weighted = state.has_weight(side);
        let at = &mut state.sides[side];
        if at.service == Service::Draining {
            at.service = Service::Absent;
        }
        if at.runs == SICK && weighted {
            at.healthy = 0;
        }
        if at.runs == STILLBORN && at.rest == Rest::Moving {
            at.rest = Rest::Failed;
        }
    }
}

/// How long what is awaited takes.
fn patience(decision: &Decision) -> u8 {
    let left: Seconds = match decision.waiting_on {
        Some(
            WaitingOn::Stability { remaining }
            | WaitingOn::Hold { remaining, .. }
            | WaitingOn::Bake { remaining }
            | WaitingOn::Settle { remaining }
            | WaitingOn::KeepPrevious { remaining },
        ) => remaining,
        _ => 1,
    };
    (1..5).find(|age| AGES[usize::from(*age)] >= left).unwrap_or(4)
}

fn by_hand(
    state: State,
    look: &Look,
    remedies: &[Remedy],
    depth: usize,
    known: &impl Fn(u128) -> bool,
    proven: &mut Vec<u128>,
    story: &mut Dead,
) -> Result<(), ()> {
    if depth == 0 || remedies.is_empty() {
        story.push("nothing that helps is named".into());
        return Err(());
    }
    let length = story.len();
    let mut tried = 0;
    for remedy in remedies {
        let mut next = state;
        if !carry_out(remedy, &mut next, look) {
            continue;
        }
        tried += 1;
        story.push(format!("by hand: {}", remedy.in_words(look.want.terms)));
        let came = go(next, depth - 1, known, proven, story);
        match (came, is_each(look)) {
            (Ok(()), false) => return Ok(()),
            (Ok(()), true) => story.truncate(length),
            (Err(()), true) => return Err(()),
            (Err(()), false) => {}
        }
    }
    if is_each(look) && tried > 0 {
        return Ok(());
    }
    story.push("none of the remedies helps".into());
    Err(())
}

/// What a way comes to that does not end well, without names and numbers.
pub fn kind(dead: &Dead) -> String {
    let last = dead.iter().rev().find(|line| line.contains('\n')).map(String::as_str).unwrap_or_default();
    let last = last.lines().next().unwrap_or_default();
    let end = dead.last().map(String::as_str).unwrap_or_default();
    let mut text = format!("{last}: {end}").replace("blue", "a slot").replace("green", "a slot");
    for rule in RULES {
        text = text.replace(rule, "a rule");
    }
    text.chars().filter(|c| !c.is_ascii_digit()).take(300).collect()
}
