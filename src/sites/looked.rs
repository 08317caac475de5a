//! What was last seen of an application on AWS, as numbers: two that are alike need not be looked at.

use crate::rollout::RuleObservation;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Fields of a service that change by themselves, or that only tell how it came about.
const RESTLESS: [&str; 9] = [
    "events",
    "runningCount",
    "pendingCount",
    "deployments",
    "taskSets",
    "currentServiceDeployment",
    "currentServiceRevisions",
    "createdAt",
    "createdBy",
];

/// Services by name and rules by ARN; `None`: known to be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    pub services: BTreeMap<String, Option<u64>>,
    pub rules: BTreeMap<String, Option<u64>>,
}

/// The same while a run goes on.
#[derive(Default)]
pub(super) struct Seen(Mutex<Looked>);

impl Seen {
    /// Services as they were read, in place of those that were read before.
    pub fn services(&self, services: impl Iterator<Item = (String, Option<u64>)>) {
        self.looked().services = services.collect();
    }

    /// Rules as they were read or written.
    pub fn rules<'a>(&self, rules: impl Iterator<Item = &'a RuleObservation>) {
        let mark = |rule: &RuleObservation| match rule.fingerprint.is_empty() {
            true => None,
            false => mark_of_rule(&rule.fingerprint),
        };
        self.looked().rules.extend(rules.map(|rule| (rule.id.clone(), mark(rule))));
    }

    /// What was last seen of everything.
    pub fn all(&self) -> Looked {
        self.looked().clone()
    }

    fn looked(&self) -> MutexGuard<'_, Looked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A service as DescribeServices tells it: what it is told to be, its tags, and whether it has come to rest.
pub(super) fn mark_of_service(service: &Value) -> Option<u64> {
    if service.get("status").and_then(Value::as_str) == Some("INACTIVE") {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    for (field, value) in service.as_object().into_iter().flatten() {
        if !RESTLESS.contains(&field.as_str()) {
            (field, value.to_string()).hash(&mut hasher);
        }
    }
    let number = |field| service.get(field).and_then(Value::as_u64).unwrap_or(0);
    (number("runningCount") == number("desiredCount"), number("pendingCount") == 0).hash(&mut hasher);
    let deployments = service.get("deployments").and_then(Value::as_array);
    for deployment in deployments.into_iter().flatten() {
        for field in ["status", "taskDefinition", "rolloutState"] {
            deployment.get(field).and_then(Value::as_str).hash(&mut hasher);
        }
    }
    Some(hasher.finish())
}

/// A rule by its action list's fingerprint.
pub(super) fn mark_of_rule(fingerprint: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    fingerprint.hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_is_another_only_when_something_about_it_matters() {
        let service = || {
            json!({"serviceName": "web", "status": "ACTIVE", "desiredCount": 2, "runningCount": 2, "pendingCount": 0,
                "taskDefinition": "web:1", "events": [], "tags": [{"key": "a", "value": "b"}],
                "deployments": [{"status": "PRIMARY", "taskDefinition": "web:1", "rolloutState": "COMPLETED", "runningCount": 2}]})
        };
        let before = mark_of_service(&service());
        let changed = |pointer: &str, value: Value| {
            let mut other = service();
            *other.pointer_mut(pointer).expect("a field") = value;
            mark_of_service(&other) != before
        };
        assert!(!changed("/events", json!([{"message": "has reached a steady state"}])));
        assert!(!changed("/deployments/0/runningCount", 1.into()));
        assert!(changed("/desiredCount", 3.into()));
        assert!(changed("/runningCount", 1.into()), "a task is missing");
        assert!(changed("/taskDefinition", "web:2".into()));
        assert!(changed("/tags/0/value", "c".into()));
        assert!(changed("/deployments/0/rolloutState", "FAILED".into()));
        assert!(changed("/status", "INACTIVE".into()));
    }
}
