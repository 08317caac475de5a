//! The Service or HTTPRoute that a BlueGreen steers by. It is an object like any other, but for what says which slot is
//! reached: that is the rollout's, and stays as it is live.

use super::Kubernetes;
use super::desired::Wanted;
use crate::engine::{Deployment, Rollout, Trouble, WorkloadDocuments};
use crate::kubernetes::Resource;
use crate::model::{BlueGreen, BySlot, ClusterTraffic, ObjectKey, Slot, Weights, marks};
use crate::rollout::{Progress, Record};
use serde_json::Value;

const SELECTOR: &str = "/spec/selector";

impl Kubernetes {
    /// Brings what will be applied over `live` to where traffic goes now. The answer has the fields that are left alone.
    pub(super) async fn steer(
        &self,
        deployment: &Deployment,
        wanted: &Wanted<'_>,
        body: &mut Value,
        live: Option<&Value>,
    ) -> Result<Vec<String>, Trouble> {
        let Some(rollout) = steering(deployment, &wanted.key, self.identity.namespace()) else {
            return Ok(vec![]);
        };
        let is_route = wanted.key.kind == "HTTPRoute";
        if live.is_some() && !is_route {
            return Ok(vec![SELECTOR.into()]);
        }
        let services = BySlot::from_fn(|slot| rollout.slot_service(slot));
        let known = live.and_then(|live| weights(live, &services));
        let weights = match known {
            Some(weights) => weights,
            None => Weights::percent(self.serving(&rollout, wanted.namespace()).await?, 100),
        };
        match is_route {
            true => name_backends(body, &rollout, &services, weights),
            false => select(body, &rollout, if weights.blue > 0 { Slot::Blue } else { Slot::Green }),
        }
        Ok(vec![])
    }

    /// The slot that something new shall reach: the one that serves by the notes on the slots' Deployments; an adopted
    /// one; on a first deploy blue, which has no pods then, so that nobody reaches a version before its gate.
    async fn serving(&self, rollout: &Rollout, namespace: Option<&str>) -> Result<Slot, Trouble> {
        let deployments = Resource::known("apps", "v1", "Deployment", "deployments", true);
        let names = Slot::BOTH.map(|slot| rollout.slot_name(slot));
        let get = |name| self.cluster.get(&deployments, namespace, name);
        let (blue, green) = tokio::try_join!(get(&names[0]), get(&names[1]))?;
        let record = |live: Option<Value>| {
            let annotations = live?.pointer("/metadata/annotations").cloned()?;
            Record::from_tag(annotations.get(marks::RECORD)?.as_str()?)
        };
        let records = BySlot { blue: record(blue), green: record(green) };
        let adopted = || Slot::BOTH.into_iter().find(|slot| rollout.blue_green.is_adopted(*slot));
        Ok(serving_by(&records).or_else(adopted).unwrap_or(Slot::Blue))
    }
}

/// True for what a BlueGreen steers by.
pub(super) fn is_steered(deployment: &Deployment, key: &ObjectKey, own_namespace: &str) -> bool {
    steering(deployment, key, own_namespace).is_some()
}

/// The rollout that is steered by an object.
fn steering(deployment: &Deployment, key: &ObjectKey, own_namespace: &str) -> Option<Rollout> {
    let by = |blue_green: &&BlueGreen| match &blue_green.traffic {
        Some(ClusterTraffic::Service(name)) => key.is("", "Service") && *name == key.name,
        Some(ClusterTraffic::HttpRoute(name)) => {
            key.is("gateway.networking.k8s.io", "HTTPRoute") && *name == key.name
        }
        None => false,
    };
    let blue_green = deployment.manifests.blue_greens.values().find(by)?;
    let rollouts = deployment.rollouts().into_iter();
    rollouts.filter(|rollout| rollout.blue_green.name == blue_green.name).find(|rollout| {
        let namespace = rollout.namespace().unwrap_or(own_namespace);
        key.namespace.as_deref().unwrap_or(own_namespace) == namespace
    })
}

