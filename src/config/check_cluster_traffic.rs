//! What a BlueGreen that steers requests without an ELB must say, and what it asks of the Service or HTTPRoute.

use super::envelope::Document;
use super::forms::{items, text};
use super::problems::Problems;
use crate::model::{BlueGreen, ClusterTraffic, Manifests, Object, Slot, selects};
use serde_json::Value;

/// What follows from the BlueGreen alone.
pub fn check_without_alb(document: &Document, blue_green: &BlueGreen, problems: &mut Problems) {
    let Some(traffic) = &blue_green.traffic else { return };
    if !blue_green.gates.http.is_empty() {
        let message = "is asked through the test rule of an alb, and traffic has none; a readinessProbe asks the same of \
                       each pod";
        problems.note(document, "gates.http", message);
    }
    for slot in Slot::BOTH {
        if blue_green.slots.get(slot).as_ref().is_some_and(|named| named.target_group.is_some()) {
            let message = "a target group belongs to an alb; with traffic there is none";
            problems.note(document, &format!("slots.{slot}.targetGroup"), message);
        }
    }
    let is_straight = blue_green.steps.iter().all(|step| step.weight == 100);
    if matches!(traffic, ClusterTraffic::Service(_)) && !is_straight {
        let message = "a Service sends all requests to one slot or to the other and knows no shares; leave steps out, or \
                       use traffic.httpRoute or alb";
        problems.note(document, "steps", message);
    }
}

/// What the named Service or HTTPRoute must be.
pub fn check_cluster_traffic(
    document: &Document,
    blue_green: &BlueGreen,
    deployment: &Object,
    manifests: &Manifests,
    problems: &mut Problems,
) {
    match &blue_green.traffic {
        None => {}
        Some(ClusterTraffic::Service(name)) => {
            let of = Wanted { group: "", kind: "Service", name, field: "traffic.service" };
            let Some(service) = of.find(document, deployment, manifests, problems) else { return };
            let labels = deployment.body.pointer("/spec/template/metadata/labels");
            if !selects(service.body.pointer("/spec/selector"), labels) {
                let message = format!(
                    "the selector of {} ({}) does not take the pods of {}",
                    service.label(),
                    service.origin,
                    deployment.label()
                );
                problems.note(document, "traffic.service", message);
            }
        }
        Some(ClusterTraffic::HttpRoute(name)) => {
            let group = "gateway.networking.k8s.io";
            let of = Wanted { group, kind: "HTTPRoute", name, field: "traffic.httpRoute" };
            let Some(route) = of.find(document, deployment, manifests, problems) else { return };
            let mut names: Vec<String> =
                Slot::BOTH.map(|slot| blue_green.slot_workload(slot, &deployment.key.name)).into();
            let service = manifests.service_of(deployment);
            names.extend(service.map(|service| service.key.name.clone()));
            if !names_backend(route, &names) {
                let service = match service {
                    Some(service) => service.key.name.clone(),
                    None => names.join(" and "),
                };
                let message = format!(
                    "no backendRefs of {} ({}) name the Service that stands for the slots; name {service} there",
                    route.label(),
                    route.origin
                );
                problems.note(document, "traffic.httpRoute", message);
            }
        }
    }
}

fn names_backend(route: &Object, names: &[String]) -> bool {
    let rules = route.body.get("spec").map_or(&[][..], |spec| items(spec, "rules"));
    rules.iter().flat_map(|rule| items(rule, "backendRefs")).any(|backend: &Value| {
        let is_service = text(backend, "kind").is_none_or(|kind| kind == "Service")
            && text(backend, "group").is_none_or(str::is_empty);
        is_service && text(backend, "name").is_some_and(|name| names.iter().any(|known| known == name))
    })
}

/// A document that a field names.
struct Wanted<'a> {
    group: &'a str,
    kind: &'a str,
    name: &'a str,
    field: &'a str,
}

impl Wanted<'_> {
    fn find<'m>(
        &self,
        document: &Document,
        deployment: &Object,
        manifests: &'m Manifests,
        problems: &mut Problems,
    ) -> Option<&'m Object> {
        let beside = || {
            manifests.objects.values().filter(|object| {
                object.key.is(self.group, self.kind) && object.key.namespace == deployment.key.namespace
            })
        };
        let found = beside().find(|object| object.key.name == self.name);
        if found.is_none() {
            let hint = problems.guess(self.name, beside().map(|object| object.key.name.as_str()));
            let place =
                deployment.key.namespace.as_ref().map(|n| format!(" in namespace {n}")).unwrap_or_default();
            let message = format!("there is no {} document \"{}\"{place}{hint}", self.kind, self.name);
            problems.note(document, self.field, message);
        }
        found
    }
}
