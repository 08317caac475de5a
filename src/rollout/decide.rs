//! The order in which the questions are asked. Each answer lives in a file of its own.

use super::observation::{Content, Desired, Observation, Workload};
use super::record::{Progress, Record};
use super::view::{View, act, blocked, wait};
use super::{Action, Decision, Phase, WaitingOn, bake, candidate, foreign, gone, live, returning};
use crate::model::{Slot, Timestamp};

/// Chooses what to do next for one workload. Pure: the same arguments give the same answer, and everything that was
/// true before a crash can be read again after it.
///
/// What a person asked to be taken back, or has taken back, comes first; then a side that is gone; then what stands in the
/// way; then an unfinished return of traffic, an unfinished bake, an unfinished rollout, and only then what Git wants now.
pub fn decide(want: &Desired, seen: &Observation, now: Timestamp) -> Decision {
    let view = View { want, seen, now };
    if let Some(back) = foreign::taken_back(view) {
        return back;
    }
    if let Some(away) = gone::evacuate(view) {
        return away;
    }
    if let Some(stop) = foreign::changed(view) {
        return stop;
    }
    match view.current() {
        Some((slot, record)) => match record.progress {
            Progress::Returning { .. } if returning::is_overtaken(view, slot) => {
                candidate::proceed(view, slot, Some(slot.other()))
            }
            Progress::Returning { .. } if returning::has_another_version(view, slot, record) => {
                after_a_change(view, slot)
            }
            Progress::Returning { .. } if !view.may_recover(slot) => settled(view),
            Progress::Returning { .. } if returning::is_dead_end(view, slot) => {
                returning::start(view, slot.other())
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

/// The slot that traffic was to return to runs something else by now, while the other side does well: what it runs has to
/// pass the gates, or traffic stays where it is.
fn after_a_change(view: View<'_>, slot: Slot) -> Decision {
    match view.has_weight(slot) {
        true => returning::start(view, slot.other()),
        false => candidate::proceed(view, slot, Some(slot.other())),
    }
}

/// A revision failed: traffic goes back to where it came from, and that is written down, so that a later change of the
/// rule by somebody else is noticed. Where that side is gone, what failed goes on serving.
fn after_failure(view: View<'_>, record: &Record) -> Decision {
    match record.from {
        Some(from) if view.may_recover(from) => returning::start_or_done(view, from),
        _ => settled(view),
    }
}

/// A rollout into `slot` has begun and has neither all weight nor failed. One that Git no longer wants, or whose
/// service somebody else changed while it has weight, is given up: traffic goes back before the slot is touched.
fn unfinished(view: View<'_>, slot: Slot, record: &Record) -> Decision {
    let weighted = view.has_weight(slot);
    let is_other = matches!(view.slot(slot).workload, Workload::Present { content: Content::Other, .. });
    let given_up = record.revision != view.want.revision || (weighted && is_other);
    match record.from {
        Some(from) if given_up && weighted && view.may_recover(from) => returning::start(view, from),
        Some(from) if given_up && !weighted && is_as_before(view, from) => {
            if let Some(hindrance) = foreign::left_behind(view) {
                return blocked(view, hindrance);
            }
            let record = view.next_record(from, None, Progress::Done(view.now));
            act(Phase::Live, view.owning(from, vec![Action::WriteRecord { slot: from, record }]))
        }
        _ if given_up && weighted => settled(view),
        from => candidate::proceed(view, slot, from),
    }
}

/// True if `slot` serves what Git wants and did not fail in doing so.
fn is_as_before(view: View<'_>, slot: Slot) -> bool {
    view.slot(slot).is_desired() && !has_failed(view, slot)
}

/// True if the wanted revision failed in `slot`.
fn has_failed(view: View<'_>, slot: Slot) -> bool {
    view.slot(slot).record.as_ref().is_some_and(|record| {
        matches!(record.progress, Progress::Failed(_)) && record.revision == view.want.revision
    })
}

/// Git wants back what the idle slot ran before, with a finished proof: nothing but the rules that can be used, and its
/// health, is asked for that.
fn revert(view: View<'_>) -> Option<Decision> {
    let serving = Slot::BOTH.into_iter().find(|slot| view.all_to(*slot))?;
    let live = view.slot(serving);
    let is_another = live.record.as_ref().is_some_and(|record| record.revision != view.want.revision);
    let is_wanted = live.is_desired() || view.is_unknown(serving) && !is_another;
    let is_revert = view.is_alive(serving) && !is_wanted && view.is_warm(serving.other());
    is_revert.then(|| returning::start(view, serving.other()))
}

/// No rollout is under way: live is as Git wants it, or a rollout into the idle slot begins.
fn settled(view: View<'_>) -> Decision {
    if let Some(back) = revert(view) {
        return back;
    }
    if let Some(hindrance) = foreign::unusable(view) {
        return blocked(view, hindrance);
    }
    let Some(serving) = view.unanimous() else {
        return foreign::split_without_rollout(view);
    };
    if view.is_unknown(serving) {
        let what = format!("what the {serving} {} runs", view.want.terms.workload());
        return wait(Phase::Preparing, WaitingOn::Unread { what });
    }
    if view.slot(serving).is_desired() {
        return match has_failed(view, serving) {
            true => live::failed_in_place(view, serving),
            false => live::proceed(view, serving),
        };
    }
    let from = view.is_alive(serving).then_some(serving);
    candidate::proceed(view, serving.other(), from)
}
