//! Claims that hold in every state: what no decision may do, whatever happened before.

use super::program::{Look, write};
use super::terms::{BAKE, TERMS};
use super::world::{AGES, NONE, Note, Rest, Service, Sight, Stand, State, number, share, slot};
use cutover::model::Weights;
use cutover::rollout::{Action, Outcome, Phase, Progress, Record, RuleSplit};

/// What is wrong with a decision; each sentence names the kind and no numbers.
pub fn decision(look: &Look) -> Vec<String> {
    let mut wrong = vec![];
    let actions = &look.decision.actions;
    if actions.iter().filter(|action| action.moves_traffic()).count() > 1 {
        wrong.push("more than one write of a decision moves traffic".to_owned());
    }
    let mut state = look.state;
    for action in actions {
        of_action(look, &state, action, &mut wrong);
        // A way back goes on without its notes.
        let may_fail = look.decision.phase == Phase::RollingBack && !action.moves_traffic();
        if !write(&mut state, action) && !may_fail {
            wrong.push(format!("writes to a service that is not there: {}", kind(action)));
        }
    }
    blames(look, &mut wrong);
    if look.decision.outcome() == Some(Outcome::Done) && !serves_wanted(&look.state) {
        wrong.push("says done, and what is wanted does not serve".to_owned());
    }
    wrong
}

/// Nobody is said to have done what nobody did.
fn blames(look: &Look, wrong: &mut Vec<String>) {
    if look.state.lost || look.state.memory.changed || (0..3).any(|rule| look.state.is_foreign(rule)) {
        return;
    }
    let failed = look.decision.actions.iter().any(|action| match action {
        Action::WriteRecord { record: Record { progress: Progress::Failed(why), .. }, .. } => {
            why.contains("somebody else")
        }
        _ => false,
    });
    let blocked = look.decision.waiting_on.as_ref().map(|on| on.in_words(look.want.terms));
    if failed || blocked.is_some_and(|words| words.contains("somebody else changed")) {
        wrong.push("blames somebody else for what nobody else did".into());
    }
}

fn kind(action: &Action) -> &'static str {
    match action {
        Action::CreateSlot { .. } => "create",
        Action::UpdateSlot { .. } => "update",
        Action::ScaleSlot { .. } => "scale",
        Action::AdoptSlot { .. } => "adopt",
        Action::WriteRecord { .. } => "note",
        Action::NameGroup { .. } => "name a group",
        Action::PointTestRule { .. } => "point the test rule",
        Action::SetWeights { .. } => "set weights",
    }
}

/// True if all requests go to a slot that runs what Git wants.
pub fn serves_wanted(state: &State) -> bool {
    let serves = |side: usize| {
        let at = &state.sides[side];
        state.all_to(side) && at.service == Service::Present && at.runs == state.wants
    };
    (0..2).any(serves)
}

fn of_action(look: &Look, state: &State, action: &Action, wrong: &mut Vec<String>) {
    match action {
        Action::SetWeights { rule, weights } => of_weights(look, state, *rule, *weights, wrong),
        Action::UpdateSlot { slot, .. } => untouchable(look, state, number(*slot), "updates", wrong),
        Action::ScaleSlot { slot, count } if *count < u32::from(state.sides[number(*slot)].count) => {
            untouchable(look, state, number(*slot), "scales down", wrong);
        }
        Action::WriteRecord { slot, record } => of_note(look, state, number(*slot), record, wrong),
        Action::NameGroup { rule, .. } if look.state.memory.changed => {
            wrong.push(format!("writes rule {rule} that somebody else has changed in this run"));
        }
        Action::CreateSlot { .. }
        | Action::ScaleSlot { .. }
        | Action::AdoptSlot { .. }
        | Action::NameGroup { .. }
        | Action::PointTestRule { .. } => {}
    }
}

/// What requests may still reach is left as it is.
fn untouchable(look: &Look, state: &State, side: usize, does: &str, wrong: &mut Vec<String>) {
    let at = &state.sides[side];
    let mut say = |why: &str| wrong.push(format!("{does} a slot {why}"));
    if state.rules().any(|code| share(code, side) > 0) {
        say("that a rule gives weight to");
    }
    if state.is_held(side) {
        say("that a rule outside the documents gives weight to");
    }
    if at.runs != NONE && at.running > 0 && look.state.memory.weights == 0 {
        say("before the load balancer has settled");
    }
    if !at.owned {
        say("that bears no mark of ours");
    }
    let baking = look.state.current().and_then(|other| Some((other, look.state.sides[other].note?)));
    if let Some((other, Note { stand: Stand::Baking { since }, from, .. })) = baking
        && other != side
        && usize::from(from) == side
        && AGES[usize::from(since)] < BAKE
    {
        say("that traffic may have to return to in a bake");
    }
}

