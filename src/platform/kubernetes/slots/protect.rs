//! What slots need: it is kept although Git no longer has it.

use crate::model::{ObjectKey, marks, selects};
use crate::plan::references;
use crate::platform::kubernetes::applyset::label;
use crate::platform::kubernetes::slot::group_of;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Why members are kept, and what requests reach them by.
#[derive(Default)]
pub(in crate::platform::kubernetes) struct Protection {
    reasons: BTreeMap<ObjectKey, String>,
    steered_by: BTreeMap<ObjectKey, ObjectKey>,
    target_groups: BTreeMap<ObjectKey, BTreeSet<String>>,
}

impl Protection {
    /// Looks at all members, and at what the cluster has of declared slots.
    pub fn find<'a>(
        members: impl Iterator<Item = (&'a ObjectKey, &'a Value)>,
        slots: &'a [(ObjectKey, Value)],
    ) -> Protection {
        let declared: BTreeMap<&ObjectKey, &Value> = slots.iter().map(|(key, live)| (key, live)).collect();
        let mut found: BTreeMap<&ObjectKey, &Value> = members.collect();
        found.extend(declared.clone());
        let is_slot =
            |key: &ObjectKey, live: &Value| label(live, marks::SLOT).is_some() || declared.contains_key(key);
        let of = |group: &'static str, kind: &'static str| {
            found.iter().map(|(key, live)| (*key, *live)).filter(move |(key, _)| key.is(group, kind))
        };
        let mut protection = Protection::default();
        for (key, deployment) in of("apps", "Deployment").filter(|(key, live)| is_slot(key, live)) {
            let why = format!("{} refers to it, and may be what a revert brings back", key.label());
            for named in references(deployment) {
                protection.reasons.entry(named).or_insert_with(|| why.clone());
            }
            let pods = deployment.pointer("/spec/template/metadata/labels");
            for (service, live) in of("", "Service").filter(|(service, _)| service.namespace == key.namespace)
            {
                let selector = live.pointer("/spec/selector");
                let names_a_slot = selector.is_some_and(|selector| selector.get(marks::SLOT).is_some());
                // A slot's own Service selects it, too, and says nothing about requests.
                if names_a_slot && !is_slot(service, live) && selects(selector, pods) {
                    protection.steered_by.insert(key.clone(), service.clone());
                }
            }
        }
        for (route, live) in of("gateway.networking.k8s.io", "HTTPRoute") {
            for name in backends(live) {
                for (group, kind) in [("", "Service"), ("apps", "Deployment")] {
                    let (namespace, name) = (route.namespace.clone(), name.to_owned());
                    let key = ObjectKey { group: group.into(), kind: kind.into(), namespace, name };
                    if found.get(&key).is_some_and(|live| is_slot(&key, live)) {
                        protection.steered_by.insert(key, route.clone());
                    }
                }
            }
        }
        protection.bind(&found);
        protection
    }

    /// Notes the target groups that are filled by each binding, by the Service behind it, and by the pods behind that.
    fn bind(&mut self, found: &BTreeMap<&ObjectKey, &Value>) {
        let bindings = found.iter().filter(|(key, _)| key.is("elbv2.k8s.aws", "TargetGroupBinding"));
        for (binding, live) in bindings {
            let Some(group) = group_of(live) else { continue };
            let mut note = |key: &ObjectKey| {
                self.target_groups.entry(key.clone()).or_default().insert(group.to_owned());
            };
            note(binding);
            let named = live.pointer("/spec/serviceRef/name").and_then(Value::as_str).unwrap_or_default();
            let services = found.iter().filter(|(key, _)| {
                key.is("", "Service") && key.name == named && key.namespace == binding.namespace
            });
            for (service, live) in services {
                note(service);
                let selector = live.pointer("/spec/selector");
                let deployments = found.iter().filter(|(key, live)| {
                    key.is("apps", "Deployment")
                        && key.namespace == service.namespace
                        && selects(selector, live.pointer("/spec/template/metadata/labels"))
                });
                deployments.for_each(|(key, _)| note(key));
            }
        }
    }

    /// A sentence if this is kept because something refers to it.
    pub fn reason(&self, key: &ObjectKey) -> Option<&str> {
        self.reasons.get(key).map(String::as_str)
    }

    /// The Service or route that sends requests to this slot.
    pub fn steered_by(&self, key: &ObjectKey) -> Option<&ObjectKey> {
        self.steered_by.get(key)
    }

    /// The target groups whose targets go with this.
    pub fn target_groups(&self, key: &ObjectKey) -> Vec<String> {
        self.target_groups.get(key).into_iter().flatten().cloned().collect()
    }
}

