//! Task definitions: families of numbered revisions, answered with what ECS adds to them.

use super::shapes::conform;
use super::sizes::{cpu_units, fargate_has, memory_mib};
use super::tags::{read_tags, show_tags};
use super::{page, seconds};
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use crate::simulator::{Behaviour, Millis, release};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the tasks of a revision run: the first container with a port, or the first.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct Program {
    pub container: String,
    pub image: String,
    pub release: String,
    pub behaviour: Behaviour,
    pub ports: Vec<u16>,
}

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

fn check(body: &Map<String, Value>) -> Result<(), ApiError> {
    let family = body.get("family").and_then(Value::as_str).unwrap_or_default();
    let plain = family.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if family.is_empty() || family.len() > 255 || !plain {
        return Err(ApiError::client(
            "Family contains invalid characters, is empty or is longer than 255 characters.",
        ));
    }
    let containers =
        body.get("containerDefinitions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        return Err(ApiError::client("Container list cannot be empty."));
    }
    let task_memory = body.contains_key("memory");
    let mut names = vec![];
    for container in containers {
        let name = container["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err(ApiError::client("Container.name should not be null or empty."));
        }
        if container["image"].as_str().unwrap_or_default().is_empty() {
            return Err(ApiError::client("Container.image should not be null or empty."));
        }
        if names.contains(&name) {
            return Err(ApiError::client(format!(
                "Container definitions contain duplicate container name '{name}'."
            )));
        }
        if !task_memory && container["memory"].is_null() && container["memoryReservation"].is_null() {
            return Err(ApiError::client(format!(
                "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
            )));
        }
        names.push(name);
    }
    if containers.iter().all(|container| container["essential"] == false) {
        return Err(ApiError::client("Task definition does not have any essential containers."));
    }
    let mode = body.get("networkMode").and_then(Value::as_str);
    if mode.is_some_and(|mode| !["bridge", "host", "awsvpc", "none"].contains(&mode)) {
        return Err(ApiError::client("Invalid network mode."));
    }
    let wanted = body.get("requiresCompatibilities").and_then(Value::as_array);
    let fargate = wanted.is_some_and(|list| list.iter().any(|c| c == "FARGATE"));
    if fargate && mode != Some("awsvpc") {
        return Err(ApiError::client("Fargate only supports network mode 'awsvpc'."));
    }
    let size = |name: &str| body.get(name).and_then(Value::as_str);
    let cpu = size("cpu").map(cpu_units).transpose()?;
    let memory = size("memory").map(memory_mib).transpose()?;
    match (cpu, memory) {
        _ if !fargate => Ok(()),
        (None, _) => Err(ApiError::client("Fargate requires that 'cpu' be defined at the task level.")),
        (_, None) => Err(ApiError::client("Fargate requires that 'memory' be defined at the task level.")),
        (Some(cpu), Some(memory)) if fargate_has(cpu, memory) => Ok(()),
        _ => Err(ApiError::client("No Fargate configuration exists for given values.")),
    }
}

/// Adds what ECS adds, and writes sizes as ECS writes them.
fn fill(body: &mut Map<String, Value>) -> Result<(), ApiError> {
    if let Some(cpu) = body.get("cpu").and_then(Value::as_str) {
        body.insert("cpu".into(), json!(cpu_units(cpu)?.to_string()));
    }
    if let Some(memory) = body.get("memory").and_then(Value::as_str) {
        body.insert("memory".into(), json!(memory_mib(memory)?.to_string()));
    }
    let mode = body.get("networkMode").and_then(Value::as_str).unwrap_or("bridge").to_string();
    let containers = body.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
        container.entry("cpu").or_insert(json!(0));
        container.entry("essential").or_insert(json!(true));
        for list in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
            container.entry(list).or_insert(json!([]));
        }
        // ECS keeps no order of these; sorted is as good as any.
        if let Some(environment) = container.get_mut("environment").and_then(Value::as_array_mut) {
            environment.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        }
        let ports = container.get_mut("portMappings").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            let same = port.get("containerPort").cloned().unwrap_or(json!(0));
            let host = if matches!(mode.as_str(), "awsvpc" | "host") { same } else { json!(0) };
            port.entry("hostPort").or_insert(host);
            port.entry("protocol").or_insert(json!("tcp"));
        }
    }
    body.entry("volumes").or_insert(json!([]));
    body.entry("placementConstraints").or_insert(json!([]));
    Ok(())
}

fn program_of(body: &Map<String, Value>) -> Program {
    let containers =
        body.get("containerDefinitions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has_port =
        |container: &&Value| container["portMappings"].as_array().is_some_and(|ports| !ports.is_empty());
    let main = containers.iter().find(has_port).or(containers.first()).unwrap_or(&Value::Null);
    let image = main["image"].as_str().unwrap_or_default().to_string();
    let environment = main["environment"].as_array().into_iter().flatten();
    let told =
        environment.filter(|variable| variable["name"] == "SIM_BEHAVIOUR").find_map(|v| v["value"].as_str());
    let release = release(&image);
    let ports =
        containers.iter().flat_map(|container| container["portMappings"].as_array().into_iter().flatten());
    let ports =
        ports.filter(|port| port["protocol"] != "udp").filter_map(|port| port["containerPort"].as_u64());
    Program {
        container: main["name"].as_str().unwrap_or_default().into(),
        behaviour: Behaviour::parse(told.unwrap_or(&release)),
        ports: ports.filter_map(|port| u16::try_from(port).ok()).collect(),
        release,
        image,
    }
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
