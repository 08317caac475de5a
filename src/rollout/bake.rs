//! All weight is on the new version; it is watched, and the old side stays as it is.

use super::gate::{self, Verdict};
use super::hindrance::Hindrance;
use super::record::{Progress, Record};
use super::view::{View, act, blocked, wait};
use super::{Action, Decision, Phase, WaitingOn, candidate, foreign, returning};
use crate::model::{Slot, Timestamp};

/// Watches the bake in `slot` that began at `since`. A commit that wants something new waits for its end; one that
/// wants the old version back does not. It ends well only on a reading in which nothing is wrong.
pub(super) fn proceed(view: View<'_>, slot: Slot, record: &Record, since: Timestamp) -> Decision {
    let other = slot.other();
    let can_go_back = record.from == Some(other) && view.may_recover(other);
    match gate::failing(view, slot, record) {
        Some(Verdict::Failed(why)) => return returning::fail(view, slot, record, why),
        Some(Verdict::Withdrawn) if can_go_back => return returning::start(view, other),
        Some(Verdict::Withdrawn) | None => {}
    }
    let reverted = record.revision != view.want.revision && view.slot(other).is_desired();
    if reverted && can_go_back && view.is_alive(other) {
        return returning::start(view, other);
    }
    if let Some(hindrance) = foreign::left_behind(view).or_else(|| foreign::unusable(view)) {
        return hold_or_block(view, slot, record, hindrance);
    }
    if !view.all_to(slot) {
        // Only a rule that a commit has added: any other one would have been noticed.
        return candidate::give(view, slot, record, 100);
    }
    // Seconds that nobody watched count for nothing: what all runs have watched is summed.
    let watched = match view.seen.watched_since {
        Some(begun) => record.intent.watched.saturating_add(view.now.since(begun.max(since))),
        None => view.now.since(since),
    };
    let left = view.want.bake_time.saturating_sub(watched);
    if left > 0 {
        return wait(Phase::Baking, WaitingOn::Bake { remaining: left });
    }
    match gate::ills(view.want, view.seen, view.now, slot, record).is_empty() {
        true => {
            let done = Record { progress: Progress::Done(view.now), ..record.clone() };
            act(Phase::Baking, view.owning(slot, vec![Action::WriteRecord { slot, record: done }]))
        }
        false => wait(Phase::Baking, gate::doubt(view, slot, record)),
    }
}

/// What stands in the way of a version that has weight. While that does badly the run goes on, since how long it has done
/// so is known to this run alone.
pub(super) fn hold_or_block(view: View<'_>, slot: Slot, record: &Record, hindrance: Hindrance) -> Decision {
    let is_ill =
        view.has_weight(slot) && !gate::ills(view.want, view.seen, view.now, slot, record).is_empty();
    let stop = blocked(view, hindrance);
    match is_ill {
        true => Decision { phase: Phase::Shifting, ..stop },
        false => stop,
    }
}
