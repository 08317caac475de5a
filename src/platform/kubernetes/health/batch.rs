//! Jobs and CronJobs.

use super::fields::{clean, condition, count, flag, number};
use super::report::{failed, healthy, progressing, suspended};
use crate::model::HealthReport;
use serde_json::Value;

/// The conditions decide, never the counts: with retries, indexes and success policies only the controller knows what
/// they amount to. `SuccessCriteriaMet` and `FailureTarget` come before the last pods are gone, the end after.
pub(super) fn job(object: &Value) -> HealthReport {
    let holds = |kind| condition(object, kind).filter(|c| c.holds());
    if holds("Complete").is_some() {
        return healthy();
    }
    if let Some(end) = holds("Failed") {
        return failed(said("failed", end.reason, &end.sentence()));
    }
    if let Some(end) = holds("FailureTarget") {
        return progressing(said("is failing", end.reason, &end.sentence()));
    }
    if flag(object, "/spec/suspend") {
        return suspended("is suspended");
    }
    let wanted = number(object, "/spec/completions").unwrap_or(1);
    let (done, active) = (count(object, "/status/succeeded"), count(object, "/status/active"));
    let mut state = format!("{done} of {wanted} completed, {active} running");
    let (lost, retries) =
        (count(object, "/status/failed"), number(object, "/spec/backoffLimit").unwrap_or(6));
    if lost > 0 {
        state.push_str(&format!(", {lost} failed (given up after {retries} retries)"));
    }
    progressing(state)
}

fn said(verb: &str, reason: &str, sentence: &str) -> String {
    if sentence.is_empty() || sentence == reason {
        return format!("{verb}: {}", clean(reason));
    }
    format!("{verb}: {} ({})", sentence, clean(reason))
}

/// A schedule has nothing to wait for; its Jobs are judged for themselves where they are declared.
pub(super) fn cron_job(object: &Value) -> HealthReport {
    if flag(object, "/spec/suspend") { suspended("is suspended") } else { healthy() }
}