fn of_weights(look: &Look, state: &State, rule: usize, weights: Weights, wrong: &mut Vec<String>) {
    let old = state.rules[rule];
    // What a person asked to be taken back is taken from a changed rule, too.
    let asked = state.sides.iter().any(|side| side.note.is_some_and(|note| note.sequence == side.abort));
    if look.state.memory.changed && !asked {
        wrong.push("writes a rule that somebody else has changed in this run".into());
    }
    if matches!(look.seen.rules[rule].split, RuleSplit::Neither(_)) {
        wrong.push("writes over a rule that forwards to neither slot".into());
    }
    for side in 0..2 {
        let new = weights.share_percent(slot(side));
        if new > u32::from(share(old, side)) {
            let returns = gains(look, state, (rule, side), new, wrong);
            if !returns && state.is_foreign(rule) && !may_be_a_cut_off_write(state, side, old) {
                wrong.push("goes forward over a rule that somebody else has set".into());
            }
        }
    }
}

/// True for a step that was begun on one of several rules, when nobody served on the other side.
fn is_begun(state: &State, side: usize, new: u32) -> bool {
    let intends = state.sides[side].note.is_some_and(|note| u32::from(note.next) == new);
    intends && state.rules().any(|code| u32::from(share(code, side)) == new)
}

/// True for a rule that a commit has added to a rollout: it is brought to where the others are.
fn joins(state: &State, side: usize, rule: usize) -> bool {
    let under_way = |note: &Note| matches!(note.stand, Stand::Shifting { .. } | Stand::Baking { .. });
    let note = state.sides[side].note.filter(under_way);
    note.is_some_and(|note| note.rules != 0 && note.rules & (1 << rule) == 0)
}

/// True if the rule may be as it is because a run was cut off between its note of what comes next and the write.
fn may_be_a_cut_off_write(state: &State, side: usize, code: u8) -> bool {
    let Some(note) = state.sides[side].note.filter(|note| note.next != NONE) else { return false };
    let reached = match note.stand {
        Stand::Rolling | Stand::Ready => 0,
        Stand::Shifting { share, .. } => share,
        Stand::Baking { .. } | Stand::Returning { .. } | Stand::Done { .. } | Stand::Failed => return false,
    };
    share(code, side) == reached
}

/// More weight for a slot: it needs healthy targets of its own, and proof.
/// True if it is a way back.
fn gains(
    look: &Look,
    state: &State,
    (rule, side): (usize, usize),
    new: u32,
    wrong: &mut Vec<String>,
) -> bool {
    let (at, other) = (&state.sides[side], &state.sides[1 - side]);
    let which = slot(side);
    let terms = &TERMS[usize::from(state.terms)];
    let mut say = |why: String| wrong.push(format!("gives weight to {why}"));
    // Behind the group of a service that is gone nobody answers, so nothing is worse than that.
    let gone = !other.present() && !other.alien && (state.has_weight(side) || at.proof > 0);
    // Nor behind one that is told to run nothing, where what is wanted has a finished proof.
    let is_stopped = other.present() && other.count == 0 && other.running == 0 && other.healthy == 0;
    let gone = gone || is_stopped && at.proof > 0 && at.runs == state.wants;
    if gone && at.present() {
        return true;
    }
    if !at.present() || at.healthy == 0 || (at.fog && !at.unread) {
        say("a slot without a healthy target".into());
    }
    let returns = look.seen.current_record().is_some_and(|(holder, record)| match record.progress {
        Progress::Returning { .. } => holder == which,
        _ => record.from == Some(which),
    });
    let wanted = at.runs == state.wants && !at.veiled;
    if joins(&look.state, side, rule) {
        return true;
    }
    // That another version was put there since is told only if it was to be the wanted one.
    let by_name = look.seen.current_record().is_some_and(|(_, record)| record.revision == look.want.revision);
    if returns && (at.proof > 0 || !wanted) {
        // A way back; what it needs is checked above, and that it is not one for a version that nobody has asked for.
        let fails = other.healthy == 0 || other.note.is_some_and(|note| note.stand == Stand::Failed);
        if at.proof == 0 && by_name && !state.has_weight(side) && !fails {
            say("a version that was never gated, as if it returned".into());
        }
        return true;
    }
    let failed = at.note.is_some_and(|note| note.stand == Stand::Failed && note.revision == at.runs);
    if failed && wanted {
        say("a version that failed".into());
    }
    if !wanted {
        say("a version that Git does not want".into());
    }
    if at.proof < 2 && state.is_held(side) && !state.has_weight(side) {
        say("a version that a rule outside the documents sends requests to already".into());
    }
    if at.proof < 2
        && let Some(closed) = closed(state, side)
    {
        say(format!("a version whose gates are not open ({closed})"));
    }
    if at.proof < 2 && terms.approval && !state.has_weight(side) && !at.approved {
        say("a version that nobody approved".into());
    }
    let from = look.seen.current_record().and_then(|(_, record)| record.from);
    let next = terms.steps.iter().map(|(share, _)| *share).find(|share| *share >= new).unwrap_or(100);
    let now = state.rules().map(|code| share(code, side)).min().unwrap_or(0);
    let step =
        terms.steps.iter().map(|(share, _)| *share).find(|share| *share > u32::from(now)).unwrap_or(100);
    if at.proof < 2
        && from.is_some()
        && other.healthy > 0
        && !is_begun(state, side, new)
        && new > step.max(next.min(step))
    {
        say("a version beyond its next step".into());
    }
    let needed = (u32::from(other.running) * new).div_ceil(100);
    if terms.count.is_none() && from.is_some() && u32::from(at.healthy) < needed && other.healthy > 0 {
        say("a side that has not the tasks for it".into());
    }
    false
}

