//! What a document's content is called.

use super::normalise::{canonical, normal_form};
use crate::model::{Kind, RevisionId, marks};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
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

/// What a task definition contains, as a document declares it or as a revision has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskContent {
    /// The [`content_hash`].
    hash: String,
    /// The same without tags.
    hash_without_tags: String,
    /// The user's, AWS's, and those that others put on a revision.
    tags: BTreeMap<String, String>,
    /// What a revision of ours says that its document's hash was.
    mark: Option<String>,
}

impl TaskContent {
    /// Of a document's spec, or of a revision as described, its `tags` put beside the other fields.
    pub fn of(task_definition: &Value) -> TaskContent {
        let mut bare = task_definition.clone();
        if let Some(fields) = bare.as_object_mut() {
            fields.shift_remove("tags");
        }
        TaskContent {
            hash: content_hash(task_definition),
            hash_without_tags: content_hash(&bare),
            tags: tags_of(&normal_form(Kind::TaskDefinition, task_definition)),
            mark: tags_of(task_definition).remove(marks::CONTENT),
        }
    }

    /// The [`content_hash`].
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// True if a revision that contains `live` is what this document declares. Others put tags on revisions and take them
    /// off (cost taggers, Terraform): what has our mark was made of the document that the mark names, whatever tags it
    /// bears by now; without one only the declared tags count. The mark speaks of tags alone, since it is copied along
    /// when somebody makes a revision of ours into another one.
    pub fn is_had_by(&self, live: &TaskContent) -> bool {
        live.hash == self.hash
            || live.hash_without_tags == self.hash_without_tags
                && match &live.mark {
                    Some(mark) => *mark == self.hash,
                    None => self.tags.iter().all(|(key, value)| live.tags.get(key) == Some(value)),
                }
    }
}

fn tags_of(task_definition: &Value) -> BTreeMap<String, String> {
    let text = |tag: &Value, field| Some(tag.get(field)?.as_str()?.to_owned());
    let tags = task_definition.get("tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| Some((text(tag, "key")?, text(tag, "value").unwrap_or_default()))).collect()
}

/// A revision as described, without the tags that others put on it: those that the document does not declare, unless the
/// revision's mark says that its own document did.
pub(super) fn without_foreign_tags(declared: &Value, live: &Value) -> Value {
    let (mine, content) = (tags_of(declared), TaskContent::of(live));
    let mut own = live.clone();
    if content.mark.as_ref() != Some(&content.hash)
        && let Some(tags) = own.get_mut("tags").and_then(Value::as_array_mut)
    {
        tags.retain(|tag| tag.get("key").and_then(Value::as_str).is_some_and(|key| mine.contains_key(key)));
    }
    own
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

    fn tagged(image: &str, tags: &[(&str, &str)]) -> Value {
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        json!({"family": "web", "containerDefinitions": [{"name": "app", "image": image}], "tags": tags})
    }

    #[test]
    fn tags_of_others_are_no_content_and_a_copied_mark_hides_no_change() {
        let document = TaskContent::of(&tagged("web:1", &[("team", "shop")]));
        let hash = document.hash().to_owned();
        let ours = (marks::CONTENT, hash.as_str());
        for (what, live, want) in [
            ("as registered", tagged("web:1", &[("team", "shop"), ours]), true),
            ("tagged", tagged("web:1", &[("team", "shop"), ours, ("cost", "7"), ("aws:x", "y")]), true),
            ("tagged over", tagged("web:1", &[("team", "other"), ours]), true),
            ("stripped", tagged("web:1", &[ours]), true),
            ("not ours", tagged("web:1", &[("team", "shop"), ("cost", "7")]), true),
            ("not ours, other tags", tagged("web:1", &[("team", "other")]), false),
            ("without tags", tagged("web:1", &[]), false),
            ("a copy with another image", tagged("web:2", &[("team", "shop"), ours]), false),
            (
                "of other tags",
                tagged("web:1", &[("team", "shop"), ("old", "x"), (marks::CONTENT, "0")]),
                false,
            ),
            ("of an older version", tagged("web:1", &[("team", "shop"), (marks::CONTENT, "0")]), true),
        ] {
            assert_eq!(document.is_had_by(&TaskContent::of(&live)), want, "{what}");
        }
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
