//! A rollout into the slot that does not serve: bring it up, gate it, shift to it.

use super::observation::{RuleSplit, Stage, Workload};
use super::record::{Progress, Record};
use super::view::{View, act, wait};
use super::{Action, Decision, Phase, WaitingOn, gate, returning, shift};
use crate::model::{Slot, Timestamp, Weights};

/// The next step of the rollout into `slot`, with `from` serving so far (`None`: nothing serves). Once requests reach the
/// candidate, whatever is still done to it or asked of it is part of the shift: a gate that closes again is no way back.
pub(super) fn proceed(view: View<'_>, slot: Slot, from: Option<Slot>) -> Decision {
    let decision = next_step(view, slot, from);
    match decision.phase {
        Phase::Preparing | Phase::Gating if view.has_weight(slot) => {
            Decision { phase: Phase::Shifting, ..decision }
        }
        _ => decision,
    }
}

fn next_step(view: View<'_>, slot: Slot, from: Option<Slot>) -> Decision {
    if let Some(quarantined) = quarantined(view, slot) {
        return quarantined;
    }
    let rolling = record_of_this_rollout(view, slot);
    if let Some(record) = rolling {
        let verdict = match (view.has_weight(slot), record.from) {
            (true, Some(_)) => gate::failing(view, slot, record),
            (true, None) => None,
            (false, _) => gate::hopeless(view, slot, record),
        };
        if let Some(why) = verdict {
            return returning::fail(view, slot, record, why);
        }
    }
    if let Some(preparing) = prepare(view, slot, from, rolling) {
        return preparing;
    }
    match rolling {
        Some(record) => pass(view, slot, record),
        // `prepare` always leaves a record behind; without one there is nothing to pass.
        None => wait(Phase::Preparing, WaitingOn::Tasks { slot, running: 0, wanted: 1 }),
    }
}

/// The slot's record, if it is the current one and speaks of the wanted revision.
fn record_of_this_rollout<'a>(view: View<'a>, slot: Slot) -> Option<&'a Record> {
    let (_, record) = view.current().filter(|(holder, _)| *holder == slot)?;
    let on_its_way =
        matches!(record.progress, Progress::Rolling | Progress::Ready | Progress::Shifting { .. });
    (on_its_way && record.revision == view.want.revision).then_some(record)
}

/// The wanted revision failed in this slot before: it is not tried again, and its tasks are let go.
fn quarantined(view: View<'_>, slot: Slot) -> Option<Decision> {
    let record = view.slot(slot).record.as_ref().filter(|record| record.revision == view.want.revision)?;
    let Progress::Failed(why) = &record.progress else { return None };
    if view.is_alive(slot) && !view.has_weight(slot) {
        return Some(match view.unsettled() {
            0 => act(Phase::Quarantined, view.owning(slot, vec![Action::ScaleSlot { slot, count: 0 }])),
            remaining => wait(Phase::RollingBack, WaitingOn::Settle { remaining }),
        });
    }
    Some(wait(Phase::Quarantined, WaitingOn::NewRevision { reason: why.clone() }))
}

/// Brings service, record, rules and test rule to where the gate can be asked; `None` once they are there.
fn prepare(view: View<'_>, slot: Slot, from: Option<Slot>, rolling: Option<&Record>) -> Option<Decision> {
    let naming = view.naming(slot);
    if !naming.is_empty() {
        return Some(act(Phase::Preparing, naming));
    }
    let serving_count = view.slot(slot.other()).count();
    let most = view.want.most.unwrap_or(u32::MAX);
    let needed = view.want.count.unwrap_or(serving_count).min(most).max(1);
    let record = || view.next_record_of_wanted(slot, from);
    let count = match &view.slot(slot).workload {
        Workload::Draining => return Some(wait(Phase::Preparing, WaitingOn::NameToBeFree { slot })),
        Workload::Absent => {
            let create = Action::CreateSlot { slot, count: needed, record: record() };
            return Some(act(Phase::Preparing, vec![create]));
        }
        Workload::Present { desired_count, .. } => *desired_count,
    };
    if view.slot(slot).is_desired()
        && count >= needed
        && rolling.is_none()
        && view.is_proven(slot)
        && from.is_some()
    {
        return Some(returning::start(view, slot));
    }
    let mut actions = vec![];
    if rolling.is_none() {
        actions.push(Action::WriteRecord { slot, record: record() });
    }
    // A deployment that failed before does not begin again by itself.
    let failed_before = rolling.is_none() && view.slot(slot).stage() == Some(Stage::Failed) && count > 0;
    if !view.slot(slot).is_desired() || failed_before {
        if count > 0 && view.unsettled() > 0 {
            return Some(wait(Phase::Preparing, WaitingOn::Settle { remaining: view.unsettled() }));
        }
        actions.push(Action::UpdateSlot { slot, count: needed });
    } else if count < needed {
        actions.push(Action::ScaleSlot { slot, count: needed });
    }
    let test = view.seen.test_rule.as_ref().map(|rule| &rule.split);
    if !view.has_weight(slot)
        && test.is_some_and(|split| !split.weights().all_to(slot) || matches!(split, RuleSplit::Neither(_)))
    {
        actions.push(Action::PointTestRule { slot });
    }
    (!actions.is_empty()).then(|| act(Phase::Preparing, view.owning(slot, actions)))
}

