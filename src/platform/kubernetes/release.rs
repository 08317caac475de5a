//! Moves a Service or HTTPRoute off slots that no BlueGreen declares any more. Before it, whatever shall not get its requests
//! is out of the way, and whatever shall is ready.

use super::Kubernetes;
use super::applyset::{Identity, label};
use super::desired::Wanted;
use super::slot::desired_count;
use super::slots::{Protection, backends};
use crate::engine::{Deployment, Trouble, TroubleKind};
use crate::kubernetes::Resource;
use crate::model::{Manifests, ObjectKey, marks, selects};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SELECTOR: &str = "/spec/selector";
const POD_LABELS: &str = "/spec/template/metadata/labels";

fn deployments() -> Resource {
    Resource::known("apps", "v1", "Deployment", "deployments", true)
}

fn services() -> Resource {
    Resource::known("", "v1", "Service", "services", true)
}

impl Kubernetes {
    /// Makes sure that only pods that shall get the requests of `wanted` do, and that as many as serve now are ready.
    pub(super) async fn release(&self, deployment: &Deployment, wanted: &Wanted<'_>) -> Result<(), Trouble> {
        let Some(live) = self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?
        else {
            return Ok(());
        };
        let selectors = selectors(&deployment.manifests, wanted, &self.identity);
        let found = self.cluster.list(&deployments(), wanted.namespace(), &self.identity.selector()).await?;
        let (plain, slots): (Vec<Value>, Vec<Value>) =
            found.into_iter().partition(|found| is_declared(&deployment.manifests, found, &self.identity));
        let slots: Vec<Value> = slots.into_iter().filter(|slot| label(slot, marks::SLOT).is_some()).collect();
        let (serving, idle): (Vec<&Value>, Vec<&Value>) =
            slots.iter().partition(|slot| is_served(slot, &live));
        self.stop(wanted, &selectors, &idle).await?;
        self.count_on(deployment, wanted, &selectors, &plain, &serving).await?;
        self.await_ready(wanted, &selectors, &slots).await
    }

