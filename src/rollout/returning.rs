//! Traffic goes to a slot that served before: after a failure, when a commit was reverted, or when another commit
//! arrived in the middle of a shift. It needs the rules and the health of that slot, and nothing else: notes are written
//! where that can be done.

use super::observation::{Content, Ill, Workload};
use super::record::{Progress, Record};
use super::view::{View, act, blocked, required, wait};
use super::{Action, Decision, Phase, WaitingOn, foreign, gate, shift};
use crate::model::{RevisionId, Slot, Weights};

/// By how many points a partial return goes on at least: each costs a write.
const STEP_AT_LEAST: u32 = 10;

/// Notes that traffic shall return to `slot`, before the first rule is touched; where there is nothing to keep a note on,
/// goes on without.
pub(super) fn start(view: View<'_>, slot: Slot) -> Decision {
    if !matches!(view.slot(slot).workload, Workload::Present { .. }) {
        return proceed(view, slot);
    }
    let shares = view.usable().map(|(_, rule)| rule.split.weights().share_percent(slot));
    let (least, most) = shares.fold((100, 0), |(least, most), share| (least.min(share), most.max(share)));
    let left_behind = view.rules_left_behind();
    // What a rule says that can't be looked at now is no stranger's work once it can.
    let is_known = left_behind.is_empty() && view.usable().count() == view.seen.rules.len();
    let least = if is_known { least } else { 0 };
    let mut record = returned(view, slot, Some(slot.other()), Progress::Returning { least, most });
    record.intent.rules.extend(left_behind);
    act(Phase::RollingBack, view.owning(slot, vec![Action::WriteRecord { slot, record }]))
}

/// Notes that traffic shall return to `slot` or, where all of it is there, that this is so.
pub(super) fn start_or_done(view: View<'_>, slot: Slot) -> Decision {
    if !view.all_to(slot) || !view.rules_left_behind().is_empty() {
        return start(view, slot);
    }
    let record = returned(view, slot, None, Progress::Done(view.now));
    act(Phase::RollingBack, view.owning(slot, vec![Action::WriteRecord { slot, record }]))
}

/// The note of a return to `slot`. Only what had a finished proof before has one afterwards.
fn returned(view: View<'_>, slot: Slot, from: Option<Slot>, progress: Progress) -> Record {
    let record = view.next_record(slot, from, progress);
    let before = view.slot(slot).record.as_ref();
    let is_proven = before
        .is_some_and(|before| matches!(before.progress, Progress::Done(_) | Progress::Returning { .. }));
    match (is_proven, before) {
        (true, Some(before)) => Record { revision: before.revision.clone(), ..record },
        _ => Record { revision: RevisionId("unproven".into()), ..record },
    }
}

/// Notes that the revision in `slot` failed and, if it came from another slot that is there, that traffic returns.
pub(super) fn fail(view: View<'_>, slot: Slot, record: &Record, why: String) -> Decision {
    let mut actions = vec![];
    if matches!(view.slot(slot).workload, Workload::Present { .. }) {
        let failed = Record { progress: Progress::Failed(why), ..record.clone() };
        actions.push(Action::WriteRecord { slot, record: failed });
    }
    // Both notes at once: there is a moment less in which a crash leaves only the first.
    if let Some(from) = record.from.filter(|from| view.may_recover(*from)) {
        actions.extend(start_or_done(view, from).actions);
    }
    act(Phase::RollingBack, actions)
}

/// Gives `slot` as much weight as it has tasks for, one rule a step, and asks for the tasks that are missing. A return
/// that nobody hurries waits for all of them and then goes straight to 100; one from a side that fails goes at once as far
/// as it can.
pub(super) fn proceed(view: View<'_>, slot: Slot) -> Decision {
    if view.all_to(slot) {
        if let Some(hindrance) = foreign::left_on_return(view) {
            return blocked(view, hindrance);
        }
        let record = returned(view, slot, None, Progress::Done(view.now));
        return act(Phase::RollingBack, view.owning(slot, vec![Action::WriteRecord { slot, record }]));
    }
    if let Some(hindrance) = foreign::unusable(view).filter(|_| view.usable().next().is_none()) {
        return blocked(view, hindrance);
    }
    let naming = view.naming(slot);
    if !naming.is_empty() {
        return act(Phase::RollingBack, naming);
    }
    let (healthy, needed) = (view.slot(slot).targets.healthy, needed(view, slot));
    let share = affordable(view, slot, healthy, needed);
    let mut actions = vec![];
    let behind = view.usable().find(|(_, rule)| {
        let now = rule.split.weights().share_percent(slot);
        now < share && (share == 100 || share - now >= STEP_AT_LEAST || now == 0)
    });
    if let Some((rule, _)) = behind {
        actions.push(Action::SetWeights { rule, weights: Weights::percent(slot, share) });
    }
    let wanted = shift::tasks_beside_the_other(view, slot);
    if healthy < needed && view.slot(slot).count() < wanted && view.slot(slot).is_owned() {
        actions.push(Action::ScaleSlot { slot, count: wanted });
    }
    match actions.is_empty() {
        true => wait(Phase::RollingBack, WaitingOn::ReturnTargets { slot, healthy, required: needed }),
        false => act(Phase::RollingBack, actions),
    }
}

/// The share of the traffic that `healthy` of `needed` targets can take.
fn affordable(view: View<'_>, slot: Slot, healthy: u32, needed: u32) -> u32 {
    if healthy >= needed {
        return 100;
    }
    if view.want.whole_only || !gate::fails(view, slot.other()) {
        return 0;
    }
    (healthy * 100).checked_div(needed).unwrap_or(0)
}

/// True if `slot` was to take the traffic with the version that Git wants and has another one by now, while the side that
/// serves does well.
pub(super) fn has_another_version(view: View<'_>, slot: Slot, record: &Record) -> bool {
    let is_other = matches!(view.slot(slot).workload, Workload::Present { content: Content::Other, .. });
    record.revision == view.want.revision && is_other && !gate::fails(view, slot.other())
}

/// True if nothing answers in `slot` while the other side, which did not fail, still has requests and answers them.
pub(super) fn is_dead_end(view: View<'_>, slot: Slot) -> bool {
    let other = slot.other();
    view.has_weight(other)
        && view.slot(other).targets.healthy > 0
        && !gate::fails(view, other)
        && gate::has_lasted(view, Ill::Dead)
}

/// True if `slot` can't take the traffic back and Git wants something that runs nowhere: the commit that fixes both
/// sides must not wait for the one that can't recover.
pub(super) fn is_overtaken(view: View<'_>, slot: Slot) -> bool {
    let other = slot.other();
    let superseded = view.slot(other).record.as_ref().is_some_and(|r| r.revision != view.want.revision);
    let too_few = view.slot(slot).targets.healthy < needed(view, slot);
    too_few && superseded && view.all_to(other) && !view.slot(slot).is_desired()
}

/// The healthy targets for a return of everything: the gate's share of what Git declares, and what the other side runs now
/// or, if that one is worse off, as many as are healthy there, but never none. Waiting for a full set while the other side
/// fails would prolong an outage.
fn needed(view: View<'_>, slot: Slot) -> u32 {
    let other = slot.other();
    let declared = view.want.count.map_or(0, |count| required(view.want, count));
    let all = view.required(slot).max(declared).max(shift::capacity(view.want, view.seen, slot, 100));
    match gate::fails(view, other) {
        true => all.min(view.slot(other).targets.healthy.max(1)),
        false => all,
    }
}
