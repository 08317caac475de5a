//! Whether a service has settled. Pure.

use super::live::{items, primary, text};
use crate::rollout::Stage;
use serde_json::Value;

/// Where the service's deployment stands. ECS's own waiter (`services-stable`) counts deployments and tasks only, and
/// so passes after a circuit breaker's rollback; this looks at the PRIMARY deployment.
pub(super) fn stage(service: &Value) -> Stage {
    let count = |field| service.get(field).and_then(Value::as_u64);
    let all_run = count("pendingCount") == Some(0)
        && count("runningCount").is_some()
        && count("runningCount") == count("desiredCount");
    let deployments: Vec<&Value> = items(service, "deployments").collect();
    let Some(primary) = primary(service) else {
        let others_deploy = service
            .get("deploymentController")
            .and_then(|c| text(c, "type"))
            .is_some_and(|kind| kind != "ECS");
        return if others_deploy && all_run { Stage::Steady } else { Stage::InProgress };
    };
    let began = |d: &Value| d.get("createdAt").and_then(Value::as_f64).unwrap_or(0.0);
    let went_back = text(primary, "rolloutStateReason").is_some_and(|why| why.contains("rolling back"));
    // A failed deployment that is older than the primary one was superseded; a younger one was rolled back.
    let failed = |d: &Value| text(d, "rolloutState") == Some("FAILED") && began(d) >= began(primary);
    if went_back || deployments.iter().any(|d| failed(d)) {
        return Stage::Failed;
    }
    let completed = text(primary, "rolloutState") == Some("COMPLETED");
    let same = text(primary, "taskDefinition") == text(service, "taskDefinition");
    if completed && same && all_run && deployments.len() == 1 { Stage::Steady } else { Stage::InProgress }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(deployments: Value) -> Value {
        json!({"taskDefinition": "web:3", "desiredCount": 2, "runningCount": 2, "pendingCount": 0,
            "deployments": deployments})
    }

    fn primary(state: &str) -> Value {
        json!({"status": "PRIMARY", "taskDefinition": "web:3", "rolloutState": state})
    }

    #[test]
    fn a_service_is_steady_only_when_its_one_deployment_completed_with_all_tasks() {
        assert_eq!(stage(&service(json!([primary("COMPLETED")]))), Stage::Steady);
        assert_eq!(stage(&service(json!([primary("IN_PROGRESS")]))), Stage::InProgress);
        let active = json!({"status": "ACTIVE", "taskDefinition": "web:2", "rolloutState": "COMPLETED"});
        assert_eq!(stage(&service(json!([primary("COMPLETED"), active]))), Stage::InProgress);
        for (field, value) in [("runningCount", 1), ("pendingCount", 1), ("desiredCount", 3)] {
            let mut changed = service(json!([primary("COMPLETED")]));
            changed[field] = value.into();
            assert_eq!(stage(&changed), Stage::InProgress, "{field}");
        }
        let mut other = service(json!([primary("COMPLETED")]));
        other["taskDefinition"] = "web:4".into();
        assert_eq!(stage(&other), Stage::InProgress);
    }

    #[test]
    fn a_tripped_circuit_breaker_is_a_failure_with_or_without_rollback() {
        assert_eq!(stage(&service(json!([primary("FAILED")]))), Stage::Failed);
        let at = |mut deployment: Value, seconds: f64| {
            deployment["createdAt"] = seconds.into();
            deployment
        };
        let failed = json!({"status": "INACTIVE", "taskDefinition": "web:4", "rolloutState": "FAILED"});
        let rolled_back = json!([at(primary("IN_PROGRESS"), 1.5), at(failed.clone(), 2.5)]);
        assert_eq!(stage(&service(rolled_back)), Stage::Failed);
        let tried_again = json!([at(primary("IN_PROGRESS"), 3.5), at(failed, 2.5)]);
        assert_eq!(stage(&service(tried_again)), Stage::InProgress);
        let mut back = primary("IN_PROGRESS");
        back["rolloutStateReason"] = "ECS deployment circuit breaker: rolling back to deploymentId 1".into();
        assert_eq!(stage(&service(json!([back]))), Stage::Failed);
    }

    #[test]
    fn an_answer_without_deployments_or_counts_is_not_steady() {
        assert_eq!(stage(&json!({})), Stage::InProgress);
        assert_eq!(stage(&service(json!([]))), Stage::InProgress);
        let mut external = service(json!([]));
        external["deploymentController"] = json!({"type": "CODE_DEPLOY"});
        assert_eq!(stage(&external), Stage::Steady);
    }
}
