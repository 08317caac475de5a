//! Deployments, ReplicaSets, StatefulSets and DaemonSets.

use super::fields::{condition, count, flag, number, text};
use super::report::{degraded, failed, healthy, healthy_but, progressing, suspended};
use super::untouched;
use crate::model::HealthReport;
use serde_json::Value;

const CONTROLLER: &str = "the controller manager";

/// The rules of `kubectl rollout status`: all pods updated, no old one left, all available. The live spec's count is
/// asked for, not the document's: an autoscaler may have set it.
pub(super) fn deployment(object: &Value) -> HealthReport {
    if flag(object, "/spec/paused") {
        return suspended("is paused");
    }
    if let Some(report) = untouched(object, CONTROLLER) {
        return report;
    }
    if let Some(progress) = condition(object, "Progressing").filter(|c| c.status == "False") {
        let Some(state) = pods_behind(object) else { return healthy() };
        // ReplicaSetCreateError also comes as False, and the controller tries that again.
        if progress.reason == "ProgressDeadlineExceeded" {
            let seconds = number(object, "/spec/progressDeadlineSeconds").unwrap_or(600);
            return failed(format!("{state}, and no progress for {seconds} s"));
        }
        return degraded(format!("{state}; {}", progress.sentence()));
    }
    match pods_behind(object) {
        Some(state) => replica_failure(object).unwrap_or_else(|| progressing(state)),
        None => healthy(),
    }
}

/// What a Deployment's pods still lack.
fn pods_behind(object: &Value) -> Option<String> {
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let (there, updated) = (count(object, "/status/replicas"), count(object, "/status/updatedReplicas"));
    let available = count(object, "/status/availableReplicas");
    if updated < wanted {
        Some(format!("{updated} of {wanted} pods updated"))
    } else if there > updated {
        Some(format!("{} of the old pods left to go", there - updated))
    } else if available < updated {
        Some(format!("{available} of {updated} pods available"))
    } else {
        None
    }
}

/// Pods that could not even be made: a quota, an admission rule. Either may be lifted without a new document.
fn replica_failure(object: &Value) -> Option<HealthReport> {
    let failure = condition(object, "ReplicaFailure").filter(|c| c.holds())?;
    Some(degraded(format!("pods cannot be made: {}", failure.sentence())))
}

pub(super) fn replica_set(object: &Value) -> HealthReport {
    if let Some(report) = untouched(object, CONTROLLER) {
        return report;
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let (there, available) = (count(object, "/status/replicas"), count(object, "/status/availableReplicas"));
    if available < wanted {
        let waiting = || progressing(format!("{available} of {wanted} pods available"));
        return replica_failure(object).unwrap_or_else(waiting);
    }
    if there > wanted { progressing(format!("{} pods too many", there - wanted)) } else { healthy() }
}

/// A rolling update is over when the controller makes the update revision the current one, which it does once all pods
/// are of it and ready. A partition stops it before that, and `OnDelete` leaves the pods to people: both are at rest
/// when the pods that are there are ready.
pub(super) fn stateful_set(object: &Value) -> HealthReport {
    if let Some(report) = untouched(object, CONTROLLER) {
        return report;
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let (there, updated) = (count(object, "/status/replicas"), count(object, "/status/updatedReplicas"));
    let ready = count(object, "/status/readyReplicas");
    // Counts minReadySeconds in; servers before 1.25 may leave it out.
    let available = number(object, "/status/availableReplicas").unwrap_or(ready);
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition");
    let on_delete = text(object, "/spec/updateStrategy/type") == Some("OnDelete");
    let due = if on_delete { 0 } else { wanted.saturating_sub(partition) };
    let (current, update) = (text(object, "/status/currentRevision"), text(object, "/status/updateRevision"));
    if updated < due {
        return progressing(format!("{updated} of {due} pods updated"));
    }
    if available < wanted {
        return progressing(format!("{available} of {wanted} pods available"));
    }
    if there > wanted {
        return progressing(format!("{} pods too many", there - wanted));
    }
    let kept = wanted.saturating_sub(updated);
    if on_delete && kept > 0 {
        return healthy_but(format!("{kept} pods stay as they were until somebody deletes them (OnDelete)"));
    }
    if partition > 0 && kept > 0 {
        return healthy_but(format!("{kept} pods stay as they were (partition {partition})"));
    }
    if !on_delete && partition == 0 && current != update {
        return progressing("its new revision is not the current one yet");
    }
    healthy()
}

pub(super) fn daemon_set(object: &Value) -> HealthReport {
    if let Some(report) = untouched(object, CONTROLLER) {
        return report;
    }
    let wanted = count(object, "/status/desiredNumberScheduled");
    let updated = count(object, "/status/updatedNumberScheduled");
    let available = count(object, "/status/numberAvailable");
    let on_delete = text(object, "/spec/updateStrategy/type") == Some("OnDelete");
    if wanted == 0 {
        return healthy_but("no node is to run it");
    }
    if updated < wanted && !on_delete {
        return progressing(format!("{updated} of {wanted} pods updated"));
    }
    if available < wanted {
        return progressing(format!("{available} of {wanted} pods available"));
    }
    if updated < wanted {
        let kept = wanted - updated;
        return healthy_but(format!("{kept} pods stay as they were until somebody deletes them (OnDelete)"));
    }
    healthy()
}
