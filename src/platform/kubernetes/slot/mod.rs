//! From the documents of a blue/green workload, and what is live of it, to the objects of one slot. Pure.
//!
//! A slot is a Deployment with a Service of its own, behind an ELB a TargetGroupBinding, and copies of the
//! HorizontalPodAutoscalers and PodDisruptionBudgets that are written for the Deployment. A slot that people named in
//! `slots` may have come with a Service and a binding of theirs; those are used as they are.

mod binding;
mod carried;
mod deployment;
mod labels;
mod live_slot;
mod managed;
mod revision;
mod seen;
mod service;
#[cfg(test)]
mod tests;

pub(super) use binding::{group_of, is_bound_to};
pub(super) use live_slot::LiveSlot;
pub(super) use managed::is_ours_as_sent;
pub(super) use seen::{desired_count, notes, seen_slot};

use super::Identity;
use super::applyset::object_at;
use super::desired::without_servers_own;
use crate::engine::{KubernetesDocuments, Rollout, Trouble, TroubleKind, WorkloadDocuments};
use crate::model::{Object, ObjectKey, RevisionId, Slot, marks};
use serde_json::Value;

/// Notes of ours that a document cannot set.
const NOTES: [&str; 7] = [
    marks::RECORD,
    marks::INTENT,
    marks::PROMOTE,
    marks::ABORT,
    marks::CONTENT,
    marks::COMMIT,
    marks::DOCUMENT,
];

/// A blue/green workload with what its slots' objects are made from.
pub(super) struct Steered<'a> {
    pub rollout: &'a Rollout,
    pub documents: &'a KubernetesDocuments,
    pub identity: &'a Identity,
    pub namespace: &'a str,
    pub revision: RevisionId,
    /// What earlier versions called the same documents: they counted what is carried along.
    former_name: RevisionId,
}

/// One object of a slot as it is applied, in the order in which [`Steered::parts`] gives them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part<'a> {
    /// With its namespace.
    pub key: ObjectKey,
    pub api_version: String,
    pub body: Value,
    /// What it is made from; `None` where nothing is written and it is made up.
    pub document: Option<&'a Object>,
    /// As its cluster has it; `None`: it is absent.
    pub live: Option<&'a Value>,
    /// True for a Deployment that people named as a slot and that we have not applied so far: what they own of it is
    /// taken, once.
    pub is_taken_over: bool,
    /// JSON pointers of fields that stay as they are.
    pub left_alone: Vec<String>,
}

/// The revision that our last apply of an object brought, if there was one.
pub(super) fn applied_revision(live: &Value) -> Option<&str> {
    live.get("metadata")?.get("annotations")?.get(marks::CONTENT)?.as_str()
}