/// The slot that serves by what the last note says. A candidate in the middle of its steps does not count.
fn serving_by(records: &BySlot<Option<Record>>) -> Option<Slot> {
    let noted = |slot| records.get(slot).as_ref().map(|record| (slot, record));
    let (slot, record) =
        Slot::BOTH.into_iter().filter_map(noted).max_by_key(|(_, record)| record.sequence)?;
    match record.progress {
        Progress::Done(_) | Progress::Baking(_) | Progress::Returning { .. } => Some(slot),
        Progress::Rolling | Progress::Ready | Progress::Shifting { .. } | Progress::Failed(_) => record.from,
    }
}

/// Makes a new Service select one slot's pods.
fn select(body: &mut Value, rollout: &Rollout, slot: Slot) {
    let WorkloadDocuments::Kubernetes(documents) = &rollout.workload else { return };
    let Some(selector) = body.pointer_mut(SELECTOR).and_then(Value::as_object_mut) else { return };
    let own = documents.deployment.body.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    for (key, value) in selector.iter_mut() {
        if let (true, Value::String(value)) = (own.is_some_and(|own| own.contains_key(key)), value) {
            *value = rollout.blue_green.slot_label(slot, value);
        }
    }
    if !rollout.blue_green.is_adopted(slot) {
        selector.insert(marks::SLOT.into(), slot.name().into());
    }
}

/// Puts both slots' Services in place of the user's, or of either slot's, in each rule that names one of them.
fn name_backends(body: &mut Value, rollout: &Rollout, services: &BySlot<String>, weights: Weights) {
    let WorkloadDocuments::Kubernetes(documents) = &rollout.workload else { return };
    let own = documents.service.as_ref().map(|service| service.key.name.as_str());
    let stands_for = |backend: &Value| {
        is_service(backend)
            && backend["name"].as_str().is_some_and(|name| {
                Some(name) == own || services.find(|_, service| service == name).is_some()
            })
    };
    for rule in body.pointer_mut("/spec/rules").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(refs) = rule.get_mut("backendRefs").and_then(Value::as_array_mut) else { continue };
        let Some(place) = refs.iter().position(stands_for) else { continue };
        let ours = refs.iter().filter(|backend| stands_for(backend));
        let is_alone = ours.clone().count() == refs.len();
        // Beside other backends, the slots share what is written for them; alone, they share 100.
        let total = if is_alone { 100 } else { ours.map(weight).sum() };
        let pattern = refs[place].clone();
        refs.retain(|backend| !stands_for(backend));
        let sum = (u64::from(weights.blue) + u64::from(weights.green)).max(1);
        let blue = total * u64::from(weights.blue) / sum;
        for (slot, weight) in [(Slot::Green, total - blue), (Slot::Blue, blue)] {
            let mut backend = pattern.clone();
            backend["name"] = services.get(slot).as_str().into();
            backend["weight"] = weight.into();
            refs.insert(place.min(refs.len()), backend);
        }
    }
}

/// The weights that a live route gives to the slots: those of the first rule that names one.
fn weights(live: &Value, services: &BySlot<String>) -> Option<Weights> {
    let rules = live.pointer("/spec/rules")?.as_array()?;
    rules.iter().find_map(|rule| {
        let refs = rule.get("backendRefs")?.as_array()?;
        let of = |slot: Slot| {
            let named =
                |backend: &&Value| is_service(backend) && backend["name"] == services.get(slot).as_str();
            refs.iter().find(named).map(|backend| u32::try_from(weight(backend)).unwrap_or(u32::MAX / 200))
        };
        match (of(Slot::Blue), of(Slot::Green)) {
            (None, None) => None,
            (Some(_), None) => Some(Weights::percent(Slot::Blue, 100)),
            (None, Some(_)) => Some(Weights::percent(Slot::Green, 100)),
            (Some(blue), Some(green)) => Some(Weights { blue, green }),
        }
    })
}

/// True for a backendRef to a Service of the route's own namespace.
fn is_service(backend: &Value) -> bool {
    let text = |field: &str| backend.get(field).and_then(Value::as_str);
    text("kind").is_none_or(|kind| kind == "Service")
        && text("group").is_none_or(str::is_empty)
        && text("namespace").is_none()
}

