//! Task definitions: families of numbered revisions, answered with what ECS adds to them.

use super::container::{Program, check, fill, program_of};
use super::shapes::conform;
use super::sizes::fargate_has;
use super::tags::{read_tags, show_tags};
use super::{page, seconds};
use crate::simulator::Millis;
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One revision. `body` is what was registered, with ECS's defaults.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct TaskDefinition {
    pub arn: String,
    pub family: String,
    pub revision: u32,
    pub active: bool,
    pub body: Map<String, Value>,
    pub program: Arc<Program>,
    registered_at: Millis,
    deregistered_at: Option<Millis>,
}

impl TaskDefinition {
    pub fn text(&self, field: &str) -> &str {
        self.body.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn containers(&self) -> impl Iterator<Item = &Value> {
        self.body.get("containerDefinitions").and_then(Value::as_array).into_iter().flatten()
    }

    pub fn supports(&self, launch_type: &str) -> bool {
        compatibilities(&self.body).contains(&launch_type)
    }
}

/// All revisions of a family; numbers are never used twice.
#[derive(Clone, Debug, Default)]
pub(in crate::simulator) struct Family {
    pub last: u32,
    pub revisions: BTreeMap<u32, Arc<TaskDefinition>>,
    pub tags: BTreeMap<u32, Tags>,
}

pub(super) fn register(state: &mut State, input: Input) -> Answer {
    let mut body = conform("RegisterTaskDefinition", input.0)?;
    let tags = read_tags(input, "tags")?;
    body.remove("tags");
    check(&body)?;
    fill(&mut body)?;
    let name = body.get("family").and_then(Value::as_str).unwrap_or_default().to_string();
    let program = Arc::new(program_of(&body));
    let revision = state.families.get(&name).map_or(0, |family| family.last) + 1;
    let definition = Arc::new(TaskDefinition {
        arn: state.arn("ecs", &format!("task-definition/{name}:{revision}")),
        family: name.clone(),
        revision,
        active: true,
        body,
        program,
        registered_at: state.now,
        deregistered_at: None,
    });
    let shown = render(state, &definition);
    let family = state.families.entry(name).or_default();
    family.last = revision;
    family.revisions.insert(revision, definition);
    family.tags.insert(revision, tags.clone());
    let mut answer = json!({"taskDefinition": shown});
    if !tags.is_empty() {
        answer["tags"] = show_tags(&tags);
    }
    Ok(answer)
}

/// The revision that `family`, `family:revision` or an ARN names; a family alone means its newest active revision.
pub(super) fn resolve<'a>(state: &'a State, reference: &str) -> Option<&'a Arc<TaskDefinition>> {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    match name.split_once(':') {
        Some((family, revision)) => state.families.get(family)?.revisions.get(&revision.parse().ok()?),
        None => state.families.get(name)?.revisions.values().rev().find(|revision| revision.active),
    }
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let found = resolve(state, input.need("taskDefinition")?);
    let definition = found.ok_or_else(|| ApiError::client("Unable to describe task definition."))?;
    let mut answer = json!({"taskDefinition": render(state, definition)});
    if input.texts("include").contains(&"TAGS") {
        let tags =
            state.families.get(&definition.family).and_then(|family| family.tags.get(&definition.revision));
        answer["tags"] = tags.map(show_tags).unwrap_or(json!([]));
    }
    Ok(answer)
}

pub(super) fn deregister(state: &mut State, input: Input) -> Answer {
    let reference = input.need("taskDefinition")?;
    if !reference.rsplit('/').next().is_some_and(|name| name.contains(':')) {
        return Err(ApiError::client("Revision is missing."));
    }
    let missing = || ApiError::client("The specified task definition does not exist.");
    let (family, revision) =
        resolve(state, reference).map(|d| (d.family.clone(), d.revision)).ok_or_else(missing)?;
    let now = state.now;
    let found = state.families.get_mut(&family).and_then(|family| family.revisions.get_mut(&revision));
    let definition = Arc::make_mut(found.ok_or_else(missing)?);
    definition.active = false;
    definition.deregistered_at.get_or_insert(now);
    let definition = definition.clone();
    Ok(json!({"taskDefinition": render(state, &definition)}))
}

pub(super) fn list(state: &State, input: Input) -> Answer {
    let (prefix, status) = (input.text("familyPrefix"), input.text("status").unwrap_or("ACTIVE"));
    let families =
        state.families.iter().filter(|(name, _)| prefix.is_none_or(|prefix| prefix == name.as_str()));
    let revisions = families.flat_map(|(_, family)| family.revisions.values());
    let mut items: Vec<(String, String)> = revisions
        .filter(|definition| definition.active == (status == "ACTIVE"))
        .map(|definition| (format!("{}:{}", definition.family, definition.revision), definition.arn.clone()))
        .collect();
    if input.text("sort") == Some("DESC") {
        items.reverse();
    }
    let (arns, next) = page(input, items, 100)?;
    let mut answer = json!({"taskDefinitionArns": arns});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

fn compatibilities(body: &Map<String, Value>) -> Vec<&'static str> {
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let sized = match (text("cpu").and_then(|c| c.parse().ok()), text("memory").and_then(|m| m.parse().ok()))
    {
        (Some(cpu), Some(memory)) => fargate_has(cpu, memory),
        _ => false,
    };
    if text("networkMode") == Some("awsvpc") && sized {
        vec!["EC2", "FARGATE"]
    } else {
        vec!["EXTERNAL", "EC2"]
    }
}

fn render(state: &State, definition: &TaskDefinition) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
    put("taskDefinitionArn", json!(definition.arn));
    for (name, value) in &definition.body {
        put(name, value.clone());
    }
    put("revision", json!(definition.revision));
    put("status", json!(if definition.active { "ACTIVE" } else { "INACTIVE" }));
    let logging = definition.containers().any(|container| !container["logConfiguration"].is_null());
    let mut attributes = vec![json!({"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"})];
    if logging {
        attributes.push(json!({"name": "com.amazonaws.ecs.capability.logging-driver.awslogs"}));
    }
    if definition.text("networkMode") == "awsvpc" {
        attributes.push(json!({"name": "ecs.capability.task-eni"}));
    }
    put("requiresAttributes", json!(attributes));
    put("compatibilities", json!(compatibilities(&definition.body)));
    put("registeredAt", json!(seconds(definition.registered_at)));
    put("registeredBy", json!(format!("arn:aws:iam::{}:user/simulator", state.settings.account)));
    if let Some(at) = definition.deregistered_at {
        put("deregisteredAt", json!(seconds(at)));
    }
    Value::Object(shown)
}
