//! Tags of ECS resources.

use crate::simulator::TaskId;
use crate::simulator::queue::ServiceId;
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Value, json};

const TAGS_MAX: usize = 50;

/// Reads and checks a list of tags in a request.
pub(super) fn read_tags(input: Input, field: &str) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in input.list(field) {
        let (key, value) = (tag.text("key").unwrap_or_default(), tag.text("value").unwrap_or_default());
        let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        if key.is_empty() || key.chars().count() > 128 {
            return Err(ApiError::parameter(format!(
                "Tag key '{key}' must have between 1 and 128 characters."
            )));
        }
        if value.chars().count() > 256 {
            return Err(ApiError::parameter(format!(
                "The value of tag '{key}' must have 256 characters at most."
            )));
        }
        if !key.chars().chain(value.chars()).all(allowed) {
            return Err(ApiError::parameter(format!(
                "Tag '{key}' contains characters that are not allowed."
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::parameter("Tag keys must not start with aws:."));
        }
        if tags.insert(key.into(), value.into()).is_some() {
            return Err(ApiError::parameter(format!("Duplicate tag key '{key}'.")));
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    Ok(tags)
}

fn too_many() -> ApiError {
    ApiError::parameter("The maximum number of tags for a resource, 50, would be exceeded.")
}

/// Tags as ECS answers them.
pub(super) fn show_tags(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// A resource that has tags.
enum Owner {
    Cluster(String),
    Service(ServiceId),
    Task(TaskId),
    TaskDefinition(String, u32),
}

fn owner_of(state: &State, arn: &str) -> Result<Owner, ApiError> {
    let invalid = || ApiError::parameter(format!("Invalid ARN: {arn}"));
    let missing = || ApiError::new("ResourceNotFoundException", "The specified resource was not found.");
    let rest = arn.splitn(6, ':').nth(5).ok_or_else(invalid)?;
    let (kind, name) = rest.split_once('/').ok_or_else(invalid)?;
    match kind {
        "cluster" if state.clusters.contains_key(name) => Ok(Owner::Cluster(name.into())),
        "cluster" => Err(ApiError::new("ClusterNotFoundException", "Cluster not found.")),
        "service" => {
            let (cluster, service) = name.split_once('/').ok_or_else(missing)?;
            let id = state.service_names.get(&(cluster.to_string(), service.to_string()));
            let id = id.filter(|id| state.services.get(id).is_some_and(|service| !service.is_inactive()));
            id.map(|id| Owner::Service(*id)).ok_or_else(missing)
        }
        "task" => {
            let task = state.tasks.values().find(|task| task.arn == arn);
            task.map(|task| Owner::Task(task.id)).ok_or_else(missing)
        }
        "task-definition" => {
            let (family, revision) = name.split_once(':').ok_or_else(missing)?;
            let revision: u32 = revision.parse().map_err(|_| missing())?;
            let known = state.families.get(family).is_some_and(|family| family.tags.contains_key(&revision));
            known.then(|| Owner::TaskDefinition(family.into(), revision)).ok_or_else(missing)
        }
        _ => Err(ApiError::parameter(format!("The resource {arn} can't be tagged."))),
    }
}

fn tags_mut<'a>(state: &'a mut State, owner: &Owner) -> Option<&'a mut Tags> {
    match owner {
        Owner::Cluster(name) => state.clusters.get_mut(name).map(|cluster| &mut cluster.tags),
        Owner::Service(id) => state.services.get_mut(id).map(|service| &mut service.tags),
        Owner::Task(id) => state.tasks.get_mut(id).map(|task| &mut task.tags),
        Owner::TaskDefinition(family, revision) => state.families.get_mut(family)?.tags.get_mut(revision),
    }
}

fn tags_of<'a>(state: &'a State, owner: &Owner) -> Option<&'a Tags> {
    match owner {
        Owner::Cluster(name) => state.clusters.get(name).map(|cluster| &cluster.tags),
        Owner::Service(id) => state.services.get(id).map(|service| &service.tags),
        Owner::Task(id) => state.tasks.get(id).map(|task| &task.tags),
        Owner::TaskDefinition(family, revision) => state.families.get(family)?.tags.get(revision),
    }
}

pub(super) fn tag(state: &mut State, input: Input) -> Answer {
    let added = read_tags(input, "tags")?;
    let owner = owner_of(state, input.need("resourceArn")?)?;
    if let Some(tags) = tags_mut(state, &owner) {
        let mut all = tags.clone();
        all.extend(added);
        if all.len() > TAGS_MAX {
            return Err(too_many());
        }
        *tags = all;
    }
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State, input: Input) -> Answer {
    let keys = input.texts("tagKeys");
    let owner = owner_of(state, input.need("resourceArn")?)?;
    if let Some(tags) = tags_mut(state, &owner) {
        tags.retain(|key, _| !keys.contains(&key.as_str()));
    }
    Ok(json!({}))
}

pub(super) fn list(state: &State, input: Input) -> Answer {
    let owner = owner_of(state, input.need("resourceArn")?)?;
    Ok(json!({"tags": tags_of(state, &owner).map(show_tags)}))
}

/// Puts a tag on a resource, whatever its key, if the resource is there.
pub(in crate::simulator) fn put_tag(state: &mut State, arn: &str, key: &str, value: &str) {
    let owner = owner_of(state, arn).ok();
    if let Some(tags) = owner.and_then(|owner| tags_mut(state, &owner)) {
        tags.insert(key.into(), value.into());
    }
}
