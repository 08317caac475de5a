//! The TargetGroupBinding of a slot, by which aws-load-balancer-controller makes targets of its pods.

use super::{Part, Steered, service};
use crate::diff::same_reference;
use crate::model::Slot;
use serde_json::{Value, json};

pub(super) const GROUP: &str = "elbv2.k8s.aws";
pub(super) const KIND: &str = "TargetGroupBinding";

/// Binds the slot's Service to its target group.
pub(super) fn part<'a>(steered: &Steered<'a>, slot: Slot, group: &str, live: Option<&'a Value>) -> Part<'a> {
    let key = steered.binding_key(slot);
    let api_version = format!("{GROUP}/v1beta1");
    let field = if group.starts_with("arn:") { "targetGroupARN" } else { "targetGroupName" };
    let made_up = json!({"apiVersion": api_version, "kind": KIND, "metadata": {}, "spec": {
        "serviceRef": {"name": steered.service_key(slot).name, "port": service::port_number(steered)},
        field: group,
        "targetType": "ip",
    }});
    let body = steered.dressed(&made_up, &key, slot);
    Part { key, api_version, body, document: None, live, is_taken_over: false, left_alone: vec![] }
}

/// The ARN or else the name of the target group that a binding fills.
pub(in crate::platform::kubernetes) fn group_of(binding: &Value) -> Option<&str> {
    let text = |field: &str| binding.get("spec")?.get(field)?.as_str().filter(|text| !text.is_empty());
    text("targetGroupARN").or_else(|| text("targetGroupName"))
}

/// True if a binding fills this target group, name or ARN.
pub(in crate::platform::kubernetes) fn is_bound_to(binding: &Value, group: &str) -> bool {
    let written = ["targetGroupARN", "targetGroupName"];
    let mut groups = written.iter().filter_map(|field| binding.get("spec")?.get(*field)?.as_str());
    groups.any(|found| !found.is_empty() && same_reference(found, group))
}
