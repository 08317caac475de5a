//! Services, Ingresses, gateways and routes.

use super::{Case, DEGRADED, HEALTHY, PROGRESSING, check, with};
use serde_json::{Value, json};

#[test]
fn only_a_load_balancer_service_is_waited_for() {
    let service = |kind: &str, status: Value| json!({"apiVersion": "v1", "kind": "Service", "spec": {"type": kind}, "status": status});
    let address =
        json!({"loadBalancer": {"ingress": [{"hostname": "k8s-x.elb.eu-central-1.amazonaws.com"}]}});
    check([
        (service("ClusterIP", json!({"loadBalancer": {}})), HEALTHY, false, ""),
        (service("ExternalName", json!({})), HEALTHY, false, ""),
        (
            service("LoadBalancer", json!({"loadBalancer": {}})),
            PROGRESSING,
            false,
            "its load balancer has no address yet",
        ),
        (service("LoadBalancer", address), HEALTHY, false, ""),
    ]);
}

#[test]
fn an_ingress_without_an_address_is_waited_for_only_if_its_controller_writes_one() {
    let ingress = |patch| {
        with(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"generation": 1}, "status": {"loadBalancer": {}}}),
            patch,
        )
    };
    let silent = "shows no address; not every ingress controller writes one, so it is not awaited";
    let waiting = "its load balancer has no address yet";
    check([
        (ingress(json!({})), HEALTHY, false, silent),
        (ingress(json!({"spec": {"ingressClassName": "nginx"}})), HEALTHY, false, silent),
        (ingress(json!({"spec": {"ingressClassName": "alb"}})), PROGRESSING, false, waiting),
        (
            ingress(json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "alb"}}})),
            PROGRESSING,
            false,
            waiting,
        ),
        (
            ingress(
                json!({"spec": {"ingressClassName": "shop"}, "metadata": {"finalizers": ["ingress.k8s.aws/resources"]}}),
            ),
            PROGRESSING,
            false,
            waiting,
        ),
        (
            ingress(
                json!({"spec": {"ingressClassName": "alb"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}),
            ),
            HEALTHY,
            false,
            "",
        ),
    ]);
}

#[test]
fn a_target_group_binding_is_at_rest_when_its_controller_has_seen_it() {
    let binding = |seen: Value| json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": {"generation": 2}, "status": {"observedGeneration": seen}});
    check([
        (binding(json!(2)), HEALTHY, false, ""),
        (binding(json!(1)), PROGRESSING, false, "its controller has not seen the latest change yet"),
        (binding(json!(null)), PROGRESSING, false, "the load balancer controller has not looked at it yet"),
    ]);
}

fn condition(kind: &str, status: &str, reason: &str, seen: u64) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": "", "observedGeneration": seen})
}

#[test]
fn a_gateway_is_accepted_and_programmed_for_its_present_spec() {
    let gateway = |conditions: Value| {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"generation": 2},
            "spec": {"gatewayClassName": "cilium"}, "status": {"conditions": conditions}})
    };
    let accepted = condition("Accepted", "True", "Accepted", 2);
    check([
        (gateway(json!([accepted, condition("Programmed", "True", "Programmed", 2)])), HEALTHY, false, ""),
        (
            gateway(json!([accepted, condition("Programmed", "True", "Programmed", 1)])),
            PROGRESSING,
            false,
            "is not programmed yet",
        ),
        (
            gateway(json!([accepted, condition("Programmed", "False", "AddressNotAssigned", 2)])),
            PROGRESSING,
            false,
            "AddressNotAssigned",
        ),
        (
            gateway(json!([condition("Accepted", "Unknown", "Pending", 0)])),
            PROGRESSING,
            false,
            "no controller of class cilium has accepted it yet",
        ),
        (
            gateway(json!([condition("Accepted", "False", "InvalidParameters", 2)])),
            DEGRADED,
            false,
            "is not accepted: InvalidParameters (InvalidParameters)",
        ),
    ]);
}

#[test]
fn a_route_is_healthy_when_every_parent_accepts_it_and_finds_its_backends() {
    let route = |parents: Value| {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"generation": 3, "namespace": "shop"},
            "spec": {"parentRefs": [{"name": "front"}, {"name": "inner", "namespace": "infra"}]},
            "status": {"parents": parents}})
    };
    let parent = |reference: Value, conditions: Value| json!({"parentRef": reference, "controllerName": "example.com/gateway", "conditions": conditions});
    // Controllers fill in the defaults.
    let front = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front"});
    let inner = json!({"name": "inner", "namespace": "infra"});
    let good = json!([
        condition("Accepted", "True", "Accepted", 3),
        condition("ResolvedRefs", "True", "ResolvedRefs", 3)
    ]);
    let old = json!([condition("Accepted", "True", "Accepted", 2)]);
    let unresolved = json!([
        condition("Accepted", "True", "Accepted", 3),
        condition("ResolvedRefs", "False", "BackendNotFound", 3)
    ]);
    let refused = json!([condition("Accepted", "False", "NoMatchingListenerHostname", 3)]);
    let cases: [Case; 6] = [
        (
            route(json!([parent(front.clone(), good.clone()), parent(inner.clone(), good.clone())])),
            HEALTHY,
            false,
            "",
        ),
        (
            route(json!([parent(front.clone(), good.clone())])),
            PROGRESSING,
            false,
            "gateway inner has not taken it up yet",
        ),
        (
            route(json!([parent(front.clone(), old), parent(inner.clone(), good.clone())])),
            PROGRESSING,
            false,
            "gateway front has not taken it up yet",
        ),
        (
            route(json!([parent(front.clone(), unresolved), parent(inner.clone(), good.clone())])),
            DEGRADED,
            false,
            "gateway front: BackendNotFound (BackendNotFound)",
        ),
        (
            route(json!([parent(front, refused), parent(inner, good)])),
            DEGRADED,
            false,
            "gateway front: NoMatchingListenerHostname (NoMatchingListenerHostname)",
        ),
        (route(json!([])), PROGRESSING, false, "gateway front has not taken it up yet"),
    ];
    check(cases);
}