/// Asks the gates, waits for people, and gives weight.
fn pass(view: View<'_>, slot: Slot, record: &Record) -> Decision {
    if let Some(waiting) = gate::closed_gate(view.want, view.seen, slot) {
        return wait(Phase::Gating, waiting);
    }
    if let Progress::Shifting { share, since } = record.progress {
        return shift_on(view, slot, record, share, since);
    }
    let promoted = view.slot(slot).signals.promote == Some(record.sequence);
    let needs_approval = view.want.gates.approval && !promoted;
    // The gates have held once; whoever only looks has not seen for how long. After the approval they hold again.
    if needs_approval && record.progress == Progress::Ready {
        return wait(Phase::AwaitingApproval, WaitingOn::Approval);
    }
    let remaining = gate::stability_left(view.want, view.seen, view.now);
    if remaining > 0 {
        return wait(Phase::Gating, WaitingOn::Stability { remaining });
    }
    if needs_approval {
        let ready = Record { progress: Progress::Ready, ..record.clone() };
        return act(Phase::Gating, vec![Action::WriteRecord { slot, record: ready }]);
    }
    give(view, slot, record, shift::next_share(view.want, record.from, 0))
}

/// `share` was reached at `since`: hold it, then take the next step. A step that is already begun on one of several
/// rules is finished.
fn shift_on(view: View<'_>, slot: Slot, record: &Record, share: u32, since: Timestamp) -> Decision {
    let next = shift::next_share(view.want, record.from, share);
    let begun =
        view.seen.rules.iter().any(|rule| rule.split.weights().share_percent(slot) == next) && next != share;
    let remaining = shift::hold_of(view.want, share).saturating_sub(view.now.since(since));
    if remaining > 0 && !begun {
        return wait(Phase::Shifting, WaitingOn::Hold { weight: share, remaining });
    }
    give(view, slot, record, next)
}

/// A first deploy has all weight of some rules already, while the others still name a slot without tasks: healthy
/// targets are all that is asked for the rest, even if Git wants something else by now.
pub(super) fn finish_first(view: View<'_>, slot: Slot, record: &Record) -> Decision {
    let (healthy, required) = (view.slot(slot).targets.healthy, view.required(slot));
    if healthy < required {
        return wait(Phase::Shifting, WaitingOn::HealthyTargets { slot, healthy, required });
    }
    give(view, slot, record, 100)
}

/// Brings one more rule to `share`; once all have it, notes that it was reached.
fn give(view: View<'_>, slot: Slot, record: &Record, share: u32) -> Decision {
    let weights = Weights::percent(slot, share);
    let behind = view.seen.rules.iter().position(|rule| !rule.split.weights().same_split(weights));
    if let Some(rule) = behind {
        return act(Phase::Shifting, vec![Action::SetWeights { rule, weights }]);
    }
    let progress =
        if share == 100 { Progress::Baking(view.now) } else { Progress::Shifting { share, since: view.now } };
    let reached = Record { progress, ..record.clone() };
    act(Phase::Shifting, vec![Action::WriteRecord { slot, record: reached }])
}

impl View<'_> {
    /// The record of a new rollout of the wanted revision into `slot`, whatever the slot runs until then.
    fn next_record_of_wanted(self, slot: Slot, from: Option<Slot>) -> Record {
        Record { revision: self.want.revision.clone(), ..self.next_record(slot, from, Progress::Rolling) }
    }
}
