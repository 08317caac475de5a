//! Pods that are declared by themselves.

use super::fields::{clean, condition, text};
use super::pod_causes::pod_causes;
use super::report::{failed, healthy, progressing};
use crate::model::{Health, HealthReport};
use serde_json::Value;

/// A pod that is to be started again is at rest when it is ready; one that runs once, when it has ended well. A failed
/// pod stays failed: nothing replaces it.
pub(super) fn pod(object: &Value) -> HealthReport {
    let causes = || pod_causes(object, "", None);
    match text(object, "/status/phase") {
        Some("Succeeded") => return healthy(),
        Some("Failed") => {
            let why: Vec<String> = causes().into_iter().map(|cause| cause.text).collect();
            let why = if why.is_empty() { "failed".to_owned() } else { why.join("; ") };
            return failed(why);
        }
        _ => {}
    }
    let runs_once = matches!(text(object, "/spec/restartPolicy"), Some("Never" | "OnFailure"));
    if !runs_once && condition(object, "Ready").is_some_and(|ready| ready.holds()) {
        return healthy();
    }
    match causes().into_iter().max_by_key(|cause| cause.is_final) {
        Some(cause) if cause.is_final => failed(cause.text),
        Some(cause) => HealthReport { health: Health::Progressing, message: cause.text, is_final: false },
        None if runs_once => progressing("has not ended yet"),
        None => {
            let ready = condition(object, "Ready").map(|ready| ready.sentence());
            progressing(ready.filter(|said| !said.is_empty()).unwrap_or_else(|| clean("is not ready yet")))
        }
    }
}
