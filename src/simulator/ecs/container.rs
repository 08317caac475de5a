//! What RegisterTaskDefinition refuses and adds, and what a revision's tasks run.

use super::sizes::{cpu_units, fargate_has, memory_mib};
use crate::simulator::wire::ApiError;
use crate::simulator::{Behaviour, release};
use serde_json::{Map, Value, json};

/// What the tasks of a revision run: the first container with a port, or the first.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct Program {
    pub container: String,
    pub image: String,
    pub release: String,
    pub behaviour: Behaviour,
    pub ports: Vec<u16>,
}

pub(super) fn check(body: &Map<String, Value>) -> Result<(), ApiError> {
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
pub(super) fn fill(body: &mut Map<String, Value>) -> Result<(), ApiError> {
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

pub(super) fn program_of(body: &Map<String, Value>) -> Program {
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