/// The Services that a route gives weight to.
pub(in crate::platform::kubernetes) fn backends(route: &Value) -> impl Iterator<Item = &str> {
    let rules = route.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten();
    let backends = rules.flat_map(|rule| rule["backendRefs"].as_array().into_iter().flatten());
    let weighted = backends.filter(|backend| backend.get("weight").is_none_or(|weight| *weight != 0));
    weighted.filter_map(|backend| backend["name"].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(group: &str, kind: &str, name: &str) -> ObjectKey {
        ObjectKey {
            group: group.into(),
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: name.into(),
        }
    }

    fn slot(name: &str, slot: &str) -> (ObjectKey, Value) {
        let pods = json!({"metadata": {"labels": {"app": "web", marks::SLOT: slot}},
            "spec": {"volumes": [{"name": "a", "configMap": {"name": format!("{name}-files")}}]}});
        let body = json!({"metadata": {"name": name, "namespace": "shop", "labels": {marks::SLOT: slot}}, "spec": {"template": pods}});
        (key("apps", "Deployment", name), body)
    }

    #[test]
    fn what_a_slot_refers_to_and_a_slot_that_gets_requests_are_kept() {
        let service = |name: &str, selector: Value, labels: Value| {
            (
                key("", "Service", name),
                json!({"metadata": {"labels": labels}, "spec": {"selector": selector}}),
            )
        };
        let route = json!({"spec": {"rules": [{"backendRefs": [{"name": "api-blue", "weight": 0}, {"name": "api-green", "weight": 1}]}]}});
        let found = [
            slot("web-blue", "blue"),
            slot("web-green", "green"),
            slot("api-green", "green"),
            service("web", json!({"app": "web", marks::SLOT: "blue"}), json!({})),
            service("web-green", json!({"app": "web", marks::SLOT: "green"}), json!({marks::SLOT: "green"})),
            service("all", json!({"app": "web"}), json!({})),
            (key("gateway.networking.k8s.io", "HTTPRoute", "api"), route),
        ];
        let protection = Protection::find(found.iter().map(|(key, live)| (key, live)), &[]);
        let reason = |group, kind, name| protection.reason(&key(group, kind, name));
        assert_eq!(
            reason("", "ConfigMap", "web-green-files"),
            Some("Deployment/shop/web-green refers to it, and may be what a revert brings back")
        );
        assert_eq!(reason("", "ConfigMap", "other"), None);
        let steered = |name| protection.steered_by(&key("apps", "Deployment", name)).map(ObjectKey::label);
        assert_eq!(steered("web-blue").as_deref(), Some("Service/shop/web"));
        assert_eq!(steered("web-green"), None);
        assert_eq!(steered("api-green").as_deref(), Some("HTTPRoute/shop/api"));
    }

    #[test]
    fn a_target_groups_binding_service_and_deployment_stand_together() {
        let binding = json!({"spec": {"serviceRef": {"name": "web-blue"}, "targetGroupName": "blue"}});
        let service = json!({"metadata": {"labels": {marks::SLOT: "blue"}}, "spec": {"selector": {marks::SLOT: "blue"}}});
        let found = [
            (key("elbv2.k8s.aws", "TargetGroupBinding", "web-blue"), binding),
            (key("", "Service", "web-blue"), service),
            slot("web-blue", "blue"),
            slot("web-green", "green"),
        ];
        let protection = Protection::find(found.iter().map(|(key, live)| (key, live)), &[]);
        let groups: Vec<usize> = found.iter().map(|(key, _)| protection.target_groups(key).len()).collect();
        assert_eq!(groups, [1, 1, 1, 0]);
    }
}
