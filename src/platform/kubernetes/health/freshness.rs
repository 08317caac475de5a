//! What a watch shows may be older than what an apply has answered.

use super::fields::{number, text};
use serde_json::Value;
use std::borrow::Cow;

/// True if `seen` is at least as new as `applied`, the answer of an apply.
///
/// The generation must have been reached, where the kind counts one; that alone says nothing of a change of labels, or
/// of kinds without a generation, so resource versions are compared as well. They are documented to be comparable as
/// numbers since Kubernetes 1.35, and the API server itself has relied on it for its own storage before. Where one is no
/// number (some aggregated APIs), the generation has to do.
pub fn is_fresh(seen: &Value, applied: &Value) -> bool {
    let (have, want) = (number(seen, "/metadata/generation"), number(applied, "/metadata/generation"));
    let version = |object| text(object, "/metadata/resourceVersion");
    let newer = at_least(version(seen).unwrap_or_default(), version(applied).unwrap_or_default());
    if text(seen, "/metadata/uid") != text(applied, "/metadata/uid") {
        // Deleted and made anew: by us before the apply, or by somebody else after it.
        return newer == Some(true);
    }
    let is_reached = have >= want;
    match newer {
        Some(newer) => newer && is_reached,
        None => version(seen) == version(applied) || want.is_some() && is_reached,
    }
}

/// Compares two decimal numbers of any length; `None` if one is none.
fn at_least(seen: &str, applied: &str) -> Option<bool> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(seen) || !is_number(applied) {
        return None;
    }
    let bare = |text: &str| text.trim_start_matches('0').to_owned();
    let (seen, applied) = (bare(seen), bare(applied));
    Some((seen.len(), seen) >= (applied.len(), applied))
}

/// `seen` without the verdicts that already stood there when the apply was answered and its change was not seen yet.
///
/// A Deployment that failed and is then reverted keeps `ProgressDeadlineExceeded` for a moment under the new
/// `observedGeneration`; taken at its word, the revert would have failed before it began.
pub fn without_old_verdicts<'a>(seen: &'a Value, applied: &Value) -> Cow<'a, Value> {
    let generation = number(applied, "/metadata/generation");
    if generation.is_none() || number(applied, "/status/observedGeneration") == generation {
        return Cow::Borrowed(seen);
    }
    let before = applied.pointer("/status/conditions").and_then(Value::as_array);
    let is_old_verdict = |condition: &Value| {
        let is = |kind: &str, status: &str| {
            condition.get("type").and_then(Value::as_str) == Some(kind)
                && condition.get("status").and_then(Value::as_str) == Some(status)
        };
        (is("Progressing", "False") || is("Stalled", "True"))
            && before.is_some_and(|before| before.contains(condition))
    };
    let now = seen.pointer("/status/conditions").and_then(Value::as_array);
    if !now.is_some_and(|now| now.iter().any(is_old_verdict)) {
        return Cow::Borrowed(seen);
    }
    let mut rest = seen.clone();
    if let Some(Value::Array(conditions)) = rest.pointer_mut("/status/conditions") {
        conditions.retain(|condition| !is_old_verdict(condition));
    }
    Cow::Owned(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Health;
    use serde_json::json;

    fn at(uid: &str, generation: Option<u64>, version: &str) -> Value {
        json!({"metadata": {"uid": uid, "generation": generation, "resourceVersion": version}})
    }

    #[test]
    fn an_object_is_fresh_when_generation_and_version_reached_the_applys_answer() {
        let applied = at("a", Some(3), "100");
        for (seen, fresh) in [
            (at("a", Some(3), "100"), true),
            (at("a", Some(3), "1000"), true),
            (at("a", Some(4), "101"), true),
            (at("a", Some(3), "99"), false),
            (at("a", Some(2), "99"), false),
            (at("b", Some(1), "101"), true),
            (at("b", Some(9), "99"), false),
        ] {
            assert_eq!(is_fresh(&seen, &applied), fresh, "{seen}");
        }
        let counted = at("a", None, "100");
        assert!(is_fresh(&at("a", None, "100"), &counted) && is_fresh(&at("a", None, "101"), &counted));
        assert!(!is_fresh(&at("a", None, "99"), &counted));
    }

    #[test]
    fn opaque_versions_are_never_put_in_an_order() {
        let applied = at("a", Some(3), "x9");
        assert!(is_fresh(&at("a", Some(3), "x1"), &applied));
        assert!(!is_fresh(&at("a", Some(2), "x9z"), &applied));
        assert!(!is_fresh(&at("a", None, "y"), &at("a", None, "x")));
        assert!(is_fresh(&at("a", None, "x"), &at("a", None, "x")));
    }

    #[test]
    fn the_failure_of_what_was_there_before_is_not_the_failure_of_a_revert() {
        let failure = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "lastUpdateTime": "2026-01-01T00:00:00Z"});
        let deployment = |generation: u64, seen: u64, condition: &Value| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": generation},
                "spec": {"replicas": 2},
                "status": {"observedGeneration": seen, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 1,
                    "conditions": [condition]}})
        };
        let applied = deployment(5, 4, &failure);
        let seen = deployment(5, 5, &failure);
        assert_eq!(super::super::assess(&seen).health, Health::Degraded);
        let report = super::super::assess(&without_old_verdicts(&seen, &applied));
        assert_eq!((report.health, report.is_final), (Health::Progressing, false));

        let mut again = failure.clone();
        again["lastUpdateTime"] = json!("2026-01-01T00:10:00Z");
        let report =
            super::super::assess(&without_old_verdicts(&deployment(5, 5, &again), &applied)).is_final;
        assert!(report, "a failure after the apply counts");
        let unchanged = deployment(5, 5, &failure);
        assert!(super::super::assess(&without_old_verdicts(&unchanged, &unchanged)).is_final);
    }
}
