//! Reads slots. One look at a workload is two requests for each kind of object that its slots have, one for all bindings
//! of the namespace, and one list of pods for each slot that has any.

use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::Resource;
use crate::model::{BySlot, ObjectKey, Slot, marks};
use crate::platform::kubernetes::slot::{LiveSlot, Steered, desired_count, seen_slot};
use crate::platform::kubernetes::{Found, Kubernetes};
use crate::rollout::{SlotObservation, Stage, Workload};
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::time::Instant;

pub(super) fn deployments() -> Resource {
    Resource::known("apps", "v1", "Deployment", "deployments", true)
}

pub(super) fn services() -> Resource {
    Resource::known("", "v1", "Service", "services", true)
}

fn pods() -> Resource {
    Resource::known("", "v1", "Pod", "pods", true)
}

impl Kubernetes {
    pub(super) async fn read_slots(&self, steered: &Steered<'_>) -> Result<BySlot<SlotObservation>, Trouble> {
        let live = self.live_slots(steered).await?;
        let [blue, green] = Slot::BOTH.map(|slot| self.look_at_slot(steered, slot, live.get(slot)));
        let (blue, green) = tokio::try_join!(blue, green)?;
        Ok(BySlot { blue, green })
    }

    /// Everything that the cluster has of both slots, pods aside.
    pub(super) async fn live_slots(&self, steered: &Steered<'_>) -> Result<BySlot<LiveSlot>, Trouble> {
        let bindings = self.bindings(steered);
        let [blue, green] = Slot::BOTH.map(|slot| self.live_slot(steered, slot));
        let (bindings, blue, green) = tokio::try_join!(bindings, blue, green)?;
        let mut slots = BySlot { blue, green };
        for slot in Slot::BOTH {
            slots.get_mut(slot).bind(steered, slot, &bindings).map_err(|message| Trouble {
                kind: TroubleKind::Rejected,
                doing: format!("reading the {slot} slot of BlueGreen/{}", steered.rollout.blue_green.name),
                message,
            })?;
        }
        Ok(slots)
    }

    async fn live_slot(&self, steered: &Steered<'_>, slot: Slot) -> Result<LiveSlot, Trouble> {
        let name = steered.rollout.slot_name(slot);
        let namespace = Some(steered.namespace);
        let (resources, keys) = (self.carried_resources(steered).await?, steered.carried_keys(slot));
        let carried = resources.iter().zip(&keys);
        let carried = carried.map(|(resource, key)| self.cluster.get(resource, namespace, &key.name));
        let (deployments, services) = (deployments(), services());
        let service = steered.service_key(slot).name;
        let (deployment, service, carried) = tokio::try_join!(
            self.cluster.get(&deployments, namespace, &name),
            self.cluster.get(&services, namespace, &service),
            try_join_all(carried),
        )?;
        let found = deployment.iter().chain(&service).chain(carried.iter().flatten());
        for object in found {
            self.refuse_other_owner(steered, object).await?;
        }
        Ok(LiveSlot { deployment, service, carried, ..LiveSlot::default() })
    }

