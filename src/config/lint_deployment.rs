//! What works on Kubernetes but will hurt. What the API server refuses, it says itself (`verify --live`).

use super::forms::{items, text};
use super::lint::{Finding, Notes, Severity, lint_image};
use crate::model::{BlueGreen, ClusterTraffic, Manifests, Object, selects};
use serde_json::Value;

/// Looks through the objects.
pub fn lint(manifests: &Manifests, findings: &mut Vec<Finding>) {
    for object in manifests.objects.values() {
        lint_images(object, findings);
    }
    for blue_green in manifests.blue_greens.values() {
        if let Some(deployment) = manifests.steered_deployment(blue_green) {
            lint_probe(blue_green, deployment, findings);
            lint_services(blue_green, deployment, manifests, findings);
            lint_scalers(blue_green, deployment, manifests, findings);
        }
    }
}

fn warn(object: &Object, field: &str, message: String, findings: &mut Vec<Finding>) {
    findings.push(Finding { problem: object.problem(field, message), severity: Severity::Warning });
}

/// Where a kind has its pod's `spec`.
fn pod_spec(object: &Object) -> Option<&'static str> {
    match (object.key.group.as_str(), object.key.kind.as_str()) {
        ("", "Pod") => Some("spec"),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            Some("spec.template.spec")
        }
        ("batch", "CronJob") => Some("spec.jobTemplate.spec.template.spec"),
        _ => None,
    }
}

fn lint_images(object: &Object, findings: &mut Vec<Finding>) {
    let Some(path) = pod_spec(object) else { return };
    let Some(spec) = object.body.pointer(&format!("/{}", path.replace('.', "/"))) else { return };
    for field in ["initContainers", "containers"] {
        for (at, container) in items(spec, field).iter().enumerate() {
            let place = format!("{path}.{field}[{at}]");
            let origin = object.origin_of(&format!("{place}.image"));
            let mut notes = Notes { origin: &origin, label: object.label(), findings: &mut *findings };
            lint_image(container, &place, &mut notes);
        }
    }
}

/// Without a readiness probe a pod counts as ready as soon as its process runs.
fn lint_probe(blue_green: &BlueGreen, deployment: &Object, findings: &mut Vec<Finding>) {
    let spec = deployment.body.pointer("/spec/template/spec");
    let containers = spec.map_or(&[][..], |spec| items(spec, "containers"));
    let name = &blue_green.container.name;
    let found = containers.iter().enumerate().find(|(_, c)| text(c, "name") == Some(name));
    let Some((at, container)) = found else { return };
    if container.get("readinessProbe").is_none_or(Value::is_null) {
        let message = match blue_green.traffic {
            Some(_) => {
                "has no readinessProbe: its pods count as ready as soon as they run, and get requests then"
            }
            None => {
                "has no readinessProbe: its pods count as ready as soon as they run; only the target group's health check guards the shift"
            }
        };
        warn(deployment, &format!("spec.template.spec.containers[{at}]"), message.into(), findings);
    }
}

/// A Service that takes the pods of both slots sends requests to a version whose gates have not opened.
fn lint_services(
    blue_green: &BlueGreen,
    deployment: &Object,
    manifests: &Manifests,
    findings: &mut Vec<Finding>,
) {
    // With an HTTPRoute the Service stands for the slots, and clients are expected at the route.
    let pattern = manifests.pattern_service(blue_green, deployment).map(|service| &service.key);
    let labels = deployment.body.pointer("/spec/template/metadata/labels");
    let through = match &blue_green.traffic {
        Some(ClusterTraffic::Service(name)) => format!("Service/{name}"),
        Some(ClusterTraffic::HttpRoute(name)) => format!("HTTPRoute/{name}"),
        None => "the load balancer".into(),
    };
    for service in manifests.objects.values().filter(|object| object.key.is("", "Service")) {
        let takes = service.key.namespace == deployment.key.namespace
            && selects(service.body.pointer("/spec/selector"), labels);
        if takes && Some(&service.key) != pattern {
            let message = format!(
                "takes the pods of both slots of BlueGreen/{}, so its clients reach a new version before its gates have \
                 opened; let them go through {through}",
                blue_green.name
            );
            warn(service, "spec.selector", message, findings);
        }
    }
}

/// Only HorizontalPodAutoscalers are carried to the slots; anything else would look for a Deployment that is not made.
fn lint_scalers(
    blue_green: &BlueGreen,
    deployment: &Object,
    manifests: &Manifests,
    findings: &mut Vec<Finding>,
) {
    for object in manifests.objects.values().filter(|object| object.key.kind != "HorizontalPodAutoscaler") {
        for field in ["scaleTargetRef", "targetRef"] {
            let target = object.body.get("spec").and_then(|spec| spec.get(field));
            let kind = target.and_then(|target| text(target, "kind"));
            // KEDA's default is a Deployment.
            let is_deployment = kind == Some("Deployment") || (kind.is_none() && field == "scaleTargetRef");
            let is_it = target.and_then(|target| text(target, "name")) == Some(&deployment.key.name);
            if is_it && is_deployment && object.key.namespace == deployment.key.namespace {
                let message = format!(
                    "is not carried to the slots of BlueGreen/{}, which are Deployments with names of their own; use a \
                     HorizontalPodAutoscaler",
                    blue_green.name
                );
                warn(object, &format!("spec.{field}"), message, findings);
            }
        }
    }
}
