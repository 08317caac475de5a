//! Copies of what is written for the Deployment: HorizontalPodAutoscalers and PodDisruptionBudgets.

use super::labels::SlotLabels;
use super::revision::content_of;
use super::{LiveSlot, Part, Steered};
use crate::model::{Slot, marks};
use crate::platform::kubernetes::applyset::object_at;
use serde_json::{Value, json};

pub(super) fn parts<'a>(
    steered: &Steered<'a>,
    slot: Slot,
    labels: &SlotLabels,
    live: &'a LiveSlot,
) -> Vec<Part<'a>> {
    let documents = steered.documents.carried.iter().zip(steered.carried_keys(slot));
    let parts = documents.enumerate().map(|(index, (document, key))| {
        let mut body = steered.dressed(&document.body, &key, slot);
        let spec = object_at(&mut body, "spec");
        match key.kind.as_str() {
            "HorizontalPodAutoscaler" => {
                object_at(spec, "scaleTargetRef")["name"] = steered.rollout.slot_name(slot).into();
            }
            _ => spec["selector"] = json!({"matchLabels": Value::Object(labels.matching.clone())}),
        }
        object_at(&mut body["metadata"], "annotations")[marks::CONTENT] = content_of(&body["spec"]).0.into();
        let live = live.carried.get(index).and_then(Option::as_ref);
        Part {
            key,
            api_version: document.api_version.clone(),
            body,
            document: Some(document),
            live,
            is_taken_over: false,
            left_alone: vec![],
        }
    });
    parts.collect()
}