    /// Another application's objects are neither read as a slot's nor written.
    async fn refuse_other_owner(&self, steered: &Steered<'_>, object: &Value) -> Result<(), Trouble> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default();
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let key = ObjectKey {
            group: api_version.split_once('/').map_or("", |(group, _)| group).to_owned(),
            kind: kind.to_owned(),
            namespace: Some(text("namespace").to_owned()),
            name: text("name").to_owned(),
        };
        let document = &steered.documents.deployment.body;
        let Some(message) = self.owned_by_others(&key, document, object).await? else { return Ok(()) };
        Err(Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("BlueGreen/{}", steered.rollout.blue_green.name),
            message: format!("its slot's {kind}/{}/{}: {message}", text("namespace"), text("name")),
        })
    }

    /// All TargetGroupBindings of the namespace, where slots need them.
    async fn bindings(&self, steered: &Steered<'_>) -> Result<Vec<Value>, Trouble> {
        if steered.target_group(Slot::Blue).is_none() {
            return Ok(vec![]);
        }
        let resource = self.resource_of(&steered.binding_key(Slot::Blue), "elbv2.k8s.aws/v1beta1").await?;
        self.cluster.list(&resource, Some(steered.namespace), "").await
    }

    async fn carried_resources(&self, steered: &Steered<'_>) -> Result<Vec<Resource>, Trouble> {
        let documents = &steered.documents.carried;
        try_join_all(documents.iter().map(|object| self.resource_of(&object.key, &object.api_version))).await
    }

    /// The kind of a slot's part in the version that its document is written in.
    pub(super) async fn resource_of(&self, key: &ObjectKey, api_version: &str) -> Result<Resource, Trouble> {
        match (key.group.as_str(), key.kind.as_str()) {
            ("apps", "Deployment") => return Ok(deployments()),
            ("", "Service") => return Ok(services()),
            _ => {}
        }
        let mut kinds = self.cluster.kinds().await?;
        if kinds.find(api_version, &key.kind).is_none() {
            kinds = self.cluster.refresh_kinds().await?;
        }
        if let Some(resource) = kinds.find(api_version, &key.kind) {
            return Ok(resource.clone());
        }
        let kind = &key.kind;
        let message = match kinds.uncertainty(&key.group) {
            Some(why) => return Err(missing_kind(key, TroubleKind::Transient, why)),
            None if kind == "TargetGroupBinding" => {
                "the cluster has no TargetGroupBindings, by which pods become targets of a load balancer: install \
                 aws-load-balancer-controller, or let Kubernetes steer the requests with `traffic: {service: …}` in place \
                 of `alb`"
                    .to_owned()
            }
            None => format!(
                "the cluster has no kind {kind} of {api_version}; {}",
                kinds.suggestion(api_version, kind)
            ),
        };
        Err(missing_kind(key, TroubleKind::Rejected, message))
    }

    /// Compares one slot with the documents and looks at its pods.
    async fn look_at_slot(
        &self,
        steered: &Steered<'_>,
        slot: Slot,
        live: &LiveSlot,
    ) -> Result<SlotObservation, Trouble> {
        let Some(deployment) = &live.deployment else { return Ok(SlotObservation::default()) };
        let (content, pods) =
            tokio::try_join!(self.content_of(steered, slot, live), self.pods_of_slot(steered, deployment))?;
        let seen = seen_slot(steered, live, &pods, content, &Found::default());
        match &seen.workload {
            Workload::Present { stage: Stage::InProgress | Stage::Failed, desired_count: 1.., .. } => {
                let found = self.watches.troubles(deployment, self.unsteady_since(deployment)).await;
                Ok(seen_slot(steered, live, &pods, content, &found))
            }
            _ => {
                self.looks.known().unsteady.remove(uid(deployment));
                Ok(seen)
            }
        }
    }

    /// The pods that the Deployment's selector takes.
    async fn pods_of_slot(&self, steered: &Steered<'_>, deployment: &Value) -> Result<Vec<Value>, Trouble> {
        let has_pods = deployment.pointer("/status/replicas").and_then(Value::as_u64).unwrap_or(0) > 0;
        if !has_pods && desired_count(deployment) == 0 {
            return Ok(vec![]);
        }
        let selector = selector_text(deployment.pointer("/spec/selector").unwrap_or(&Value::Null));
        self.cluster.list(&pods(), Some(steered.namespace), &selector).await
    }

    /// Since when this run has seen the Deployment not at rest with what it runs now.
    fn unsteady_since(&self, deployment: &Value) -> Instant {
        let content = deployment["metadata"]["annotations"][marks::CONTENT].as_str().unwrap_or_default();
        let mut known = self.looks.known();
        let new = (content.to_owned(), Instant::now());
        let since = known.unsteady.entry(uid(deployment).to_owned()).or_insert_with(|| new.clone());
        if since.0 != new.0 {
            *since = new;
        }
        since.1
    }
}

fn missing_kind(key: &ObjectKey, kind: TroubleKind, message: String) -> Trouble {
    Trouble { kind, doing: format!("looking up {}", key.label()), message }
}

pub(super) fn uid(object: &Value) -> &str {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
}

/// A Deployment's selector as a list takes it.
fn selector_text(selector: &Value) -> String {
    let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    let expressions = expressions.filter_map(|expression| {
        let key = expression["key"].as_str()?;
        let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let values = values.collect::<Vec<_>>().join(",");
        Some(match expression["operator"].as_str()? {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        })
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_is_written_as_lists_take_it() {
        let selector = json!({"matchLabels": {"app": "web", "cutover.dev/slot": "blue"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"},
            {"key": "new", "operator": "Exists"}, {"key": "x", "operator": "NotIn", "values": ["y"]}]});
        assert_eq!(
            selector_text(&selector),
            "app=web,cutover.dev/slot=blue,tier in (a,b),!old,new,x notin (y)"
        );
        assert_eq!(selector_text(&Value::Null), "");
    }
}
