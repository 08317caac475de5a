//! From what a look ended with to the status that people read. Pure.

use super::look::{Judgement, Look};
use super::ports::Found;
use crate::engine::{Left, SlotStatus, WorkloadStatus};
use crate::model::{
    ApplicationStatus, BySlot, Changes, Condition, ConditionStatus, HealthState, HistoryEntry, LastError,
    Slot, SlotSummary, SyncState, Timestamp, Weights, WorkloadSummary,
};
use crate::plan::Plan;

/// Entries of history that are kept.
const HISTORY: usize = 10;
const DIFFERING: usize = 20;
const WORKLOADS: usize = 50;
/// Characters of a sentence that are kept.
const TEXT: usize = 1_000;

/// The facts of one look.
pub(super) struct Seen<'a> {
    pub look: &'a Look,
    pub judgement: &'a Judgement,
    pub generation: i64,
    /// What was looked at; `None` if it did not come to that.
    pub found: Option<&'a Found>,
    pub started: Timestamp,
    pub now: Timestamp,
    /// What takes the judgement's place as the result in the history: `Superseded`.
    pub result: Option<&'static str>,
}

/// The status after a look.
pub(super) fn status_after(before: &ApplicationStatus, seen: &Seen<'_>) -> ApplicationStatus {
    let judgement = seen.judgement;
    let mut status = before.clone();
    status.observed_generation = seen.generation;
    status.sync = judgement.sync;
    status.health = judgement.health.unwrap_or(before.health);
    status.waiting_for = String::new();
    set_conditions(&mut status, judgement, seen.now);
    if let Look::Synced(synced) = seen.look {
        status.revision.clone_from(&synced.status.commit);
        note_left(&mut status, &synced.status.left);
        status.workloads = synced.status.workloads.iter().take(WORKLOADS).map(workload).collect();
        status.waiting_for = match judgement.ready {
            ConditionStatus::True => String::new(),
            _ => cut(&judgement.message),
        };
    } else if judgement.is_reconciling {
        status.waiting_for = cut(&judgement.message);
    }
    status.last_error = match judgement.ready {
        ConditionStatus::True => None,
        _ if judgement.is_stalled
            || matches!(judgement.reason, "SourceFailed" | "SyncFailed" | "TimedOut" | "Degraded") =>
        {
            let message = cut(&judgement.message);
            // The same error again is the same error.
            let same =
                before.last_error.as_ref().filter(|e| e.reason == judgement.reason && e.message == message);
            let time = same.map_or(seen.now, |error| error.time);
            Some(LastError { reason: judgement.reason.into(), message, time })
        }
        // It got through what failed before; what goes on may fail in the same way again, which is no news then.
        _ if matches!(seen.look, Look::Synced(_)) && !judgement.is_reconciling => None,
        _ => before.last_error.clone(),
    };
    note_history(&mut status, seen);
    status
}

/// Says that a sync which has something to do is under way.
pub(super) fn status_during(status: &mut ApplicationStatus, plan: &Plan, now: Timestamp) {
    note_left(status, &Left::of(plan));
    if !plan.has_changes() {
        return;
    }
    // Whoever resumes it waits for this, and not until a rollout has ended.
    if status.health == HealthState::Suspended {
        status.health = HealthState::Progressing;
    }
    status.sync = SyncState::OutOfSync;
    let undeclared = plan.undeclared().map(|item| format!("; {}: {}", item.document(), item.why));
    let message = cut(&std::iter::once(plan.summary().to_string()).chain(undeclared).collect::<String>());
    let judged = |kind: &str, status| (kind.to_owned(), status, "Syncing", message.clone());
    merge(
        status,
        vec![judged("Ready", ConditionStatus::Unknown), judged("Reconciling", ConditionStatus::True)],
        now,
    );
}

