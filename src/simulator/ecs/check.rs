//! What CreateService and UpdateService refuse.

use super::TaskDefinition;
use super::service::{Registration, registrations};
use super::task_definition::resolve;
use crate::simulator::state::State;
use crate::simulator::wire::ApiError;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The active revision that a request names.
pub(super) fn definition(state: &State, reference: &str) -> Result<Arc<TaskDefinition>, ApiError> {
    let found = resolve(state, reference).ok_or_else(|| ApiError::client("TaskDefinition not found."))?;
    if !found.active {
        return Err(ApiError::client("TaskDefinition is inactive"));
    }
    Ok(Arc::clone(found))
}

/// The fields of a service, as they would be, against its task definition and, if they were sent (`balancers_sent`), the
/// target groups it names.
pub(super) fn spec(
    state: &State,
    spec: &Map<String, Value>,
    definition: &TaskDefinition,
    balancers_sent: bool,
) -> Result<(), ApiError> {
    network(spec, definition)?;
    launch_type(spec, definition)?;
    deployment_configuration(spec)?;
    grace_period(spec)?;
    for side in [0, 1] {
        for registration in load_balancers(spec, side)? {
            container_port(&registration, definition)?;
            if balancers_sent {
                target_group(state, &registration.group, definition)?;
            }
        }
    }
    Ok(())
}

fn grace_period(spec: &Map<String, Value>) -> Result<(), ApiError> {
    let grace = spec.get("healthCheckGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
    if !(0..=2_147_483_647).contains(&grace) {
        return Err(ApiError::parameter("healthCheckGracePeriodSeconds must be between 0 and 2147483647."));
    }
    if grace > 0 && registrations(spec, 0).is_empty() {
        return Err(ApiError::parameter(
            "Health check grace period is only valid for services configured to use load balancers",
        ));
    }
    Ok(())
}

fn network(spec: &Map<String, Value>, definition: &TaskDefinition) -> Result<(), ApiError> {
    let config =
        spec.get("networkConfiguration").map(|n| &n["awsvpcConfiguration"]).filter(|c| c.is_object());
    let awsvpc = definition.text("networkMode") == "awsvpc";
    match config {
        None if awsvpc => Err(ApiError::parameter(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )),
        Some(_) if !awsvpc => Err(ApiError::parameter(
            "Network Configuration is not valid for the given networkMode of this task definition.",
        )),
        Some(config) if config["subnets"].as_array().is_none_or(Vec::is_empty) => {
            Err(ApiError::parameter("subnets can not be empty."))
        }
        _ => Ok(()),
    }
}

fn launch_type(spec: &Map<String, Value>, definition: &TaskDefinition) -> Result<(), ApiError> {
    let launch_type = spec.get("launchType").and_then(Value::as_str).unwrap_or("EC2");
    if !["EC2", "FARGATE", "EXTERNAL"].contains(&launch_type) {
        return Err(ApiError::parameter(format!("Invalid launchType {launch_type}.")));
    }
    let strategy = spec.contains_key("capacityProviderStrategy");
    if strategy && spec.contains_key("launchType") {
        return Err(ApiError::parameter(
            "Specifying both a launch type and capacity provider strategy is not supported.",
        ));
    }
    if launch_type == "FARGATE" && !definition.supports("FARGATE") {
        return Err(ApiError::parameter("Task definition does not support launch_type FARGATE."));
    }
    Ok(())
}

fn deployment_configuration(spec: &Map<String, Value>) -> Result<(), ApiError> {
    let config = spec.get("deploymentConfiguration").unwrap_or(&Value::Null);
    let percent = |name: &str, default: i64| config[name].as_i64().unwrap_or(default);
    let (low, high) = (percent("minimumHealthyPercent", 100), percent("maximumPercent", 200));
    if !(0..=100).contains(&low) || !(100..=200).contains(&high) {
        return Err(ApiError::parameter(
            "minimumHealthyPercent must be between 0 and 100, and maximumPercent between 100 and 200.",
        ));
    }
    if low == 100 && high == 100 {
        return Err(ApiError::parameter(
            "minimumHealthyPercent and maximumPercent can not both be 100: no task could be replaced.",
        ));
    }
    let bakes = [
        &config["bakeTimeInMinutes"],
        &config["canaryConfiguration"]["canaryBakeTimeInMinutes"],
        &config["linearConfiguration"]["stepBakeTimeInMinutes"],
    ];
    if bakes.iter().any(|minutes| minutes.as_i64().is_some_and(|m| !(0..=1_440).contains(&m))) {
        return Err(ApiError::parameter("Bake times must be between 0 and 1440 minutes."));
    }
    match config["strategy"].as_str() {
        None | Some("ROLLING" | "BLUE_GREEN" | "LINEAR" | "CANARY") => Ok(()),
        Some(other) => Err(ApiError::parameter(format!("Invalid deployment strategy {other}."))),
    }
}

fn load_balancers(spec: &Map<String, Value>, side: usize) -> Result<Vec<Registration>, ApiError> {
    let entries = spec.get("loadBalancers").and_then(Value::as_array).map_or(0, Vec::len);
    let registrations = registrations(spec, side);
    if registrations.len() < entries {
        return Err(ApiError::parameter(
            "A load balancer of a service needs targetGroupArn, containerName and containerPort.",
        ));
    }
    Ok(registrations)
}

fn target_group(state: &State, arn: &str, definition: &TaskDefinition) -> Result<(), ApiError> {
    let group = state.target_groups.get(arn);
    let group =
        group.ok_or_else(|| ApiError::parameter(format!("The target group {arn} does not exist.")))?;
    if group.load_balancer.is_none() {
        return Err(ApiError::parameter(format!(
            "The target group with targetGroupArn {arn} does not have an associated load balancer."
        )));
    }
    if definition.text("networkMode") == "awsvpc" && group.target_type != "ip" {
        return Err(ApiError::parameter(format!(
            "The provided target group {arn} has target type {}, which is incompatible with the awsvpc network mode \
             specified in the task definition.",
            group.target_type
        )));
    }
    let mode = definition.text("networkMode");
    if mode != "awsvpc" && group.target_type != "instance" {
        let mode = if mode.is_empty() { "bridge" } else { mode };
        return Err(ApiError::parameter(format!(
            "The provided target group {arn} has target type {}, which is incompatible with the {mode} network mode \
             specified in the task definition.",
            group.target_type
        )));
    }
    Ok(())
}

fn container_port(registration: &Registration, definition: &TaskDefinition) -> Result<(), ApiError> {
    let (name, port) = (&registration.container, registration.port);
    let found = definition.containers().find(|container| container["name"] == name.as_str());
    let container = found.ok_or_else(|| {
        ApiError::parameter(format!("The container {name} does not exist in the task definition."))
    })?;
    let mut ports = container["portMappings"].as_array().into_iter().flatten();
    if !ports.any(|mapping| mapping["containerPort"] == port) {
        return Err(ApiError::parameter(format!(
            "The container {name} did not have a container port {port} defined."
        )));
    }
    Ok(())
}
