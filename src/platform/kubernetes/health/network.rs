//! Services, Ingresses and target group bindings.

use super::fields::{condition, items, mark, text};
use super::report::{degraded, healthy, healthy_but, progressing};
use super::untouched;
use crate::model::HealthReport;
use serde_json::Value;

/// Finalizers of controllers that write the address of what they made into the status, by prefix.
const ADDRESS_WRITERS: &[&str] = &["ingress.k8s.aws/", "group.ingress.k8s.aws/", "networking.gke.io/"];

/// Ingress classes of such controllers: known before the controller has put its finalizer there.
const ADDRESS_CLASSES: &[&str] = &["alb", "gce", "gce-internal"];

/// Only a load balancer has to be made by somebody; everything else is there at once.
pub(super) fn service(object: &Value) -> HealthReport {
    if text(object, "/spec/type") != Some("LoadBalancer") {
        return healthy();
    }
    if let Some(error) = condition(object, "LoadBalancerPortsError").filter(|c| c.holds()) {
        return degraded(format!("its load balancer lacks ports: {}", error.sentence()));
    }
    if has_address(object) { healthy() } else { progressing("its load balancer has no address yet") }
}

/// An address is awaited only from a controller that is known to write one. Many never do (a shared front, traffic
/// policies, `--update-status=false`), and waiting for them would never end.
pub(super) fn ingress(object: &Value) -> HealthReport {
    if has_address(object) {
        return healthy();
    }
    let class = text(object, "/spec/ingressClassName")
        .or_else(|| mark(object, "annotations", "kubernetes.io/ingress.class"));
    let taken = items(object, "/metadata/finalizers")
        .filter_map(Value::as_str)
        .any(|name| ADDRESS_WRITERS.iter().any(|prefix| name.starts_with(prefix)));
    if taken || class.is_some_and(|class| ADDRESS_CLASSES.contains(&class)) {
        return progressing("its load balancer has no address yet");
    }
    healthy_but("shows no address; not every ingress controller writes one, so it is not awaited")
}

fn has_address(object: &Value) -> bool {
    items(object, "/status/loadBalancer/ingress").next().is_some()
}

/// That its controller has seen it is all it tells; whether targets are healthy is the load balancer's to say.
pub(super) fn target_group_binding(object: &Value) -> HealthReport {
    untouched(object, "the load balancer controller").unwrap_or_else(healthy)
}
