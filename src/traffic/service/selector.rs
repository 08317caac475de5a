//! Whose pods a Service selects, and what has to change for another slot's. Pure.

use crate::engine::{Rollout, WorkloadDocuments};
use crate::model::{BySlot, Slot, Weights, marks, selects};
use crate::rollout::RuleSplit;
use serde_json::{Map, Value, json};

/// One slot's pods.
#[derive(Debug)]
pub(super) struct Side {
    /// The labels that its pods have, or will have.
    labels: Value,
    /// What takes exactly them; `None` as long as there is no Deployment.
    selector: Option<Value>,
}

impl Side {
    /// As the slot's Deployment says or, without one, as it will say.
    pub(super) fn new(rollout: &Rollout, slot: Slot, live: Option<&Value>) -> Side {
        let at = |pointer: &str| live.and_then(|live| live.pointer(pointer)).cloned();
        match at("/spec/template/metadata/labels") {
            Some(labels) => Side { labels, selector: at("/spec/selector/matchLabels") },
            None => Side { labels: coming_labels(rollout, slot), selector: None },
        }
    }
}

/// The labels of the pods of a slot that is not there yet.
fn coming_labels(rollout: &Rollout, slot: Slot) -> Value {
    let WorkloadDocuments::Kubernetes(documents) = &rollout.workload else { return Value::Null };
    let body = &documents.deployment.body;
    let map = |pointer: &str| body.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut labels = map("/spec/template/metadata/labels");
    for key in map("/spec/selector/matchLabels").keys() {
        if let Some(Value::String(value)) = labels.get_mut(key) {
            *value = rollout.blue_green.slot_label(slot, value);
        }
    }
    if !rollout.blue_green.is_adopted(slot) {
        labels.insert(marks::SLOT.into(), slot.name().into());
    }
    Value::Object(labels)
}

/// Which slot the Service sends to. One that is not there yet will be made for blue: it has no pods on a first deploy,
/// so nobody reaches a version before its gate.
pub(super) fn split(service: Option<&Value>, sides: &BySlot<Side>) -> RuleSplit {
    let Some(service) = service else { return RuleSplit::Both(Weights::percent(Slot::Blue, 100)) };
    let selector = service.pointer("/spec/selector");
    let taken = BySlot::from_fn(|slot| selects(selector, Some(&sides.get(slot).labels)));
    match (taken.blue, taken.green) {
        (true, false) => RuleSplit::Both(Weights::percent(Slot::Blue, 100)),
        (false, true) => RuleSplit::Both(Weights::percent(Slot::Green, 100)),
        (both, _) => RuleSplit::Neither(format!(
            "its selector {} takes the pods of {} slots; add `{}: blue` or `{}: green` to it, or name the Deployment \
             that it selects under slots",
            fingerprint(Some(service)),
            if both { "both" } else { "none of the" },
            marks::SLOT,
            marks::SLOT
        )),
    }
}

/// The selector as one line, which names it: `app=web,cutover.dev/slot=blue`. Empty without a Service: one that comes is
/// no stranger's change.
pub(super) fn fingerprint(service: Option<&Value>) -> String {
    let Some(service) = service else { return String::new() };
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    let mut parts: Vec<String> = selector
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    parts.sort();
    if parts.is_empty() { "(none)".into() } else { parts.join(",") }
}

