//! Tags of load balancers, target groups, listeners and rules.

use super::rule::listener_of_rule;
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Value, json};
use std::sync::Arc;

const TAGS_MAX: usize = 50;

/// Reads and checks the `Tags` of a request.
pub(super) fn read_tags(input: Input) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in input.list("Tags") {
        let (key, value) = (tag.must("Key")?, tag.text("Value").unwrap_or_default());
        let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        if key.chars().count() > 128
            || value.chars().count() > 256
            || !key.chars().chain(value.chars()).all(allowed)
        {
            return Err(ApiError::validation(format!(
                "The tag '{key}' is too long or has characters that are not allowed"
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::validation("Tag keys must not start with aws:"));
        }
        if tags.insert(key.into(), value.into()).is_some() {
            return Err(ApiError::new("DuplicateTagKeys", format!("The tag key '{key}' is given twice")));
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    Ok(tags)
}

fn too_many() -> ApiError {
    ApiError::new("TooManyTags", "A resource can have 50 tags at most")
}

/// The tags of a resource of any kind, by ARN.
fn tags_of<'a>(state: &'a State, arn: &str) -> Result<&'a Tags, ApiError> {
    let kind = arn.splitn(6, ':').nth(5).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let none = |code: &str| ApiError::new(code, format!("'{arn}' not found"));
    match kind {
        "loadbalancer" => {
            state.load_balancers.get(arn).map(|lb| &lb.tags).ok_or_else(|| none("LoadBalancerNotFound"))
        }
        "targetgroup" => {
            state.target_groups.get(arn).map(|group| &group.tags).ok_or_else(|| none("TargetGroupNotFound"))
        }
        "listener" => {
            state.listeners.get(arn).map(|listener| &listener.tags).ok_or_else(|| none("ListenerNotFound"))
        }
        "listener-rule" => {
            let listener = state.listeners.get(&listener_of_rule(arn));
            let rule = listener.and_then(|listener| listener.rules.iter().find(|rule| rule.arn == arn));
            rule.map(|rule| &rule.tags).ok_or_else(|| none("RuleNotFound"))
        }
        _ => {
            Err(ApiError::validation(format!("'{arn}' is not a valid ARN of a resource that can be tagged")))
        }
    }
}

fn set_tags(state: &mut State, arn: &str, tags: Tags) {
    if let Some(lb) = state.load_balancers.get_mut(arn) {
        lb.tags = tags;
    } else if let Some(group) = state.target_groups.get_mut(arn) {
        group.tags = tags;
    } else if let Some(listener) = state.listeners.get_mut(arn) {
        listener.tags = tags;
    } else if let Some(listener) = state.listeners.get_mut(&listener_of_rule(arn))
        && let Some(rule) = Arc::make_mut(&mut listener.rules).iter_mut().find(|rule| rule.arn == arn)
    {
        rule.tags = tags;
    }
}

fn arns<'a>(input: Input<'a>) -> Result<Vec<&'a str>, ApiError> {
    let arns = input.texts("ResourceArns");
    if arns.is_empty() || arns.len() > 20 {
        return Err(ApiError::validation("Between 1 and 20 resource ARNs must be specified"));
    }
    Ok(arns)
}

pub(super) fn add(state: &mut State, input: Input) -> Answer {
    let added = read_tags(input)?;
    let mut changes = vec![];
    for arn in arns(input)? {
        let mut tags = tags_of(state, arn)?.clone();
        tags.extend(added.clone());
        if tags.len() > TAGS_MAX {
            return Err(too_many());
        }
        changes.push((arn, tags));
    }
    for (arn, tags) in changes {
        set_tags(state, arn, tags);
    }
    Ok(json!({}))
}

pub(super) fn remove(state: &mut State, input: Input) -> Answer {
    let keys = input.texts("TagKeys");
    let mut changes = vec![];
    for arn in arns(input)? {
        let mut tags = tags_of(state, arn)?.clone();
        tags.retain(|key, _| !keys.contains(&key.as_str()));
        changes.push((arn, tags));
    }
    for (arn, tags) in changes {
        set_tags(state, arn, tags);
    }
    Ok(json!({}))
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let mut descriptions = vec![];
    for arn in arns(input)? {
        let tags = tags_of(state, arn)?.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
        descriptions.push(json!({"ResourceArn": arn, "Tags": tags.collect::<Vec<Value>>()}));
    }
    Ok(json!({"TagDescriptions": descriptions}))
}

/// Puts a tag on a resource, whatever its key, if the resource is there.
pub(in crate::simulator) fn put_tag(state: &mut State, arn: &str, key: &str, value: &str) {
    if let Ok(mut tags) = tags_of(state, arn).cloned() {
        tags.insert(key.into(), value.into());
        set_tags(state, arn, tags);
    }
}
