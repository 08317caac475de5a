//! CreateService.

use super::deployment::Deployment;
use super::scheduler::wake;
use super::service::{Service, ServiceStatus};
use super::shapes::conform;
use super::tags::read_tags;
use super::{capacity, check, cluster, describe};
use crate::simulator::queue::ServiceId;
use crate::simulator::state::State;
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

const DESIRED_MAX: i64 = 5_000;

/// Fields that are kept elsewhere than in the service's `spec`.
const NOT_SPEC: [&str; 7] =
    ["cluster", "serviceName", "service", "taskDefinition", "desiredCount", "clientToken", "tags"];

pub(super) fn create(state: &mut State, input: Input) -> Answer {
    let mut sent = conform("CreateService", input.0)?;
    let cluster = cluster::find(state, input)?.name.clone();
    let name = input.need("serviceName")?.to_string();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !plain || name.len() > 255 {
        return Err(ApiError::parameter("Invalid service name."));
    }
    let token = input.text("clientToken").map(String::from);
    if token.as_deref().is_some_and(|token| token.len() > 36) {
        return Err(ApiError::parameter("clientToken must have 36 characters at most."));
    }
    let tags = read_tags(input, "tags")?;
    let key = (cluster.clone(), name.clone());
    if let Some(answer) = existing(state, &key, token.as_deref()) {
        return answer;
    }
    let definition = check::definition(state, input.need("taskDefinition")?)?;
    let daemon = input.text("schedulingStrategy") == Some("DAEMON");
    let desired = match input.number("desiredCount") {
        None if daemon => 1,
        Some(count) if (0..=DESIRED_MAX).contains(&count) => count as usize,
        _ => return Err(ApiError::parameter("desiredCount must be specified, between 0 and 5000.")),
    };
    sent.retain(|field, _| !NOT_SPEC.contains(&field.as_str()));
    capacity::fill_new(&mut sent, cluster::find(state, input)?);
    fill(&mut sent);
    check::spec(state, &sent, &definition, true)?;
    let spec = Arc::new(sent);
    let id = ServiceId(state.fresh());
    let deployment = Deployment::new(state.fresh(), definition, Arc::clone(&spec), state.now);
    let service = Service {
        id,
        arn: state.arn("ecs", &format!("service/{cluster}/{name}")),
        name,
        cluster,
        status: ServiceStatus::Active,
        spec,
        desired,
        deployments: vec![deployment],
        events: VecDeque::new(),
        tasks: BTreeSet::new(),
        created_at: state.now,
        tags,
        steady: false,
        wake_at: None,
        completed: None,
    };
    if let Some(old) = state.service_names.insert(key, id) {
        state.services.remove(&old);
    }
    if let Some(token) = token {
        state.client_tokens.insert(token, id);
    }
    state.services.insert(id, service);
    wake(state, id, state.settings.scheduler_delay_ms);
    Ok(json!({"service": describe::render(state, &state.services[&id], true)}))
}

/// The answer where there is a service of this name already, unless it is INACTIVE.
fn existing(state: &State, key: &(String, String), token: Option<&str>) -> Option<Answer> {
    let service = state.services.get(state.service_names.get(key)?)?;
    let same = token.and_then(|token| state.client_tokens.get(token)) == Some(&service.id);
    match service.status {
        ServiceStatus::Inactive => None,
        ServiceStatus::Active if same => Some(Ok(json!({"service": describe::render(state, service, true)}))),
        ServiceStatus::Active => Some(Err(ApiError::parameter("Creation of service was not idempotent."))),
        ServiceStatus::Draining => {
            Some(Err(ApiError::parameter("Unable to Start a service that is still Draining.")))
        }
    }
}

/// Adds what ECS adds to a new service.
fn fill(spec: &mut Map<String, Value>) {
    let fargate = spec.get("launchType").is_some_and(|kind| kind == "FARGATE");
    let mut default = |name: &str, value: Value| {
        spec.entry(name).or_insert(value);
    };
    default("loadBalancers", json!([]));
    default("serviceRegistries", json!([]));
    default("placementConstraints", json!([]));
    default("placementStrategy", json!([]));
    default("schedulingStrategy", json!("REPLICA"));
    default("deploymentController", json!({"type": "ECS"}));
    default("enableECSManagedTags", json!(false));
    default("propagateTags", json!("NONE"));
    default("enableExecuteCommand", json!(false));
    default("availabilityZoneRebalancing", json!("ENABLED"));
    default("deploymentConfiguration", json!({}));
    if fargate {
        default("platformVersion", json!("LATEST"));
    }
    if spec["loadBalancers"].as_array().is_some_and(|list| !list.is_empty()) {
        spec.entry("healthCheckGracePeriodSeconds").or_insert(json!(0));
    }
    fill_nested(spec);
}

/// Adds what ECS adds inside the deployment and network configuration.
pub(super) fn fill_nested(spec: &mut Map<String, Value>) {
    if let Some(config) = spec.get_mut("deploymentConfiguration").and_then(Value::as_object_mut) {
        config.entry("deploymentCircuitBreaker").or_insert(json!({"enable": false, "rollback": false}));
        config.entry("maximumPercent").or_insert(json!(200));
        config.entry("minimumHealthyPercent").or_insert(json!(100));
        config.entry("strategy").or_insert(json!("ROLLING"));
        config.entry("bakeTimeInMinutes").or_insert(json!(0));
    }
    let awsvpc = spec.get_mut("networkConfiguration").and_then(|n| n.get_mut("awsvpcConfiguration"));
    if let Some(config) = awsvpc.and_then(Value::as_object_mut) {
        config.entry("securityGroups").or_insert(json!(["sg-00000000"]));
        config.entry("assignPublicIp").or_insert(json!("DISABLED"));
    }
}
