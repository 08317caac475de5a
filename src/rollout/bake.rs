//! All weight is on the new version; it is watched, and the old side stays as it is.

use super::record::{Progress, Record};
use super::view::{View, act, wait};
use super::{Action, Decision, Phase, WaitingOn, gate, returning};
use crate::model::{Slot, Timestamp};

/// Watches the bake in `slot` that began at `since`. A commit that wants something new waits for its end; one that
/// wants the old version back does not.
pub(super) fn proceed(view: View<'_>, slot: Slot, record: &Record, since: Timestamp) -> Decision {
    let other = slot.other();
    if let Some(why) = gate::failing(view, slot, record) {
        return returning::fail(view, slot, record, why);
    }
    let reverted = record.revision != view.want.revision && view.slot(other).is_desired();
    if reverted && record.from == Some(other) && view.is_alive(other) {
        return returning::start(view, other);
    }
    let left = view.want.bake_time.saturating_sub(view.now.since(since));
    if left > 0 {
        return wait(Phase::Baking, WaitingOn::Bake { remaining: left });
    }
    let done = Record { progress: Progress::Done(view.now), ..record.clone() };
    act(Phase::Baking, vec![Action::WriteRecord { slot, record: done }])
}
