//! Which labels a slot's pods have, and which of them select them.

use super::Steered;
use crate::model::{Slot, marks};
use serde_json::{Map, Value};

/// The labels of one slot.
pub(super) struct SlotLabels {
    /// The Deployment's whole `spec.selector`.
    pub selector: Value,
    /// What a Service and a PodDisruptionBudget select the slot's pods by.
    pub matching: Map<String, Value>,
    pub pods: Map<String, Value>,
}

/// The labels of the slot, whose Deployment is `live` if it is there. A live Deployment's selector can't be changed, so
/// it stays; a new one's is the document's with the slot. Where the other slot was adopted, its selector knows no slot
/// and would take these pods, too, so the document's values get the slot's name behind them.
pub(super) fn labels(steered: &Steered<'_>, slot: Slot, live: Option<&Value>) -> SlotLabels {
    let document = &steered.documents.deployment.body;
    let map = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut selector = match live {
        Some(live) => live.pointer("/spec/selector").cloned().unwrap_or_default(),
        None => document.pointer("/spec/selector").cloned().unwrap_or_default(),
    };
    let mut matching = map(selector.get("matchLabels"));
    if live.is_none() {
        for value in matching.values_mut() {
            *value = steered.rollout.blue_green.slot_label(slot, value.as_str().unwrap_or_default()).into();
        }
        matching.insert(marks::SLOT.into(), slot.name().into());
        if !selector.is_object() {
            selector = Value::Object(Map::new());
        }
        selector["matchLabels"] = Value::Object(matching.clone());
    }
    let mut pods = map(document.pointer("/spec/template/metadata/labels"));
    pods.extend(matching.clone());
    pods.insert(marks::SLOT.into(), slot.name().into());
    // A selector of expressions alone is none that a Service could have.
    if matching.is_empty() {
        matching = map(live.and_then(|live| live.pointer("/spec/template/metadata/labels")));
    }
    SlotLabels { selector, matching, pods }
}