/// The merge patch that makes the Service select the pods of `slot` and nothing else of it different; it holds only for
/// the object as it was read. `None` if it does so already.
///
/// # Errors
/// A sentence if that can't be.
pub(super) fn patch(service: &Value, sides: &BySlot<Side>, slot: Slot) -> Result<Option<Value>, String> {
    let side = sides.get(slot);
    let wanted = side.selector.as_ref().and_then(Value::as_object);
    let wanted =
        wanted.ok_or_else(|| format!("the {slot} Deployment is not there or selects by no labels"))?;
    if selects(side.selector.as_ref(), Some(&sides.get(slot.other()).labels)) {
        return Err(format!(
            "the selector of the {slot} Deployment takes the pods of the other slot as well; give one of them a label \
             that the other has not"
        ));
    }
    let current = service.pointer("/spec/selector").and_then(Value::as_object);
    if current == Some(wanted) {
        return Ok(None);
    }
    let dropped = current.into_iter().flat_map(Map::keys).filter(|key| !wanted.contains_key(*key));
    let mut selector: Map<String, Value> = dropped.map(|key| (key.clone(), Value::Null)).collect();
    selector.extend(wanted.clone());
    let version = service.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
    Ok(Some(json!({"metadata": {"resourceVersion": version}, "spec": {"selector": selector}})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(labels: Value, selector: Value) -> Side {
        Side { labels, selector: Some(selector) }
    }

    fn slots() -> BySlot<Side> {
        let labels = |slot: &str| json!({"app": "web", marks::SLOT: slot, "pod-only": "x"});
        let selector = |slot: &str| json!({"app": "web", marks::SLOT: slot});
        BySlot {
            blue: side(labels("blue"), selector("blue")),
            green: side(labels("green"), selector("green")),
        }
    }

    fn adopted() -> BySlot<Side> {
        let green = json!({"app": "web-green", marks::SLOT: "green"});
        BySlot { blue: side(json!({"app": "web"}), json!({"app": "web"})), green: side(green.clone(), green) }
    }

    fn service(selector: Value) -> Value {
        json!({"metadata": {"resourceVersion": "7"}, "spec": {"selector": selector}})
    }

    #[test]
    fn a_selector_is_one_slots_or_it_is_said_why_not() {
        let of = |selector: Value, sides: &BySlot<Side>| match split(Some(&service(selector)), sides) {
            RuleSplit::Both(weights) => weights.to_string(),
            RuleSplit::Only(slot) => format!("only {slot}"),
            RuleSplit::Neither(why) => why.split(';').next().unwrap_or_default().to_owned(),
        };
        for (selector, sides, expected) in [
            (json!({"app": "web", marks::SLOT: "blue"}), slots(), "blue 100 / green 0"),
            (json!({marks::SLOT: "green"}), slots(), "blue 0 / green 100"),
            (json!({"app": "web"}), slots(), "its selector app=web takes the pods of both slots"),
            (json!({"app": "api"}), slots(), "its selector app=api takes the pods of none of the slots"),
            (json!({}), slots(), "its selector (none) takes the pods of none of the slots"),
            (json!({"app": "web"}), adopted(), "blue 100 / green 0"),
            (json!({"app": "web-green"}), adopted(), "blue 0 / green 100"),
        ] {
            assert_eq!(of(selector.clone(), &sides), expected, "{selector}");
        }
        assert_eq!(split(None, &slots()), RuleSplit::Both(Weights::percent(Slot::Blue, 100)));
    }

    #[test]
    fn a_switch_takes_out_what_the_other_slots_selector_had_and_nothing_else() {
        let live = service(json!({"app": "web-green", marks::SLOT: "green"}));
        let to_blue = patch(&live, &adopted(), Slot::Blue).expect("possible").expect("a change");
        assert_eq!(
            to_blue,
            json!({"metadata": {"resourceVersion": "7"}, "spec": {"selector": {marks::SLOT: null, "app": "web"}}})
        );
        assert_eq!(patch(&live, &adopted(), Slot::Green), Ok(None));
    }

    #[test]
    fn a_switch_that_would_reach_both_slots_is_refused() {
        let mut sides = slots();
        sides.blue.selector = Some(json!({"app": "web"}));
        let refused = patch(&service(json!({})), &sides, Slot::Blue).expect_err("refused");
        assert!(refused.contains("takes the pods of the other slot"), "{refused}");
        sides.blue.selector = None;
        assert!(patch(&service(json!({})), &sides, Slot::Blue).is_err());
    }
}
