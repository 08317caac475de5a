//! From the documents to the request for one slot's service. Pure.

use crate::diff::{content_hash, revision_id, same_reference};
use crate::engine::{Rollout, Trouble, TroubleKind};
use crate::model::{BySlot, Kind, RevisionId, Slot, TaskDefinition, TaskDefinitionRef, marks};
use crate::rollout::Record;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What the service document's tasks are made from.
pub(super) enum Tasks<'a> {
    Document(&'a TaskDefinition),
    External(&'a str),
}

pub(super) fn tasks(rollout: &Rollout) -> Result<Tasks<'_>, Trouble> {
    match (&rollout.service.task_definition, &rollout.task_definition) {
        (TaskDefinitionRef::External(id), _) => Ok(Tasks::External(id)),
        (TaskDefinitionRef::Document(_), Some(document)) => Ok(Tasks::Document(document)),
        (TaskDefinitionRef::Document(name), None) => Err(Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("Service/{}", rollout.service.name),
            message: format!("its TaskDefinition/{name} is missing"),
        }),
    }
}

/// The name of what the documents want. The container and port that the load balancer sends to belong to it.
pub(super) fn desired_revision(rollout: &Rollout) -> Result<RevisionId, Trouble> {
    let hash;
    let task_definition = match tasks(rollout)? {
        Tasks::Document(document) => {
            hash = content_hash(&document.spec);
            &hash
        }
        Tasks::External(id) => id,
    };
    let nowhere = BySlot { blue: String::new(), green: String::new() };
    let mut spec = slot_spec(rollout, Slot::Blue, &nowhere);
    if let Some(entries) = spec["loadBalancers"].as_array_mut()
        && let Some(ours) = entries.last_mut().and_then(Value::as_object_mut)
    {
        ours.shift_remove("targetGroupArn");
    }
    Ok(revision_id(task_definition, &spec))
}

/// The Service document's spec as a slot has it: its own name, and its own target group beside load balancers that
/// the document declares otherwise. `groups` are ARNs.
pub(super) fn slot_spec(rollout: &Rollout, slot: Slot, groups: &BySlot<String>) -> Value {
    let blue_green = &rollout.blue_green;
    let service_name = rollout.service.spec.get("serviceName").and_then(Value::as_str);
    let mut spec = rollout.service.spec.clone();
    spec["serviceName"] = blue_green.slot_service(slot, service_name.unwrap_or(&rollout.service.name)).into();
    let is_slots = |entry: &Value| {
        let arn = entry.get("targetGroupArn").and_then(Value::as_str).unwrap_or_default();
        Slot::BOTH.into_iter().any(|s| {
            let names = [groups.get(s).as_str(), blue_green.target_group(s)];
            names.iter().any(|name| !name.is_empty() && same_reference(name, arn))
        })
    };
    let declared = spec.get("loadBalancers").and_then(Value::as_array).into_iter().flatten();
    let mut balancers: Vec<Value> = declared.filter(|entry| !is_slots(entry)).cloned().collect();
    balancers.push(json!({
        "targetGroupArn": groups.get(slot),
        "containerName": blue_green.container.name,
        "containerPort": blue_green.container.port,
    }));
    spec["loadBalancers"] = balancers.into();
    spec
}

/// The name of a slot's service.
pub(super) fn slot_name(rollout: &Rollout, slot: Slot) -> String {
    let declared = rollout.service.spec.get("serviceName").and_then(Value::as_str);
    rollout.blue_green.slot_service(slot, declared.unwrap_or(&rollout.service.name))
}

/// The marks that say whose a slot is.
pub(super) fn ownership(rollout: &Rollout, slot: Slot) -> Vec<(&'static str, String)> {
    vec![
        (marks::APPLICATION, rollout.application.clone()),
        (marks::DOCUMENT, marks::document(Kind::Service, &rollout.service.name)),
        (marks::SLOT, slot.name().to_owned()),
    ]
}

/// Names a creation, so that ECS takes a repeated request for the same one. At most 36 characters.
pub(super) fn client_token(rollout: &Rollout, name: &str, record: &Record) -> String {
    let text = format!("{}\n{name}\n{}", rollout.application, record.to_tag());
    let mut token = String::with_capacity(32);
    for byte in Sha256::digest(text).iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    token
}

#[cfg(test)]
mod tests;
