//! What a document's content is called.

use super::normalise::canonical;
use crate::model::{Kind, RevisionId};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Fields of a service that say who it is or how many, not what its tasks are.
const NOT_CONTENT: [&str; 3] = ["desiredCount", "tags", "taskDefinition"];

/// Letters of a [`RevisionId`].
const REVISION_DIGITS: usize = 16;

/// The SHA-256 (64 hex digits) of a TaskDefinition's normal form: equal for documents that differ only in defaults,
/// order and spelling. Our own and AWS's tags are left out, so a described revision hashes like its document.
pub fn content_hash(task_definition_spec: &Value) -> String {
    sha256(&["task-definition", &canonical(Kind::TaskDefinition, task_definition_spec)])
}

/// Names what a slot runs. `task_definition` is a [`content_hash`], or the ARN or `family:revision` of a revision that
/// Git has no document for; `service_spec` is the document's spec as declared, not as it is made for a slot. The number
/// of tasks, tags and the name do not count.
pub fn revision_id(task_definition: &str, service_spec: &Value) -> RevisionId {
    let short = task_definition.rsplit_once("task-definition/").map_or(task_definition, |(_, name)| name);
    let mut spec = service_spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|name, _| !NOT_CONTENT.contains(&name.as_str()));
    }
    let mut digits = sha256(&["revision", short, &canonical(Kind::Service, &spec)]);
    digits.truncate(REVISION_DIGITS);
    RevisionId(digits)
}

fn sha256(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_described_revision_hashes_like_its_document() {
        let document = json!({"family": "web", "cpu": "1 vCPU", "networkMode": "awsvpc", "containerDefinitions": [
            {"name": "app", "image": "web:1", "portMappings": [{"containerPort": 8080}],
             "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}]});
        let described = json!({"taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/web:3", "revision": 3,
            "status": "ACTIVE", "family": "web", "cpu": "1024", "networkMode": "awsvpc", "volumes": [],
            "placementConstraints": [], "compatibilities": ["EC2", "FARGATE"],
            "tags": [{"key": "cutover.dev/content", "value": "x"}, {"key": "aws:stack", "value": "y"}],
            "containerDefinitions": [
            {"environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "essential": true, "cpu": 0,
             "name": "app", "image": "web:1", "mountPoints": [], "volumesFrom": [],
             "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]}]});
        assert_eq!(content_hash(&document), content_hash(&described));
        assert_eq!(content_hash(&document).len(), 64);
    }

    #[test]
    fn a_revision_is_named_by_tasks_and_service_without_count_tags_and_name() {
        let id = |task_definition, spec| revision_id(task_definition, &spec);
        let base = id("abc", json!({"serviceName": "web", "launchType": "FARGATE"}));
        let same = json!({"serviceName": "shop", "launchType": "FARGATE", "desiredCount": 3, "loadBalancers": [],
            "tags": [{"key": "team", "value": "a"}], "schedulingStrategy": "REPLICA"});
        assert_eq!(base, id("abc", same));
        assert_eq!(base.0.len(), 16);
        assert_ne!(base, id("abd", json!({"serviceName": "web", "launchType": "FARGATE"})));
        assert_ne!(base, id("abc", json!({"serviceName": "web", "launchType": "EC2"})));
        let arn = "arn:aws:ecs:eu-central-1:1:task-definition/web:3";
        assert_eq!(id(arn, json!({})), id("web:3", json!({})));
    }

    #[test]
    fn content_hash_is_the_same_in_every_version_of_the_program() {
        // Tags on live revisions carry it: another value here means that everything is registered anew.
        let spec = json!({"family": "web", "containerDefinitions": [{"name": "app", "image": "web:1"}]});
        insta::assert_snapshot!(content_hash(&spec), @r"167f3dbf61d61eba8a6b4459ca95bcc5d4a435c534c669052ee719d35424f966");
    }
}
