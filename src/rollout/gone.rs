//! A side that is gone, or has no tasks, while rules still send requests to it: all weight goes to the other one, if that
//! once had some.

use super::record::Progress;
use super::view::{View, act};
use super::{Action, Decision, Phase, foreign, returning};
use crate::model::{Slot, Weights};

/// Takes the weight from a slot whose service somebody deleted, or that a rollout has left without tasks and that gets
/// requests since somebody put a rule back. Behind its group nobody answers, so nothing is worse than that; yet only a version that had weight, or has a finished proof, gets it: a service made anew in the empty slot would
/// otherwise serve before its gate. Weights that no note of ours explains are somebody else's. One rule a step.
pub(super) fn evacuate(view: View<'_>) -> Option<Decision> {
    let is_proven = |slot: Slot| view.has_proof(slot) && view.slot(slot).targets.healthy > 0;
    let is_wanted = |slot: Slot| is_proven(slot) && view.slot(slot).is_desired();
    let gone = Slot::BOTH.into_iter().find(|slot| {
        view.has_weight(*slot) && (view.is_gone(*slot) || view.is_empty(*slot) && is_wanted(slot.other()))
    })?;
    let other = gone.other();
    let may_serve = is_proven(other) || foreign::weight_is_ours(view, other);
    if !view.is_alive(other) || !may_serve || view.seen.changed_by_others.is_some() {
        return None;
    }
    if view.has_weight(other) {
        let (rule, _) = view.usable().find(|(_, rule)| !rule.split.weights().all_to(other))?;
        let phase = match is_rolled_out(view, other) {
            true => Phase::Shifting,
            false => Phase::RollingBack,
        };
        let mut actions = intent(view, other);
        actions.push(Action::SetWeights { rule, weights: Weights::percent(other, 100) });
        return Some(act(phase, actions));
    }
    let returns = view.current().is_some_and(|(holder, record)| {
        holder == other && matches!(record.progress, Progress::Returning { .. })
    });
    (!returns).then(|| returning::start(view, other))
}

/// True if a rollout into `slot` is under way: all weight is its last step.
fn is_rolled_out(view: View<'_>, slot: Slot) -> bool {
    view.current().is_some_and(|(holder, record)| holder == slot && record.progress.is_under_way())
}

/// The note that all weight is about to come, where a rollout into `slot` is under way.
fn intent(view: View<'_>, slot: Slot) -> Vec<Action> {
    let Some((_, record)) = view.current().filter(|_| is_rolled_out(view, slot)) else { return vec![] };
    if record.intent.next == Some(100) {
        return vec![];
    }
    let mut record = record.clone();
    record.intent.next = Some(100);
    vec![Action::WriteRecord { slot, record }]
}
