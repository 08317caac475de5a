//! The Service of a slot: it leads to the slot's pods and to nothing else.

use super::labels::SlotLabels;
use super::{Part, Steered};
use crate::model::Slot;
use crate::platform::kubernetes::applyset::object_at;
use serde_json::{Value, json};

/// What can be had once in a cluster, or makes a load balancer of its own.
const NOT_COPIED: [&str; 10] = [
    "type",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "allocateLoadBalancerNodePorts",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
];

/// The user's Service under the slot's name, or one that is made up.
pub(super) fn part<'a>(
    steered: &Steered<'a>,
    slot: Slot,
    labels: &SlotLabels,
    live: Option<&'a Value>,
) -> Part<'a> {
    let document = steered.documents.service.as_ref();
    let key = steered.service_key(slot);
    let made_up = json!({"apiVersion": "v1", "kind": "Service"});
    let mut body = steered.dressed(document.map_or(&made_up, |object| &object.body), &key, slot);
    let spec = object_at(&mut body, "spec");
    if let Some(fields) = spec.as_object_mut() {
        NOT_COPIED.iter().for_each(|field| drop(fields.shift_remove(*field)));
        if fields.get("clusterIP").is_some_and(|address| address != "None") {
            fields.shift_remove("clusterIP");
        }
    }
    spec["ports"] = ports(steered).into();
    spec["selector"] = Value::Object(labels.matching.clone());
    let api_version = document.map_or("v1", |object| object.api_version.as_str()).to_owned();
    Part { key, api_version, body, document, live, is_taken_over: false, left_alone: vec![] }
}

/// The ports of the slot's Service; one of them leads to the container's.
pub(super) fn ports(steered: &Steered<'_>) -> Vec<Value> {
    let pattern = steered.documents.service.as_ref();
    let written = pattern.and_then(|object| object.body.pointer("/spec/ports")).and_then(Value::as_array);
    let mut ports: Vec<Value> = written.into_iter().flatten().cloned().collect();
    for port in &mut ports {
        port.as_object_mut().and_then(|port| port.shift_remove("nodePort"));
    }
    let container = steered.rollout.blue_green.container.port;
    if !ports.iter().any(|port| leads_to_container(steered, port)) {
        // Several ports must all have a name.
        for (index, port) in ports.iter_mut().enumerate() {
            if port.get("name").is_none() {
                port["name"] = format!("port-{index}").into();
            }
        }
        let taken = |number: u16| ports.iter().any(|port| port["port"] == number);
        let number = (container..=u16::MAX).find(|number| !taken(*number)).unwrap_or(container);
        let mut ours = json!({"port": number, "targetPort": container, "protocol": "TCP"});
        if !ports.is_empty() {
            ours["name"] = "cutover".into();
        }
        ports.push(ours);
    }
    ports
}

/// The number of the Service's port that leads to the container's.
pub(super) fn port_number(steered: &Steered<'_>) -> Value {
    let ports = ports(steered);
    let port = ports.iter().find(|port| leads_to_container(steered, port));
    port.and_then(|port| port.get("port"))
        .cloned()
        .unwrap_or(steered.rollout.blue_green.container.port.into())
}

fn leads_to_container(steered: &Steered<'_>, port: &Value) -> bool {
    let wanted = steered.rollout.blue_green.container.port;
    if port.get("protocol").is_some_and(|protocol| protocol != "TCP") {
        return false;
    }
    match port.get("targetPort").filter(|target| !target.is_null()) {
        None => port["port"] == wanted,
        Some(Value::String(name)) => has_named_port(&steered.documents.deployment.body, name, wanted),
        Some(number) => *number == wanted,
    }
}

fn has_named_port(deployment: &Value, name: &str, number: u16) -> bool {
    let containers = deployment.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let mut ports =
        containers.into_iter().flatten().flat_map(|c| c["ports"].as_array().into_iter().flatten());
    ports.any(|port| port["name"] == name && port["containerPort"] == number)
}