    /// Takes the pods of slots away that get no requests now and would get some.
    async fn stop(&self, wanted: &Wanted<'_>, selectors: &[Value], idle: &[&Value]) -> Result<(), Trouble> {
        for slot in idle.iter().filter(|slot| takes(selectors, slot.pointer(POD_LABELS))) {
            let name = slot.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            if desired_count(slot) > 0 {
                let metadata = json!({"uid": slot["metadata"]["uid"],
                    "resourceVersion": slot["metadata"]["resourceVersion"]});
                let patch = json!({"metadata": metadata, "spec": {"replicas": 0}});
                self.cluster.merge_patch(&deployments(), wanted.namespace(), name, &patch).await?;
            }
            let pods = self.pods(wanted, slot.pointer("/spec/selector/matchLabels")).await?;
            if pods.iter().any(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()) {
                return Err(not_yet(
                    wanted,
                    format!(
                        "the pods of Deployment {name} would get its requests, too, and are not gone yet"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Brings what takes over to the number of pods that serves now, where neither Git nor an autoscaler says a number.
    async fn count_on(
        &self,
        deployment: &Deployment,
        wanted: &Wanted<'_>,
        selectors: &[Value],
        plain: &[Value],
        serving: &[&Value],
    ) -> Result<(), Trouble> {
        let count = serving.iter().map(|slot| desired_count(slot)).max().unwrap_or(0);
        for heir in plain.iter().filter(|heir| takes(selectors, heir.pointer(POD_LABELS))) {
            let key = deployments().key_of(heir);
            let documents = deployment.manifests.objects.values();
            let mut documents = documents.filter(|object| is_for(&object.key, &key, &self.identity));
            if documents.any(|object| object.body.pointer("/spec/replicas").is_some())
                || self.has_autoscaler(deployment, &key).await?
            {
                continue;
            }
            if desired_count(heir) < count {
                let patch =
                    json!({"metadata": {"uid": heir["metadata"]["uid"]}, "spec": {"replicas": count}});
                self.cluster.merge_patch(&deployments(), wanted.namespace(), &key.name, &patch).await?;
            }
            let ready = heir.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or(0);
            if ready < u64::from(count) {
                let name = &key.name;
                return Err(not_yet(
                    wanted,
                    format!("{ready} of {count} pods of Deployment {name} are ready, as many as serve now"),
                ));
            }
        }
        Ok(())
    }

    /// That each of the selectors takes a ready pod that is no slot's.
    async fn await_ready(
        &self,
        wanted: &Wanted<'_>,
        selectors: &[Value],
        slots: &[Value],
    ) -> Result<(), Trouble> {
        for selector in selectors {
            let pods = self.pods(wanted, Some(selector)).await?;
            let is_slots = |pod: &Value| {
                let labels = pod.pointer("/metadata/labels");
                slots.iter().any(|slot| selects(slot.pointer("/spec/selector/matchLabels"), labels))
            };
            if !pods.iter().any(|pod| is_ready(pod) && !is_slots(pod)) {
                return Err(not_yet(wanted, "no pod that takes over is ready yet".to_owned()));
            }
        }
        Ok(())
    }

    async fn pods(&self, wanted: &Wanted<'_>, selector: Option<&Value>) -> Result<Vec<Value>, Trouble> {
        let labels = selector.and_then(Value::as_object).into_iter().flatten();
        let labels: Vec<String> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let pods = Resource::known("", "v1", "Pod", "pods", true);
        self.cluster.list(&pods, wanted.namespace(), &labels.join(",")).await
    }

    /// Why a part of a slot can't be deleted now: what sends requests to it, as the cluster has it at this moment.
    pub(super) async fn still_steered(
        &self,
        key: &ObjectKey,
        live: &Value,
    ) -> Result<Option<String>, Trouble> {
        let is_part = key.is("apps", "Deployment") || key.is("", "Service");
        if !is_part || label(live, marks::SLOT).is_none() {
            return Ok(None);
        }
        let routes = self.cluster.kinds().await?;
        let routes = routes.preferred("gateway.networking.k8s.io", "HTTPRoute").cloned();
        let mut found = vec![(key.clone(), live.clone())];
        for resource in [Some(services()), routes].into_iter().flatten() {
            let listed =
                self.cluster.list(&resource, key.namespace.as_deref(), &self.identity.selector()).await?;
            let stays = listed.into_iter().filter(|one| one.pointer("/metadata/deletionTimestamp").is_none());
            found.extend(stays.map(|one| (resource.key_of(&one), one)));
        }
        let protection = Protection::find(found.iter().map(|(key, live)| (key, live)), &[]);
        Ok(protection.steered_by(key).map(|by| format!("{} sends requests to it", by.label())))
    }
}

/// What selects the pods that get the requests of the document.
fn selectors(manifests: &Manifests, wanted: &Wanted<'_>, identity: &Identity) -> Vec<Value> {
    if wanted.key.is("", "Service") {
        return wanted.object.body.pointer(SELECTOR).cloned().into_iter().collect();
    }
    let names: BTreeSet<&str> = backends(&wanted.object.body).collect();
    let is_backend = |key: &ObjectKey| {
        let live = ObjectKey { group: String::new(), kind: "Service".into(), ..wanted.key.clone() };
        names.contains(key.name.as_str())
            && is_for(key, &ObjectKey { name: key.name.clone(), ..live }, identity)
    };
    let services = manifests.objects.values().filter(|object| is_backend(&object.key));
    services.filter_map(|service| service.body.pointer(SELECTOR).cloned()).collect()
}

/// True if a document of this key is about the object of that one.
fn is_for(document: &ObjectKey, live: &ObjectKey, identity: &Identity) -> bool {
    let namespace = document.namespace.as_deref().unwrap_or(identity.namespace());
    document.group == live.group
        && document.kind == live.kind
        && document.name == live.name
        && live.namespace.as_deref() == Some(namespace)
}

fn is_declared(manifests: &Manifests, live: &Value, identity: &Identity) -> bool {
    let key = deployments().key_of(live);
    manifests.objects.keys().any(|document| is_for(document, &key, identity))
}

/// True if a slot's Deployment gets requests by what is live.
fn is_served(slot: &Value, live: &Value) -> bool {
    match live.pointer(SELECTOR) {
        Some(selector) => selects(Some(selector), slot.pointer(POD_LABELS)),
        None => backends(live).any(|name| slot.pointer("/metadata/name").is_some_and(|slot| slot == name)),
    }
}

fn takes(selectors: &[Value], labels: Option<&Value>) -> bool {
    selectors.iter().any(|selector| selects(Some(selector), labels))
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    pod.pointer("/metadata/deletionTimestamp").is_none()
        && conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn not_yet(wanted: &Wanted<'_>, message: String) -> Trouble {
    Trouble { kind: TroubleKind::Transient, doing: format!("moving {}", wanted.key.label()), message }
}
