//! Live is what Git wants: keep the count up, note it, and let the old side go when its time has come.

use super::observation::{Hold, Workload};
use super::record::{Progress, Record};
use super::view::{View, act, wait};
use super::{Action, Decision, Phase, WaitingOn};
use crate::model::Slot;

/// All rules agree on `slot`, and it runs what is wanted.
pub(super) fn proceed(view: View<'_>, slot: Slot) -> Decision {
    let mut actions = vec![];
    let holder = view.current().map(|(holder, _)| holder);
    if holder != Some(slot) {
        actions.push(Action::WriteRecord { slot, record: first_record(view, slot) });
    }
    let count = view.slot(slot).count();
    // Fewer tasks than running are never asked of a slot with traffic: that waits for the next rollout.
    if let Some(count) = view.want.count.filter(|wanted| *wanted > count) {
        actions.push(Action::ScaleSlot { slot, count });
    }
    let unowned = matches!(view.slot(slot).workload, Workload::Present { owned: false, .. });
    if !actions.is_empty() || unowned {
        return act(Phase::Live, view.owning(slot, actions));
    }
    // The candidate that the test rule was pointed at is gone, or has become the live one.
    if let Some(back) = view.pointing_test_rule(slot) {
        return act(Phase::Live, vec![back]);
    }
    if let (Some(wanted), Workload::Present { running, .. }) = (view.want.count, &view.slot(slot).workload)
        && *running < wanted
    {
        return wait(Phase::Live, WaitingOn::Tasks { slot, running: *running, wanted });
    }
    let_go(view, slot.other())
}

/// The wanted revision failed, but there is no other side that traffic could go back to.
pub(super) fn failed_in_place(view: View<'_>, slot: Slot) -> Decision {
    let record = view.slot(slot).record.as_ref().map(|record| &record.progress);
    let Some(Progress::Failed(why)) = record else { return proceed(view, slot) };
    let reason = format!("{why}; it still serves, since there is no previous version to go back to");
    wait(Phase::Quarantined, WaitingOn::NewRevision { reason })
}

/// The note of a state that was found and not made by us. With a warm other side a lost bake is begun anew.
fn first_record(view: View<'_>, slot: Slot) -> Record {
    let other = slot.other();
    if view.current().is_none() && view.is_alive(other) {
        return view.next_record(slot, Some(other), Progress::Baking(view.now));
    }
    view.next_record(slot, None, Progress::Done(view.now))
}

/// Scales the old side down once it has been kept long enough; a candidate that never served is not kept.
fn let_go(view: View<'_>, old: Slot) -> Decision {
    let done = Decision { phase: Phase::Live, actions: vec![], waiting_on: None, check_after: None };
    if !view.is_alive(old) || !view.slot(old).is_owned() || view.has_weight(old) {
        return done;
    }
    let never_served = view.slot(old).record.as_ref().is_some_and(|record| {
        matches!(
            record.progress,
            Progress::Rolling | Progress::Ready | Progress::Shifting { .. } | Progress::Failed(_)
        )
    });
    let since = match view.current() {
        Some((_, Record { progress: Progress::Done(since), .. })) => *since,
        _ => return done,
    };
    let keep = if never_served { 0 } else { view.want.keep_previous.saturating_sub(view.now.since(since)) };
    match (keep, view.unsettled(), &view.slot(old).hold) {
        (0, 0, Hold::Held(hindrance)) => {
            wait(Phase::Live, WaitingOn::Held { slot: old, why: hindrance.in_words(view.want.terms) })
        }
        (0, 0, _) => act(Phase::Live, vec![Action::ScaleSlot { slot: old, count: 0 }]),
        (0, remaining, _) => wait(Phase::Live, WaitingOn::Settle { remaining }),
        (remaining, ..) => wait(Phase::Live, WaitingOn::KeepPrevious { remaining }),
    }
}