fn weight(backend: &Value) -> u64 {
    backend.get("weight").and_then(Value::as_u64).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::KubernetesDocuments;
    use crate::model::{RevisionId, SlotName, Timestamp, Turn};
    use crate::platform::kubernetes::desired::tests::object;
    use serde_json::json;

    fn rollout(slots: Value) -> Rollout {
        let deployment = object(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web", "tier": "front"}}}}}),
        );
        let service = object(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}));
        let mut blue_green: BlueGreen = serde_json::from_value(json!({
            "workloadRef": {"kind": "Deployment", "name": "web"}, "container": {"name": "app", "port": 8080},
            "traffic": {"service": "web"}}))
        .expect("a BlueGreen");
        let named = |slot: &str| {
            let deployment = slots[slot].as_str()?.to_owned();
            Some(SlotName { deployment: Some(deployment), ..SlotName::default() })
        };
        blue_green.slots = BySlot { blue: named("blue"), green: named("green") };
        Rollout {
            application: "shop".into(),
            commit: "c0ffee".into(),
            blue_green,
            workload: WorkloadDocuments::Kubernetes(KubernetesDocuments {
                deployment,
                service: Some(service),
                carried: vec![],
                force_conflicts: false,
                ignore_differences: vec![],
            }),
            turn: Turn::default(),
        }
    }

    #[test]
    fn a_new_service_selects_one_slots_pods_only() {
        let selector = |slots: Value, slot| {
            let mut body = json!({"spec": {"selector": {"app": "web", "tier": "front"}}});
            select(&mut body, &rollout(slots), slot);
            body["spec"]["selector"].clone()
        };
        let blue = json!({"app": "web", "tier": "front", marks::SLOT: "blue"});
        assert_eq!(selector(json!({}), Slot::Blue), blue);
        let adopted = json!({"blue": "web"});
        assert_eq!(selector(adopted.clone(), Slot::Blue), json!({"app": "web", "tier": "front"}));
        let beside = json!({"app": "web-green", "tier": "front", marks::SLOT: "green"});
        assert_eq!(selector(adopted, Slot::Green), beside);
    }

    #[test]
    fn a_route_names_both_slots_where_the_documents_name_the_service() {
        let backend = |name: &str, weight: u64| json!({"name": name, "port": 80, "weight": weight});
        let services = BySlot { blue: "web-blue".to_owned(), green: "web-green".to_owned() };
        let mut body = json!({"spec": {"rules": [
            {"backendRefs": [{"name": "web", "port": 80}], "matches": [1]},
            {"backendRefs": [backend("other", 10), backend("web-green", 90), backend("web", 0)]},
            {"backendRefs": [backend("other", 1), {"name": "web", "namespace": "elsewhere"}]},
            {"filters": []},
        ]}});
        name_backends(&mut body, &rollout(json!({})), &services, Weights { blue: 1, green: 9 });
        assert_eq!(
            body,
            json!({"spec": {"rules": [
                {"backendRefs": [backend("web-blue", 10), backend("web-green", 90)], "matches": [1]},
                {"backendRefs": [backend("other", 10), backend("web-blue", 9), backend("web-green", 81)]},
                {"backendRefs": [backend("other", 1), {"name": "web", "namespace": "elsewhere"}]},
                {"filters": []},
            ]}})
        );
        assert_eq!(weights(&body, &services), Some(Weights { blue: 10, green: 90 }));
    }

    #[test]
    fn what_is_made_anew_reaches_the_slot_that_serves() {
        let record = |sequence, from, progress| {
            let revision = RevisionId("a".into());
            Some(Record {
                sequence,
                revision,
                from,
                started: Timestamp(1),
                progress,
                intent: Default::default(),
            })
        };
        let done = || record(1, None, Progress::Done(Timestamp(1)));
        let rolling = record(2, Some(Slot::Green), Progress::Rolling);
        for (records, serves) in [
            (BySlot { blue: None, green: None }, None),
            (BySlot { blue: None, green: done() }, Some(Slot::Green)),
            (BySlot { blue: rolling, green: done() }, Some(Slot::Green)),
            (
                BySlot { blue: record(2, Some(Slot::Green), Progress::Baking(Timestamp(1))), green: done() },
                Some(Slot::Blue),
            ),
        ] {
            assert_eq!(serving_by(&records), serves, "{records:?}");
        }
    }
}
