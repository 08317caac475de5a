//! Launch types and capacity provider strategies: what a service runs on.

use super::TaskDefinition;
use super::cluster::Cluster;
use crate::simulator::wire::ApiError;
use serde_json::{Map, Value, json};

const STRATEGY: &str = "capacityProviderStrategy";

/// Refuses a strategy that is another than the service's, unless a new deployment is forced; the words are ECS's own. An
/// empty list, which goes back to the launch type, needs no deployment (ECS API reference, UpdateService).
pub(super) fn check_change(
    spec: &Map<String, Value>,
    sent: &Map<String, Value>,
    forced: bool,
) -> Result<(), ApiError> {
    let wanted = items(sent);
    if forced || wanted.is_empty() || wanted == items(spec) {
        return Ok(());
    }
    Err(ApiError::parameter(
        "When switching from launch type to capacity provider strategy on an existing service, or making a change to a \
         capacity provider strategy on a service that is already using one, you must force a new deployment.",
    ))
}

/// Provider, weight and base of each item, in no order.
fn items(spec: &Map<String, Value>) -> Vec<(String, i64, i64)> {
    let list = spec.get(STRATEGY).and_then(Value::as_array).into_iter().flatten();
    let number = |item: &Value, name: &str| item[name].as_i64().unwrap_or(0);
    let mut items: Vec<_> = list
        .map(|item| {
            let provider = item["capacityProvider"].as_str().unwrap_or_default().to_string();
            (provider, number(item, "weight"), number(item, "base"))
        })
        .collect();
    items.sort();
    items
}

/// A new service that says neither takes the cluster's default strategy, or EC2 where the cluster has none. A launch type
/// and a strategy exclude each other.
pub(super) fn fill_new(spec: &mut Map<String, Value>, cluster: &Cluster) {
    let default = cluster.default_strategy.as_array().filter(|list| !list.is_empty());
    if items(spec).is_empty() {
        spec.remove(STRATEGY);
    }
    match default {
        _ if spec.contains_key(STRATEGY) || spec.contains_key("launchType") => {}
        Some(strategy) => {
            spec.insert(STRATEGY.into(), json!(strategy));
        }
        None => {
            spec.insert("launchType".into(), json!("EC2"));
        }
    }
    fill_items(spec);
}

/// After a strategy was put over a service's fields: it takes the launch type's place; an empty one gives it back.
pub(super) fn settle(spec: &mut Map<String, Value>, definition: &TaskDefinition) {
    if !spec.contains_key(STRATEGY) {
        return;
    }
    if items(spec).is_empty() {
        spec.remove(STRATEGY);
        let kind = if definition.supports("FARGATE") { "FARGATE" } else { "EC2" };
        spec.entry("launchType").or_insert(json!(kind));
    } else {
        spec.remove("launchType");
        fill_items(spec);
    }
}

fn fill_items(spec: &mut Map<String, Value>) {
    let list = spec.get_mut(STRATEGY).and_then(Value::as_array_mut);
    for item in list.into_iter().flatten().filter_map(Value::as_object_mut) {
        item.entry("weight").or_insert(json!(0));
        item.entry("base").or_insert(json!(0));
    }
}

/// The provider that the next task goes to: the base of each is filled first, then the weights are followed.
pub(super) fn next_provider(spec: &Map<String, Value>, running: &[&str]) -> Option<String> {
    let items = spec.get(STRATEGY).and_then(Value::as_array)?;
    let name = |item: &Value| item["capacityProvider"].as_str().unwrap_or_default().to_string();
    let number = |item: &Value, field: &str| item[field].as_u64().unwrap_or(0);
    let has = |item: &Value| running.iter().filter(|provider| **provider == name(item)).count() as u64;
    let unfilled = items.iter().find(|item| has(item) < number(item, "base"));
    // Compared as fractions without dividing: tasks beyond the base for each weight.
    let load =
        |item: &Value| (has(item).saturating_sub(number(item, "base")) + 1) * 10_000 / number(item, "weight");
    let weighted = items.iter().filter(|item| number(item, "weight") > 0).min_by_key(|item| load(item));
    unfilled.or(weighted).or(items.first()).map(name)
}