/// The first gate of the candidate that is closed in truth, whatever the program makes of it.
fn closed(state: &State, side: usize) -> Option<&'static str> {
    let (at, terms) = (&state.sides[side], &TERMS[usize::from(state.terms)]);
    let unlike = |sight: Sight, others: &[Sight]| sight != Sight::Good && !others.contains(&sight);
    if at.rest != Rest::Steady || at.running < at.count || at.veiled {
        Some("its deployment")
    } else if at.unread || at.fog || at.healthy < at.count || at.healthy == 0 {
        Some("its targets")
    } else if terms.evidence && unlike(state.alarm, &[Sight::NoData]) {
        Some("the alarm")
    } else if terms.evidence && (unlike(state.http, &[]) || share(state.test, side) != 100) {
        Some("HTTP")
    } else {
        None
    }
}

/// A version fails only if something is wrong with it; what can't be read is no verdict.
fn fails_for_nothing(look: &Look, state: &State, side: usize) -> bool {
    let (at, terms) = (&state.sides[side], &TERMS[usize::from(state.terms)]);
    let rings = terms.evidence && (state.alarm == Sight::Bad || state.http == Sight::Bad);
    let well = at.present() && at.rest == Rest::Steady && at.healthy == at.count && at.running == at.count;
    let aborted = at.note.is_some_and(|note| note.sequence == at.abort);
    let foreign = (0..3).any(|rule| state.is_foreign(rule)) || look.state.memory.changed;
    let refused = at.refused != NONE && at.refuses == state.wants;
    well && at.count > 0 && at.runs == state.wants && !rings && !aborted && !foreign && !refused && !at.veiled
}

/// A finished proof is noted only for what has it.
fn of_note(look: &Look, state: &State, side: usize, record: &Record, wrong: &mut Vec<String>) {
    let at = &state.sides[side];
    let note = super::sight::note(record);
    if note.stand == Stand::Failed && fails_for_nothing(look, state, side) {
        wrong.push("fails a version that nothing is wrong with".into());
    }
    if let (Progress::Done(_), true) = (&record.progress, note.revision == at.runs) {
        let stand = at.note.map(|old| old.stand);
        let baked = matches!(stand, Some(Stand::Baking { since }) if AGES[usize::from(since)] >= BAKE);
        if at.proof < 2 && !baked && !state.all_to(side) {
            wrong.push("notes a finished proof for a version that has none".into());
        }
        let evidence = TERMS[usize::from(state.terms)].evidence;
        let ill =
            at.healthy == 0 || at.unread || evidence && matches!(state.alarm, Sight::Bad | Sight::Unread);
        if baked && at.proof < 2 && ill {
            wrong.push("ends a bake well while something is wrong, or can't be read".into());
        }
    }
    if let (Progress::Baking(_), Some(old)) = (&record.progress, at.note)
        && old.sequence == note.sequence
        && !matches!(old.stand, Stand::Baking { .. })
        && !state.all_to(side)
    {
        wrong.push("notes a bake while not all requests go there".into());
    }
    let newest = state.current().and_then(|current| state.sides[current].note);
    if newest.is_some_and(|newest| newest.sequence > note.sequence) {
        wrong.push("writes a note that is older than the one that speaks".into());
    }
}
