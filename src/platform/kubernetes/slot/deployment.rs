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
    if let Some(live) = live {
        // The rules name the document, whatever the slot is called.
        let rules = &steered.documents.ignore_differences;
        let named = [&document.key, &key];
        let ignored: Vec<String> = named
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
    }
}

/// Rules that spread pods speak of the Deployment's own pods by labels; where the slot's have other values, they have to
/// speak of those.
fn mean_the_slot(rules: &mut Value, written: &Map<String, Value>, matching: &Map<String, Value>) {
    match rules {
        Value::Array(items) => items.iter_mut().for_each(|item| mean_the_slot(item, written, matching)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                let Value::Object(labels) = field else {
                    mean_the_slot(field, written, matching);
                    continue;
                };
                if name != "matchLabels" {
                    mean_the_slot(field, written, matching);
                    continue;
                }
                for (key, value) in labels.iter_mut() {
                    if let Some(own) = matching.get(key).filter(|_| written.get(key) == Some(value)) {
                        *value = own.clone();
                    }
                }
            }
        }
        _ => {}
    }
}
