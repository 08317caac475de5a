//! The Deployment of a slot.

use super::labels::SlotLabels;
use super::{Part, Steered};
use crate::model::{Slot, marks};
use crate::platform::kubernetes::applyset::object_at;
use crate::platform::kubernetes::left_alone::{leave, pointers};
use serde_json::{Map, Value};

/// The document under the slot's name, with the slot's labels and with `count` pods.
pub(super) fn part<'a>(
    steered: &Steered<'a>,
    slot: Slot,
    labels: &SlotLabels,
    live: Option<&'a Value>,
    count: u32,
) -> Part<'a> {
    let document = &steered.documents.deployment;
    let key = steered.deployment_key(slot);
    let mut body = steered.dressed(&document.body, &key, slot);
    object_at(&mut body["metadata"], "annotations")[marks::COMMIT] = steered.rollout.commit.as_str().into();
    let spec = object_at(&mut body, "spec");
    spec["replicas"] = count.into();
    let template = object_at(spec, "template");
    object_at(template, "metadata")["labels"] = Value::Object(labels.pods.clone());
    let written = document.body.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    if let (Some(written), Some(pods)) = (written, template.get_mut("spec")) {
        for field in ["affinity", "topologySpreadConstraints"] {
            pods.get_mut(field).into_iter().for_each(|field| mean_the_slot(field, written, &labels.matching));
        }
    }
    spec["selector"] = labels.selector.clone();
    let mut ignored = vec![];
    if let Some(live) = live {
        // The rules name the document, whatever the slot is called.
        let rules = &steered.documents.ignore_differences;
        let named = [&document.key, &key];
        ignored = named
            .into_iter()
            .flat_map(|name| {
                let name = crate::model::ObjectKey { namespace: key.namespace.clone(), ..name.clone() };
                pointers(rules, &name, false)
            })
            .collect();
        leave(&mut body, live, &ignored);
    }
    Part {
        key,
        api_version: document.api_version.clone(),
        body,
        document: Some(document),
        live,
        is_taken_over: false,
        left_alone: ignored,
    }
}

/// Rules that spread pods speak of the Deployment's own pods by labels; where the slot's have other values, they have to
/// speak of those. Selectors of namespaces, nodes and volumes are about other labels.
fn mean_the_slot(rules: &mut Value, written: &Map<String, Value>, matching: &Map<String, Value>) {
    match rules {
        Value::Array(items) => items.iter_mut().for_each(|item| mean_the_slot(item, written, matching)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "labelSelector" => select_the_slot(field, written, matching),
                    _ => mean_the_slot(field, written, matching),
                }
            }
        }
        _ => {}
    }
}

fn select_the_slot(selector: &mut Value, written: &Map<String, Value>, matching: &Map<String, Value>) {
    let replace = |key: &str, value: &mut Value| {
        if let Some(own) = matching.get(key).filter(|_| written.get(key) == Some(&*value)) {
            *value = own.clone();
        }
    };
    let labels = selector.get_mut("matchLabels").and_then(Value::as_object_mut);
    labels.into_iter().flatten().for_each(|(key, value)| replace(key, value));
    let expressions = selector.get_mut("matchExpressions").and_then(Value::as_array_mut);
    for expression in expressions.into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default().to_owned();
        let values = expression.get_mut("values").and_then(Value::as_array_mut);
        values.into_iter().flatten().for_each(|value| replace(&key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_selector_of_pods_means_the_slot_and_no_other_selector_does() {
        let map = |value: Value| value.as_object().cloned().expect("a map");
        let (written, matching) =
            (map(json!({"app": "web"})), map(json!({"app": "web-green", "s": "green"})));
        let term = |label: &str| {
            json!({"topologyKey": "zone", "namespaceSelector": {"matchLabels": {"app": "web"}},
                "labelSelector": {"matchLabels": {"app": label, "tier": "web"}, "matchExpressions": [
                    {"key": "app", "operator": "In", "values": [label, "cache"]},
                    {"key": "app", "operator": "NotIn", "values": [label]},
                    {"key": "tier", "operator": "In", "values": ["web"]}, {"key": "app", "operator": "Exists"}]}})
        };
        let rules = |label: &str| {
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}]}},
                "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(label)]},
                "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": term(label)}]}})
        };
        let mut affinity = rules("web");
        mean_the_slot(&mut affinity, &written, &matching);
        assert_eq!(affinity, rules("web-green"));
        let mut spread = json!([term("web")]);
        mean_the_slot(&mut spread, &written, &matching);
        assert_eq!(spread, json!([term("web-green")]));
    }
}
