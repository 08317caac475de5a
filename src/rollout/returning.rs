//! Traffic goes to a slot that served before: after a failure, when a commit was reverted, or when another commit
//! arrived in the middle of a shift. Always straight to 100, one rule after the other.

use super::record::{Progress, Record};
use super::view::{View, act, wait};
use super::{Action, Decision, Phase, WaitingOn};
use crate::model::{Slot, Weights};

/// Notes that traffic shall return to `slot`, before the first rule is touched.
pub(super) fn start(view: View<'_>, slot: Slot) -> Decision {
    let shares = view.seen.rules.iter().map(|rule| rule.split.weights().share_percent(slot));
    let (least, most) = shares.fold((100, 0), |(least, most), share| (least.min(share), most.max(share)));
    let record = view.next_record(slot, Some(slot.other()), Progress::Returning { least, most });
    act(Phase::RollingBack, view.owning(slot, vec![Action::WriteRecord { slot, record }]))
}

/// Notes that traffic shall return to `slot` or, where all of it is there, that this is so.
pub(super) fn start_or_done(view: View<'_>, slot: Slot) -> Decision {
    if !view.all_to(slot) {
        return start(view, slot);
    }
    let record = view.next_record(slot, None, Progress::Done(view.now));
    act(Phase::RollingBack, view.owning(slot, vec![Action::WriteRecord { slot, record }]))
}

/// Notes that the revision in `slot` failed and, if it has weight and came from another slot, that traffic returns.
pub(super) fn fail(view: View<'_>, slot: Slot, record: &Record, why: String) -> Decision {
    let failed = Record { progress: Progress::Failed(why), ..record.clone() };
    let mut actions = vec![Action::WriteRecord { slot, record: failed }];
    // Both notes at once: there is a moment less in which a crash leaves only the first.
    if let Some(from) = record.from {
        actions.extend(start_or_done(view, from).actions);
    }
    act(Phase::RollingBack, actions)
}

/// Gives all weight to `slot`, one rule a step.
pub(super) fn proceed(view: View<'_>, slot: Slot) -> Decision {
    let Some(rule) = view.seen.rules.iter().position(|rule| !rule.split.weights().all_to(slot)) else {
        let record = view.next_record(slot, None, Progress::Done(view.now));
        return act(Phase::RollingBack, vec![Action::WriteRecord { slot, record }]);
    };
    let healthy = view.slot(slot).targets.healthy;
    let required = required(view, slot);
    if healthy < required {
        return wait(Phase::RollingBack, WaitingOn::ReturnTargets { slot, healthy, required });
    }
    let naming = view.naming(slot);
    if !naming.is_empty() {
        return act(Phase::RollingBack, naming);
    }
    act(Phase::RollingBack, vec![Action::SetWeights { rule, weights: Weights::percent(slot, 100) }])
}

/// True if `slot` can't take the traffic back and Git wants something that runs nowhere: the commit that fixes both
/// sides must not wait for the one that can't recover.
pub(super) fn is_overtaken(view: View<'_>, slot: Slot) -> bool {
    let other = slot.other();
    let superseded = view.slot(other).record.as_ref().is_some_and(|r| r.revision != view.want.revision);
    let too_few = view.slot(slot).targets.healthy < required(view, slot);
    too_few && superseded && view.all_to(other) && !view.slot(slot).is_desired()
}

/// What a return asks for: the gate's share or, if the side that serves now is worse off, as many healthy targets as
/// that one has, but never none. Waiting for a full set while the other side fails would prolong an outage.
fn required(view: View<'_>, slot: Slot) -> u32 {
    let other = view.slot(slot.other()).targets.healthy;
    view.required(slot).min(other.max(1))
}