impl<'a> Steered<'a> {
    /// # Errors
    /// If the workload is one of another platform, which a destination's documents exclude.
    pub fn new(rollout: &'a Rollout, identity: &'a Identity) -> Result<Steered<'a>, Trouble> {
        let WorkloadDocuments::Kubernetes(documents) = &rollout.workload else {
            return Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: format!("BlueGreen/{}", rollout.blue_green.name),
                message: "its workload is none of Kubernetes".into(),
            });
        };
        let namespace = documents.deployment.key.namespace.as_deref().unwrap_or(identity.namespace());
        let revision = revision::revision_of(documents, &rollout.blue_green.container);
        let former_name = revision::former_name_of(documents, &rollout.blue_green.container);
        Ok(Steered { rollout, documents, identity, namespace, revision, former_name })
    }

    /// True for the name that earlier versions gave to what the documents want.
    pub fn is_former_name(&self, revision: &str) -> bool {
        self.former_name.0 == revision
    }

    /// True for the slot's copy of an autoscaler or disruption budget.
    pub fn is_carried(&self, slot: Slot, key: &ObjectKey) -> bool {
        self.carried_keys(slot).contains(key)
    }

    /// True if people named the slot's Deployment: it was there before this program.
    pub fn is_adopted(&self, slot: Slot) -> bool {
        self.rollout.blue_green.is_adopted(slot)
    }

    /// The slot's target group, name or ARN; `None` where Kubernetes itself steers the requests.
    pub fn target_group(&self, slot: Slot) -> Option<&'a str> {
        let blue_green = &self.rollout.blue_green;
        blue_green.traffic.is_none().then(|| blue_green.target_group(slot))
    }

    pub fn deployment_key(&self, slot: Slot) -> ObjectKey {
        self.key("apps", "Deployment", self.rollout.slot_name(slot))
    }

    pub fn service_key(&self, slot: Slot) -> ObjectKey {
        self.key("", "Service", self.rollout.slot_service(slot))
    }

    pub fn binding_key(&self, slot: Slot) -> ObjectKey {
        self.key(binding::GROUP, binding::KIND, self.rollout.slot_name(slot))
    }

    /// The keys of the slot's copies of what the Deployment carries, in the order of the documents.
    pub fn carried_keys(&self, slot: Slot) -> Vec<ObjectKey> {
        let named = |object: &Object| {
            let workload = &self.documents.deployment.key.name;
            let name = self.rollout.blue_green.slot_carried(slot, workload, &object.key.name);
            self.key(&object.key.group, &object.key.kind, name)
        };
        self.documents.carried.iter().map(named).collect()
    }

    /// Everything the slot consists of, whether it is there or not.
    pub fn keys(&self, slot: Slot) -> Vec<ObjectKey> {
        let binding = self.target_group(slot).map(|_| self.binding_key(slot));
        let fixed = [self.deployment_key(slot), self.service_key(slot)];
        fixed.into_iter().chain(binding).chain(self.carried_keys(slot)).collect()
    }

    /// The slot's objects as the documents want them, with `count` pods. The Deployment comes last, so that the slot is
    /// there only when all of it is, and behind its Service and binding, so that its pods are targets from the start.
    pub fn parts(&self, slot: Slot, live: &'a LiveSlot, count: u32) -> Vec<Part<'a>> {
        let labels = labels::labels(self, slot, live.deployment.as_ref());
        let mut parts = vec![];
        if !live.has_foreign_binding && !self.leaves_service(slot, live) {
            parts.push(service::part(self, slot, &labels, live.service.as_ref()));
        }
        if let Some(group) = self.target_group(slot).filter(|_| !live.has_foreign_binding) {
            parts.push(binding::part(self, slot, group, live.binding.as_ref()));
        }
        parts.extend(carried::parts(self, slot, &labels, live));
        let deployment = self.deployment(slot, live.deployment.as_ref(), count);
        let is_new_to_us = live.deployment.as_ref().is_some_and(|live| applied_revision(live).is_none());
        parts.push(Part { is_taken_over: self.is_adopted(slot) && is_new_to_us, ..deployment });
        parts
    }

    /// The slot's Deployment alone.
    pub fn deployment(&self, slot: Slot, live: Option<&'a Value>, count: u32) -> Part<'a> {
        deployment::part(self, slot, &labels::labels(self, slot, live), live, count)
    }

    /// A Service of a slot's name that was there before the slot was adopted stays as it is.
    fn leaves_service(&self, slot: Slot, live: &LiveSlot) -> bool {
        let is_marked = |service: &Value| super::applyset::label(service, marks::SLOT) == Some(slot.name());
        self.is_adopted(slot) && live.service.as_ref().is_some_and(|service| !is_marked(service))
    }

    fn key(&self, group: &str, kind: &str, name: String) -> ObjectKey {
        ObjectKey { group: group.into(), kind: kind.into(), namespace: Some(self.namespace.to_owned()), name }
    }

    /// A document as a part of the slot: under its key's name, with our marks and without notes that only we write.
    fn dressed(&self, document: &Value, key: &ObjectKey, slot: Slot) -> Value {
        let mut body = without_servers_own(document);
        let metadata = object_at(&mut body, "metadata");
        metadata["name"] = key.name.as_str().into();
        metadata["namespace"] = self.namespace.into();
        object_at(metadata, "labels")[marks::SLOT] = slot.name().into();
        let annotations = object_at(metadata, "annotations");
        if let Some(annotations) = annotations.as_object_mut() {
            NOTES.iter().for_each(|note| drop(annotations.shift_remove(*note)));
        }
        annotations[marks::CONTENT] = self.revision.0.as_str().into();
        let workload = &self.rollout.blue_green.workload_ref;
        annotations[marks::DOCUMENT] = format!("{}/{}", workload.kind, workload.name).into();
        self.identity.mark(&mut body);
        body
    }
}
