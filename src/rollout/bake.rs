//! All weight is on the new version; it is watched, and the old side stays as it is.

use super::gate::{self, Verdict};
use super::record::{Progress, Record};
use super::view::{View, act, wait};
use super::{Action, Decision, Phase, WaitingOn, candidate, returning};
use crate::model::{Slot, Timestamp};

/// Watches the bake in `slot` that began at `since`. A commit that wants something new waits for its end; one that
/// wants the old version back does not. It ends well only on a reading in which nothing is wrong.
pub(super) fn proceed(view: View<'_>, slot: Slot, record: &Record, since: Timestamp) -> Decision {
    let other = slot.other();
    let can_go_back = record.from == Some(other) && !view.is_gone(other);
    match gate::failing(view, slot, record) {
        Some(Verdict::Failed(why)) => return returning::fail(view, slot, record, why),
        Some(Verdict::Withdrawn) if can_go_back => return returning::start(view, other),
        Some(Verdict::Withdrawn) | None => {}
    }
    let reverted = record.revision != view.want.revision && view.slot(other).is_desired();
    if reverted && can_go_back && view.is_alive(other) {
        return returning::start(view, other);
    }
    if !view.all_to(slot) {
        // A rule that a commit has added takes part.
        return candidate::give(view, slot, record, 100);
    }
    // Seconds that nobody watched are watched again.
    let begun = view.seen.watched_since.map_or(since, |watched| watched.max(since));
    let left = view.want.bake_time.saturating_sub(view.now.since(begun));
    if left > 0 {
        return wait(Phase::Baking, WaitingOn::Bake { remaining: left });
    }
    match gate::ills(view.want, view.seen, slot, record).is_empty() {
        true => {
            let done = Record { progress: Progress::Done(view.now), ..record.clone() };
            act(Phase::Baking, vec![Action::WriteRecord { slot, record: done }])
        }
        false => wait(Phase::Baking, gate::doubt(view, slot, record)),
    }
}
