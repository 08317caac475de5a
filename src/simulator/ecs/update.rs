//! UpdateService: only what is sent is changed.

use super::create::fill_nested;
use super::deployment::Deployment;
use super::scheduler::wake;
use super::service::{Service, ServiceStatus};
use super::shapes::conform;
use super::{capacity, check, cluster, describe};
use crate::simulator::queue::ServiceId;
use crate::simulator::state::State;
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Fields that begin a deployment by being sent, whether they change anything or not (ECS API reference, UpdateService:
/// "This parameter triggers a new service deployment").
const DEPLOYING: [&str; 7] = [
    "loadBalancers",
    "networkConfiguration",
    "platformVersion",
    "serviceConnectConfiguration",
    "serviceRegistries",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// The service that a request names in `field`, by name or ARN.
pub(super) fn find<'a>(state: &'a State, input: Input, field: &str) -> Result<&'a Service, ApiError> {
    let cluster = cluster::find(state, input)?.name.clone();
    let name = cluster::short_name(input.need(field)?).to_string();
    let id = state.service_names.get(&(cluster, name));
    id.and_then(|id| state.services.get(id))
        .ok_or_else(|| ApiError::new("ServiceNotFoundException", "Service not found."))
}

/// [`find`] for a service that can be changed.
pub(super) fn find_active<'a>(state: &'a State, input: Input) -> Result<&'a Service, ApiError> {
    let service = find(state, input, "service")?;
    if service.status != ServiceStatus::Active {
        return Err(ApiError::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    Ok(service)
}

pub(super) fn update(state: &mut State, input: Input) -> Answer {
    let sent = conform("UpdateService", input.0)?;
    let service = find_active(state, input)?;
    let id = service.id;
    let forced = input.flag("forceNewDeployment") == Some(true);
    capacity::check_change(&service.spec, &sent, forced)?;
    let mut spec = service.spec.as_ref().clone();
    merge(&mut spec, &sent);
    let primary = service.deployments.first().map(|deployment| Arc::clone(&deployment.definition));
    let definition = match input.text("taskDefinition") {
        Some(reference) => check::definition(state, reference)?,
        None => primary.clone().ok_or_else(|| ApiError::parameter("taskDefinition must be specified."))?,
    };
    capacity::settle(&mut spec, &definition);
    let desired = match input.number("desiredCount") {
        None => service.desired,
        Some(count) if (0..=5_000).contains(&count) => count as usize,
        Some(_) => return Err(ApiError::parameter("desiredCount must be between 0 and 5000.")),
    };
    let other = primary.is_none_or(|primary| primary.arn != definition.arn);
    let deploys = other || forced || DEPLOYING.iter().any(|field| sent.contains_key(*field));
    if deploys || sent.len() > 2 {
        check::spec(state, &spec, &definition, sent.contains_key("loadBalancers"))?;
    }
    let spec = Arc::new(spec);
    if let Some(service) = state.services.get_mut(&id) {
        service.spec = Arc::clone(&spec);
        // What changes in place counts for the tasks that the present deployment starts from now on.
        if let Some(primary) =
            service.deployments.first_mut().filter(|_| sent.contains_key("capacityProviderStrategy"))
        {
            primary.spec = Arc::clone(&spec);
        }
    }
    set_desired(state, id, desired);
    if deploys {
        let deployment = Deployment::new(state.fresh(), definition, spec, state.now);
        begin(state, id, deployment);
    }
    wake(state, id, state.settings.scheduler_delay_ms);
    Ok(json!({"service": describe::render(state, &state.services[&id], true)}))
}

/// Changes how many tasks a service is to have. That is no deployment: the PRIMARY one stays COMPLETED.
pub(in crate::simulator) fn set_desired(state: &mut State, id: ServiceId, desired: usize) {
    let delay = state.settings.scheduler_delay_ms;
    let Some(service) = state.services.get_mut(&id).filter(|service| service.desired != desired) else {
        return;
    };
    service.steady = false;
    service.desired = desired;
    wake(state, id, delay);
}

/// Puts sent fields over the present ones. Parts of the deployment configuration that are not sent stay.
fn merge(spec: &mut Map<String, Value>, sent: &Map<String, Value>) {
    for (field, value) in sent {
        match (field.as_str(), value.as_object()) {
            ("cluster" | "service" | "taskDefinition" | "desiredCount" | "forceNewDeployment", _) => {}
            ("deploymentConfiguration", Some(members)) => {
                let config = spec.entry(field.as_str()).or_insert(json!({}));
                if let Some(config) = config.as_object_mut() {
                    config.extend(members.clone());
                }
            }
            _ => {
                spec.insert(field.clone(), value.clone());
            }
        }
    }
    fill_nested(spec);
}

/// Makes a deployment the PRIMARY one.
pub(super) fn begin(state: &mut State, id: ServiceId, deployment: Deployment) {
    let now = state.now;
    let Some(service) = state.services.get_mut(&id) else { return };
    let side = service.deployments.first().map_or(0, |old| old.side);
    let replaced = service.deployments.first().is_some_and(|old| old.rollout == super::Rollout::Completed);
    let native = super::service::is_native(&deployment.spec);
    let side = match (native, replaced) {
        (true, true) => 1 - side,
        // A deployment that had not been given the traffic yet makes room on its own side.
        (true, false) => side,
        (false, _) => 0,
    };
    if let Some(old) = service.deployments.first_mut() {
        old.updated_at = now;
    }
    service.deployments.insert(0, Deployment { side, ..deployment });
    service.steady = false;
}
