//! Applications of this program, which another one's documents hold.

use super::fields::{clean, condition, number, text};
use super::report::{failed, healthy, progressing, suspended};
use crate::model::{HealthReport, is_commit_id};
use serde_json::Value;

/// Its own condition `Ready` says all, once its controller has seen the present spec. Where the spec names a whole commit,
/// that has to be the one which was synced.
pub(super) fn application(object: &Value) -> HealthReport {
    let (seen, present) =
        (number(object, "/status/observedGeneration"), number(object, "/metadata/generation"));
    if seen.is_none() || seen != present {
        return progressing("no controller has looked at it as it is now");
    }
    let Some(ready) = condition(object, "Ready").filter(|ready| !ready.is_old) else {
        return progressing("its controller has not judged it yet");
    };
    let wanted = text(object, "/spec/source/targetRevision").filter(|revision| is_commit_id(revision));
    if wanted.is_some_and(|wanted| text(object, "/status/revision") != Some(wanted)) {
        return progressing("the commit that it names is not synced yet");
    }
    let says = || clean(&format!("{}: {}", ready.reason, ready.message));
    match (ready.status, ready.reason) {
        ("True", _) => healthy(),
        (_, "Suspended") => suspended("is suspended"),
        // Neither becomes better by waiting, and what comes after it can't rely on it.
        (_, "RolloutFailed") => failed(says()),
        _ if condition(object, "Stalled").is_some_and(|stalled| stalled.holds()) => failed(says()),
        _ => progressing(says()),
    }
}
