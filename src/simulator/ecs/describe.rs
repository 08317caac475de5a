//! DescribeServices and ListServices.

use super::service::Service;
use super::tags::show_tags;
use super::task::TaskStatus;
use super::{Deployment, cluster, page, seconds};
use crate::simulator::state::State;
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Map, Value, json};

const DESCRIBED_MAX: usize = 10;

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let cluster = &cluster::find(state, input)?.name;
    let names = input.texts("services");
    if names.is_empty() {
        return Err(ApiError::parameter("Services cannot be empty."));
    }
    if names.len() > DESCRIBED_MAX {
        return Err(ApiError::parameter("Services cannot have more than 10 elements."));
    }
    let with_tags = input.texts("include").contains(&"TAGS");
    let (mut services, mut failures) = (vec![], vec![]);
    for name in names {
        let key = (cluster.clone(), cluster::short_name(name).to_string());
        match state.service_names.get(&key).and_then(|id| state.services.get(id)) {
            Some(service) => services.push(render(state, service, with_tags)),
            None => {
                let arn = state.arn("ecs", &format!("service/{cluster}/{}", key.1));
                failures.push(json!({"arn": arn, "reason": "MISSING"}));
            }
        }
    }
    Ok(json!({"services": services, "failures": failures}))
}

pub(super) fn list(state: &State, input: Input) -> Answer {
    let cluster = &cluster::find(state, input)?.name;
    let fits = |service: &Service, field: &str| {
        input.text(field).is_none_or(|wanted| service.spec.get(field).is_some_and(|value| value == wanted))
    };
    let first = (cluster.clone(), String::new());
    let names = state.service_names.range(first..).take_while(|((of, _), _)| of == cluster);
    let services = names.filter_map(|(_, id)| state.services.get(id));
    let found =
        services.filter(|s| !s.is_inactive() && fits(s, "launchType") && fits(s, "schedulingStrategy"));
    let items = found.map(|service| (service.name.clone(), service.arn.clone())).collect();
    let (arns, next) = page(input, items, 10)?;
    let mut answer = json!({"serviceArns": arns});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

/// Running and pending tasks of a service, or of one of its deployments.
fn counts(state: &State, service: &Service, deployment: Option<&str>) -> (usize, usize) {
    let tasks = service.tasks.iter().filter_map(|id| state.tasks.get(id));
    let tasks = tasks.filter(|task| deployment.is_none_or(|d| task.deployment.as_deref() == Some(d)));
    tasks.fold((0, 0), |(running, pending), task| match task.status {
        TaskStatus::Running => (running + 1, pending),
        status if status < TaskStatus::Running && !task.stopping => (running, pending + 1),
        _ => (running, pending),
    })
}

/// A service as ECS answers it.
pub(super) fn render(state: &State, service: &Service, with_tags: bool) -> Value {
    let (running, pending) = counts(state, service, None);
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
    put("serviceArn", json!(service.arn));
    put("serviceName", json!(service.name));
    put("clusterArn", json!(state.arn("ecs", &format!("cluster/{}", service.cluster))));
    put("status", json!(service.status.name()));
    put("desiredCount", json!(service.desired));
    put("runningCount", json!(running));
    put("pendingCount", json!(pending));
    let hidden = ["role", "serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations"];
    for (name, value) in service.spec.iter().filter(|(name, _)| !hidden.contains(&name.as_str())) {
        put(name, value.clone());
    }
    put("taskDefinition", json!(service.deployments.first().map(|deployment| &deployment.definition.arn)));
    let deployments: Vec<Value> = service
        .deployments
        .iter()
        .enumerate()
        .map(|(i, d)| render_deployment(state, service, d, i == 0))
        .collect();
    put("deployments", Value::Array(deployments));
    let events = service.events.iter();
    put(
        "events",
        events.map(|(id, at, m)| json!({"id": id, "createdAt": seconds(*at), "message": m})).collect(),
    );
    put("createdAt", json!(seconds(service.created_at)));
    put("createdBy", json!(format!("arn:aws:iam::{}:user/simulator", state.settings.account)));
    put(
        "roleArn",
        json!(format!(
            "arn:aws:iam::{}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
            state.settings.account
        )),
    );
    if service.spec.get("platformVersion").is_some() {
        put("platformFamily", json!("Linux"));
    }
    if with_tags && !service.tags.is_empty() {
        put("tags", show_tags(&service.tags));
    }
    Value::Object(shown)
}

fn render_deployment(state: &State, service: &Service, deployment: &Deployment, primary: bool) -> Value {
    let (running, pending) = counts(state, service, Some(&deployment.id));
    let tasks = service.tasks.iter().filter_map(|id| state.tasks.get(id));
    let kept =
        tasks.filter(|task| !task.stopping && task.deployment.as_deref() == Some(&deployment.id)).count();
    let mut shown = json!({
        "id": deployment.id,
        "status": if primary { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": deployment.definition.arn,
        "desiredCount": if primary { service.desired } else { kept },
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": deployment.failed_tasks,
        "createdAt": seconds(deployment.created_at),
        "updatedAt": seconds(deployment.updated_at),
        "rolloutState": deployment.rollout.name(),
        "rolloutStateReason": deployment.reason,
    });
    let copied = [
        "launchType",
        "capacityProviderStrategy",
        "networkConfiguration",
        "serviceConnectConfiguration",
        "volumeConfigurations",
        "vpcLatticeConfigurations",
    ];
    for name in copied {
        if let Some(value) = deployment.spec.get(name) {
            shown[name] = value.clone();
        }
    }
    if deployment.spec.contains_key("platformVersion") {
        shown["platformVersion"] = json!("1.4.0");
        shown["platformFamily"] = json!("Linux");
    }
    shown
}
