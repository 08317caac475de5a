//! From the documents to the request for one slot's service. Pure.

use crate::diff::{content_hash, revision_id, same_reference};
use crate::engine::{EcsDocuments, Rollout, Trouble, TroubleKind, WorkloadDocuments};
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

/// The documents of a workload on ECS.
///
/// # Errors
/// If it is one of another platform, which a destination's documents exclude.
pub(super) fn documents(rollout: &Rollout) -> Result<&EcsDocuments, Trouble> {
    match &rollout.workload {
        WorkloadDocuments::Ecs(documents) => Ok(documents),
        WorkloadDocuments::Kubernetes(_) => Err(Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("BlueGreen/{}", rollout.blue_green.name),
            message: "its workload is none of ECS".into(),
        }),
    }
}

pub(super) fn tasks(rollout: &Rollout) -> Result<Tasks<'_>, Trouble> {
    let EcsDocuments { service, task_definition } = documents(rollout)?;
    match (&service.task_definition, task_definition) {
        (TaskDefinitionRef::External(id), _) => Ok(Tasks::External(id)),
        (TaskDefinitionRef::Document(_), Some(document)) => Ok(Tasks::Document(document)),
        (TaskDefinitionRef::Document(name), None) => Err(Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("Service/{}", service.name),
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
    let mut spec = slot_spec(rollout, Slot::Blue, &nowhere)?;
    if let Some(entries) = spec["loadBalancers"].as_array_mut()
        && let Some(ours) = entries.last_mut().and_then(Value::as_object_mut)
    {
        ours.shift_remove("targetGroupArn");
    }
    Ok(revision_id(task_definition, &spec))
}

/// The Service document's spec as a slot has it: its own name, and its own target group beside load balancers that
/// the document declares otherwise. `groups` are ARNs.
pub(super) fn slot_spec(rollout: &Rollout, slot: Slot, groups: &BySlot<String>) -> Result<Value, Trouble> {
    let blue_green = &rollout.blue_green;
    let mut spec = documents(rollout)?.service.spec.clone();
    spec["serviceName"] = rollout.slot_name(slot).into();
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
    Ok(spec)
}

/// The marks that say whose a slot is.
pub(super) fn ownership(rollout: &Rollout, slot: Slot) -> Vec<(&'static str, String)> {
    vec![
        (marks::APPLICATION, rollout.application.clone()),
        (marks::DOCUMENT, marks::document(Kind::Service, &rollout.blue_green.workload_ref.name)),
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
