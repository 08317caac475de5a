//! The order in which the questions are asked. Each answer lives in a file of its own.

use super::observation::{Desired, Observation};
use super::record::{Progress, Record};
use super::view::{View, act};
use super::{Action, Decision, Phase, bake, candidate, foreign, live, returning};
use crate::model::{Slot, Timestamp};

/// Chooses what to do next for one workload. Pure: the same arguments give the same answer, and everything that was
/// true before a crash can be read again after it.
///
/// An unfinished return of traffic comes before anything else, then an unfinished bake, then an unfinished rollout,
/// and only then what Git wants now.
pub fn decide(want: &Desired, seen: &Observation, now: Timestamp) -> Decision {
    let view = View { want, seen, now };
    if let Some(stop) = foreign::hindrance(view) {
        return stop;
    }
    match view.current() {
        Some((slot, record)) => match record.progress {
            Progress::Returning { .. } if returning::is_overtaken(view, slot) => {
                candidate::proceed(view, slot, Some(slot.other()))
            }
            Progress::Returning { .. } => returning::proceed(view, slot),
            Progress::Failed(_) => after_failure(view, record),
            Progress::Baking(since) => bake::proceed(view, slot, record, since),
            Progress::Rolling | Progress::Ready | Progress::Shifting { .. } => unfinished(view, slot, record),
            Progress::Done(_) => settled(view),
        },
        None => settled(view),
    }
}

/// A revision failed in `slot`: traffic goes back to where it came from, and that is written down, so that a later
/// change of the rule by somebody else is noticed.
fn after_failure(view: View<'_>, record: &Record) -> Decision {
    let Some(from) = record.from else { return settled(view) };
    returning::start_or_done(view, from)
}

/// A rollout into `slot` has begun and has neither all weight nor failed. One that Git no longer wants, or whose
/// service somebody else changed while it has weight, is given up: traffic goes back before the slot is touched.
fn unfinished(view: View<'_>, slot: Slot, record: &Record) -> Decision {
    let weighted = view.has_weight(slot);
    let given_up = record.revision != view.want.revision || (weighted && !view.slot(slot).is_desired());
    match record.from {
        Some(from) if given_up && weighted => returning::start(view, from),
        Some(from) if given_up && view.slot(from).is_desired() => {
            let record = view.next_record(from, None, Progress::Done(view.now));
            act(Phase::Live, view.owning(from, vec![Action::WriteRecord { slot: from, record }]))
        }
        None if weighted && view.unanimous().is_none() => candidate::finish_first(view, slot, record),
        None if given_up && weighted => settled(view),
        from => candidate::proceed(view, slot, from),
    }
}

/// No rollout is under way: live is as Git wants it, or a rollout into the idle slot begins.
fn settled(view: View<'_>) -> Decision {
    let Some(serving) = view.unanimous() else {
        return foreign::split_without_rollout(view);
    };
    let failed = view.slot(serving).record.as_ref().is_some_and(|record| {
        matches!(record.progress, Progress::Failed(_)) && record.revision == view.want.revision
    });
    if view.slot(serving).is_desired() {
        return if failed { live::failed_in_place(view, serving) } else { live::proceed(view, serving) };
    }
    let from = view.is_alive(serving).then_some(serving);
    candidate::proceed(view, serving.other(), from)
}
