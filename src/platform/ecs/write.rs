//! What every write to a service has in common.

use super::live::primary;
use super::{Ecs, LiveService};
use crate::aws::{Conduct, EcsOperation};
use crate::diff::Comparison;
use crate::engine::{Trouble, TroubleKind};
use crate::model::marks;
use serde_json::{Map, Value, json};
use std::sync::PoisonError;

const CAPACITY: &str = "capacityProviderStrategy";
const LAUNCH_TYPE: &str = "launchType";

/// On whose behalf something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub application: String,
    /// The commit, for people.
    pub commit: String,
}

impl Ecs {
    /// Puts tags on a service; those that already have the value are left out.
    ///
    /// # Errors
    /// Those of TagResource.
    pub async fn tag_service(&self, service: &LiveService, tags: &[(&str, String)]) -> Result<(), Trouble> {
        let new: Vec<Value> = tags
            .iter()
            .map(|(key, value)| (key, marks::fit(key, value)))
            .filter(|(key, value)| service.tags.get(**key).map(String::as_str) != Some(value))
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.forget_seen();
        let body = json!({"resourceArn": service.arn, "tags": new});
        self.aws.ecs(EcsOperation::TagResource, Conduct::Write, &service.name, &body).await.map(drop)
    }

    /// Takes tags off a service; those that it lacks are left out.
    ///
    /// # Errors
    /// Those of UntagResource.
    pub async fn untag_service(&self, service: &LiveService, keys: &[&str]) -> Result<(), Trouble> {
        let there: Vec<&str> = keys.iter().copied().filter(|key| service.tags.contains_key(*key)).collect();
        if there.is_empty() {
            return Ok(());
        }
        self.forget_seen();
        let body = json!({"resourceArn": service.arn, "tagKeys": there});
        self.aws.ecs(EcsOperation::UntagResource, Conduct::Write, &service.name, &body).await.map(drop)
    }

    pub(super) async fn create(&self, name: &str, mut body: Value) -> Result<(), Trouble> {
        body["cluster"] = self.cluster.clone().into();
        self.forget_seen();
        let created = self.aws.ecs(EcsOperation::CreateService, Conduct::Write, name, &body).await;
        created.map(drop).map_err(|trouble| passing_create(self.or_look_again(&body, trouble)))
    }

    pub(super) async fn update(&self, name: &str, mut body: Value) -> Result<(), Trouble> {
        body["cluster"] = self.cluster.clone().into();
        body["service"] = name.into();
        self.forget_seen();
        let updated = self.aws.ecs(EcsOperation::UpdateService, Conduct::Write, name, &body).await;
        let answer = updated.map_err(|trouble| self.or_look_again(&body, trouble))?;
        let began =
            answer.get("service").and_then(primary).and_then(|primary| primary.get("createdAt")?.as_f64());
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend(began.map(|began| (name.to_owned(), began)));
        Ok(())
    }

    /// A revision that this run has found may be deregistered since: it is looked for again, and registered anew.
    fn or_look_again(&self, body: &Value, trouble: Trouble) -> Trouble {
        let is_gone = matches!(trouble.kind, TroubleKind::Rejected | TroubleKind::Missing)
            && speaks_of_a_revision_that_is_gone(&trouble.message);
        let revision = body.get("taskDefinition").and_then(Value::as_str).unwrap_or_default();
        if !is_gone || !self.forget_revision(revision) {
            return trouble;
        }
        let message =
            format!("{}; {revision} was deregistered meanwhile and is looked for again", trouble.message);
        Trouble { kind: TroubleKind::Transient, message, ..trouble }
    }

    /// True if a description is older than this run's last update of the service: it lacks the deployment that began then.
    pub(super) fn is_stale(&self, service: &LiveService) -> bool {
        let began = primary(&service.json).and_then(|primary| primary.get("createdAt")?.as_f64());
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(&service.name).is_some_and(|sent| began.is_some_and(|began| began < *sent))
    }

    /// Deletes a service together with its tasks, if it bears the application's mark.
    pub(super) async fn delete(&self, application: &str, service: &LiveService) -> Result<(), Trouble> {
        if service.owner() != Some(application) {
            return Err(foreign(application, service));
        }
        self.forget_seen();
        // `force` scales to zero and deletes in one step that cannot be cut in two.
        let body = json!({"cluster": self.cluster, "service": service.name, "force": true});
        self.aws.ecs(EcsOperation::DeleteService, Conduct::Write, &service.name, &body).await.map(drop)
    }
}

/// A service that another application, or nobody, has marked.
pub(super) fn foreign(application: &str, service: &LiveService) -> Trouble {
    let owner = match service.owner() {
        Some(owner) => format!("belongs to application {owner}"),
        None => "bears no ownership mark".to_owned(),
    };
    Trouble {
        kind: TroubleKind::Rejected,
        doing: format!("changing service {}", service.name),
        message: format!("it {owner}; application {application} leaves it alone"),
    }
}

/// ECS has no code of its own for it: `TaskDefinition is inactive`, `TaskDefinition not found.`
fn speaks_of_a_revision_that_is_gone(message: &str) -> bool {
    let words = message.to_ascii_lowercase().replace("task definition", "taskdefinition");
    let gone = ["inactive", "not found", "does not exist", "unable to describe"];
    words.contains("taskdefinition") && gone.into_iter().any(|word| words.contains(word))
}

/// Refusals of CreateService that pass by themselves: the name is still taken (our own lost answer, or a service that
/// drains), or ELB's change of a moment ago has not reached ECS yet.
fn passing_create(mut trouble: Trouble) -> Trouble {
    let passing = ["not idempotent", "still Draining", "does not have an associated load balancer"];
    if trouble.kind == TroubleKind::Rejected && passing.iter().any(|text| trouble.message.contains(text)) {
        trouble.kind = TroubleKind::Transient;
    }
    trouble
}

/// The request for what a comparison found, `desiredCount` and tags aside: only fields that differ.
pub(super) fn update_body(comparison: &Comparison, spec: &Value) -> Map<String, Value> {
    let declared = comparison.update_fields().into_iter();
    let mut body: Map<String, Value> =
        declared.filter_map(|field| Some((field.to_owned(), spec.get(field)?.clone()))).collect();
    if comparison.leaves_capacity_providers() {
        // An empty list goes back to the launch type; UpdateService has no field for that one.
        body.remove(LAUNCH_TYPE);
        body.insert(CAPACITY.into(), json!([]));
    }
    if body.contains_key(CAPACITY) {
        // ECS refuses another strategy without it (UpdateService, `capacityProviderStrategy`).
        body.insert("forceNewDeployment".into(), true.into());
    }
    body
}

/// The spec with these tags added to its own; ours win.
pub(super) fn with_tags(mut spec: Value, ours: &[(&str, String)]) -> Value {
    let mut tags: Vec<Value> = spec
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|tag| !ours.iter().any(|(key, _)| tag.get("key").and_then(Value::as_str) == Some(key)))
        .cloned()
        .collect();
    tags.extend(ours.iter().map(|(key, value)| json!({"key": key, "value": marks::fit(key, value)})));
    spec["tags"] = tags.into();
    spec
}
