//! How an object fares, by what its own status says. Pure: the same object gives the same verdict.
//!
//! Each built-in kind has its own rules, since their statuses have little in common; everything else is judged by the
//! conditions that controllers agree on (`custom.rs`). Two rules hold for all: what is being deleted is not at rest, and
//! a status whose `observedGeneration` is not the object's `generation` speaks of another spec.

mod application;
mod batch;
mod custom;
mod event_causes;
mod fields;
mod freshness;
mod gateway;
mod machinery;
mod network;
mod pod;
mod pod_causes;
mod probe_words;
mod pull_words;
mod reasons;
mod report;
mod revision;
mod scaling;
mod storage;
mod when;
mod workloads;

pub use event_causes::last_warning;
pub use freshness::{is_fresh, without_old_verdicts};
pub use pod_causes::Moment;
pub use reasons::{Reasons, reasons};
pub use revision::{PodsOf, pods_of};
pub use storage::waits_for_first_pod;
pub use when::timestamp;

use crate::model::{HealthReport, marks};
use fields::{clean, group_and_kind, items, number, text};
use report::{healthy, progressing, unknown};
use serde_json::Value;

/// The verdict on an object as read from the API, with `apiVersion` and `kind`.
pub fn assess(object: &Value) -> HealthReport {
    let (group, kind) = group_and_kind(object);
    if text(object, "/metadata/deletionTimestamp").is_some() {
        return being_deleted(object);
    }
    if is_not_waited_for(object) {
        return unknown(format!("is not waited for ({}: disabled)", marks::WAIT));
    }
    if let Some(report) = unseen(object) {
        return report;
    }
    match (group, kind) {
        ("apps", "Deployment") => workloads::deployment(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workloads::replica_set(object),
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps", "DaemonSet") => workloads::daemon_set(object),
        ("", "Pod") => pod::pod(object),
        ("batch", "Job") => batch::job(object),
        ("batch", "CronJob") => batch::cron_job(object),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("", "Service") => network::service(object),
        ("networking.k8s.io" | "extensions", "Ingress") => network::ingress(object),
        ("elbv2.k8s.aws", "TargetGroupBinding") => network::target_group_binding(object),
        ("gateway.networking.k8s.io", "Gateway") => gateway::gateway(object),
        ("gateway.networking.k8s.io", "GatewayClass") => gateway::gateway_class(object),
        ("gateway.networking.k8s.io", kind) if kind.ends_with("Route") => gateway::route(object),
        ("autoscaling", "HorizontalPodAutoscaler") => scaling::autoscaler(object),
        ("policy", "PodDisruptionBudget") => scaling::disruption_budget(object),
        ("", "Namespace") => machinery::namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => machinery::definition(object),
        ("apiregistration.k8s.io", "APIService") => machinery::api_service(object),
        ("cutover.dev", "Application") => application::application(object),
        // ConfigMaps, RBAC, policies and whatever else the core has: they are what they say.
        ("" | "apps" | "batch" | "policy", _) => healthy(),
        _ => custom::by_conditions(object),
    }
}

/// True where a document says so: what a controller that is not there would have to bring about never comes.
pub fn is_not_waited_for(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    let said = annotations.and_then(|annotations| annotations.get(marks::WAIT)).and_then(Value::as_str);
    matches!(said, Some("disabled" | "false"))
}

fn being_deleted(object: &Value) -> HealthReport {
    let held: Vec<&str> = items(object, "/metadata/finalizers").filter_map(Value::as_str).collect();
    let mut message = "is being deleted".to_owned();
    if !held.is_empty() {
        message.push_str(&format!(", held by {}", clean(&held.join(", "))));
    }
    if let Some(left) = machinery::left_in_namespace(object) {
        message.push_str(&format!(": {left}"));
    }
    progressing(message)
}

/// True if the status, as far as it tells, speaks of the present spec.
pub fn is_seen(object: &Value) -> bool {
    unseen(object).is_none()
}

/// `Some` while the status speaks of another spec than the present one.
fn unseen(object: &Value) -> Option<HealthReport> {
    let seen = number(object, "/status/observedGeneration")?;
    let present = number(object, "/metadata/generation")?;
    (seen != present).then(|| progressing("its controller has not seen the latest change yet"))
}

/// `Some` where a controller that always tells what it has seen has not told yet.
fn untouched(object: &Value, controller: &str) -> Option<HealthReport> {
    let told = number(object, "/status/observedGeneration").is_some_and(|seen| seen > 0);
    (!told).then(|| progressing(format!("{controller} has not looked at it yet")))
}

#[cfg(test)]
mod tests;