fn set_conditions(status: &mut ApplicationStatus, judgement: &Judgement, now: Timestamp) {
    let reason = judgement.reason;
    let message = cut(&judgement.message);
    let mut wanted = vec![("Ready".to_owned(), judgement.ready, reason, message.clone())];
    if judgement.is_reconciling {
        wanted.push(("Reconciling".into(), ConditionStatus::True, reason, message.clone()));
    }
    if judgement.is_stalled {
        wanted.push(("Stalled".into(), ConditionStatus::True, reason, message));
    }
    merge(status, wanted, now);
}

/// Puts conditions in place of the old ones. The time of a transition stays as long as the status does.
fn merge(
    status: &mut ApplicationStatus,
    wanted: Vec<(String, ConditionStatus, &'static str, String)>,
    now: Timestamp,
) {
    let conditions = wanted.into_iter().map(|(kind, value, reason, message)| {
        let before = status.condition(&kind).filter(|before| before.status == value);
        Condition {
            last_transition_time: before.map_or(now, |before| before.last_transition_time),
            observed_generation: status.observed_generation,
            status: value,
            reason: reason.into(),
            message,
            kind,
        }
    });
    status.conditions = conditions.collect();
}

/// A sync that did something is history, and so is another result. The same one again is not, also under another commit: in
/// a repository of many, the commits of others would push out one's own.
fn note_history(status: &mut ApplicationStatus, seen: &Seen<'_>) {
    let (Look::Synced(_), Some(found)) = (seen.look, seen.found) else { return };
    let result = seen.result.unwrap_or(seen.judgement.reason);
    // It goes on at once, or with the next controller.
    if result == "Stopped" {
        return;
    }
    if let Some(newest) = status.history.first().filter(|entry| entry.result == result) {
        let is_another_sync = result == "Synced" || newest.revision != found.commit;
        if !(seen.look.did_something() && is_another_sync) {
            return;
        }
    }
    let entry = HistoryEntry {
        revision: found.commit.clone(),
        summary: found.summary.chars().filter(|c| !c.is_control()).take(120).collect(),
        result: result.into(),
        message: if result == "Synced" { String::new() } else { cut(&seen.judgement.message) },
        started: seen.started,
        ended: seen.now,
    };
    status.history.insert(0, entry);
    status.history.truncate(HISTORY);
}

fn note_left(status: &mut ApplicationStatus, left: &Left) {
    let Left { summary, documents } = left;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    status.changes = Changes {
        create: number(summary.create),
        update: number(summary.update + summary.replace + summary.adopt),
        prune: number(summary.prune),
        blocked: number(summary.blocked),
    };
    status.differing = documents.iter().take(DIFFERING).cloned().collect();
}

fn workload(workload: &WorkloadStatus) -> WorkloadSummary {
    let weights = workload.rules.first().map(|rule| rule.weights);
    WorkloadSummary {
        name: workload
            .document
            .split_once('/')
            .map_or(workload.document.as_str(), |(_, name)| name)
            .to_owned(),
        phase: workload.phase.map_or_else(|| "unread".into(), |phase| phase.to_string()),
        waiting_for: cut(workload.waiting_on.as_deref().unwrap_or_default()),
        slots: workload.slots.as_ref().map(|slots| slot_summaries(slots, weights)),
    }
}

/// Both slots, with the percent of requests that each gets.
pub(super) fn slot_summaries(slots: &BySlot<SlotStatus>, weights: Option<Weights>) -> BySlot<SlotSummary> {
    BySlot::from_fn(|slot: Slot| {
        let seen = slots.get(slot);
        SlotSummary {
            role: seen.role.to_string(),
            revision: seen.revision.clone(),
            weight: weights.map_or(0, |weights| weights.share_percent(slot)),
            running: seen.running,
            desired: seen.desired,
            healthy_targets: seen.targets.healthy,
            unhealthy_targets: seen.targets.unhealthy,
        }
    })
}

/// The beginning of a text: a status is bounded.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
