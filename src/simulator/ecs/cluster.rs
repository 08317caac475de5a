//! Clusters.

use super::tags::{read_tags, show_tags};
use super::{instance, page, task::TaskStatus};
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Map, Value, json};

/// An active cluster; deleted ones are gone.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Cluster {
    pub arn: String,
    pub name: String,
    settings: Value,
    capacity_providers: Value,
    pub default_strategy: Value,
    pub tags: Tags,
}

/// The cluster that a request names by name or ARN, or `default`.
pub(super) fn find<'a>(state: &'a State, input: Input) -> Result<&'a Cluster, ApiError> {
    let named = input.text("cluster").filter(|name| !name.is_empty()).unwrap_or("default");
    state
        .clusters
        .get(short_name(named))
        .ok_or_else(|| ApiError::new("ClusterNotFoundException", "Cluster not found."))
}

/// The part of a name or ARN after the last slash.
pub(super) fn short_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

pub(super) fn create(state: &mut State, input: Input) -> Answer {
    let name = input.text("clusterName").filter(|name| !name.is_empty()).unwrap_or("default").to_string();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !plain || name.len() > 255 {
        return Err(ApiError::parameter("Invalid cluster name."));
    }
    let tags = read_tags(input, "tags")?;
    // Creating a cluster again answers the one that is there.
    if !state.clusters.contains_key(&name) {
        let list = |field: &str| input.get(field).cloned().unwrap_or_else(|| json!([]));
        let insights = json!([{"name": "containerInsights", "value": "disabled"}]);
        let cluster = Cluster {
            arn: state.arn("ecs", &format!("cluster/{name}")),
            name: name.clone(),
            settings: input.get("settings").cloned().unwrap_or(insights),
            capacity_providers: list("capacityProviders"),
            default_strategy: list("defaultCapacityProviderStrategy"),
            tags,
        };
        state.clusters.insert(name.clone(), cluster);
    }
    Ok(json!({"cluster": render(state, &state.clusters[&name], true)}))
}

pub(super) fn delete(state: &mut State, input: Input) -> Answer {
    input.need("cluster")?;
    let cluster = find(state, input)?.clone();
    let refuse = |what: &str, message: &str| Err(ApiError::new(what, message));
    if active_services(state, &cluster.name) > 0 {
        return refuse(
            "ClusterContainsServicesException",
            "The Cluster cannot be deleted while Services are active.",
        );
    }
    if state.tasks.values().any(|task| task.cluster == cluster.name && task.status != TaskStatus::Stopped) {
        return refuse(
            "ClusterContainsTasksException",
            "The Cluster cannot be deleted while Tasks are active.",
        );
    }
    let mut shown = render(state, &cluster, false);
    shown["status"] = json!("INACTIVE");
    state.clusters.remove(&cluster.name);
    Ok(json!({"cluster": shown}))
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let mut names = input.texts("clusters");
    if names.is_empty() {
        names.push("default");
    }
    if names.len() > 100 {
        return Err(ApiError::parameter("Clusters cannot have more than 100 elements."));
    }
    let with_tags = input.texts("include").contains(&"TAGS");
    let (mut clusters, mut failures) = (vec![], vec![]);
    for name in names {
        match state.clusters.get(short_name(name)) {
            Some(cluster) => clusters.push(render(state, cluster, with_tags)),
            None => {
                let arn = state.arn("ecs", &format!("cluster/{}", short_name(name)));
                failures.push(json!({"arn": arn, "reason": "MISSING"}));
            }
        }
    }
    Ok(json!({"clusters": clusters, "failures": failures}))
}

pub(super) fn list(state: &State, input: Input) -> Answer {
    let items = state.clusters.values().map(|cluster| (cluster.name.clone(), cluster.arn.clone())).collect();
    let (arns, next) = page(input, items, 100)?;
    let mut answer = json!({"clusterArns": arns});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

fn active_services(state: &State, cluster: &str) -> usize {
    state.services.values().filter(|service| service.cluster == cluster && !service.is_inactive()).count()
}

fn render(state: &State, cluster: &Cluster, with_tags: bool) -> Value {
    let tasks = state.tasks.values().filter(|task| task.cluster == cluster.name);
    let running = tasks.clone().filter(|task| task.status == TaskStatus::Running).count();
    let pending = tasks.filter(|task| task.status < TaskStatus::Running).count();
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
    put("clusterArn", json!(cluster.arn));
    put("clusterName", json!(cluster.name));
    put("status", json!("ACTIVE"));
    put("registeredContainerInstancesCount", json!(instance::count(state, &cluster.name)));
    put("runningTasksCount", json!(running));
    put("pendingTasksCount", json!(pending));
    put("activeServicesCount", json!(active_services(state, &cluster.name)));
    put("statistics", json!([]));
    put("tags", if with_tags { show_tags(&cluster.tags) } else { json!([]) });
    put("settings", cluster.settings.clone());
    put("capacityProviders", cluster.capacity_providers.clone());
    put("defaultCapacityProviderStrategy", cluster.default_strategy.clone());
    Value::Object(shown)
}
