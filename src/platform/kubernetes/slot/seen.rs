//! A slot as the cutover machine sees it.

use super::{LiveSlot, Steered};
use crate::model::{Health, marks};
use crate::platform::kubernetes::Found;
use crate::platform::kubernetes::health::assess;
use crate::rollout::{Content, Progress, Record, Signals, SlotObservation, Stage, Workload};
use serde_json::Value;
use std::collections::BTreeSet;

/// How much of an image's digest people need.
const DIGEST_DIGITS: usize = 12;

/// Record and signals from the annotations of a slot's Deployment. What can't be read is a lost note.
pub(in crate::platform::kubernetes) fn notes(deployment: &Value) -> SlotObservation {
    let note = |key: &str| deployment.get("metadata")?.get("annotations")?.get(key)?.as_str();
    let number = |key| note(key).and_then(|text| text.parse().ok());
    SlotObservation {
        record: note(marks::RECORD).and_then(|text| Record::from_tags(text, note(marks::INTENT))),
        signals: Signals { promote: number(marks::PROMOTE), abort: number(marks::ABORT) },
        ..SlotObservation::default()
    }
}

/// The Deployment's pods that are ready and are to stay, out of all that its selector takes.
fn ready_pods<'a>(deployment: &Value, pods: &'a [Value]) -> Vec<&'a Value> {
    pods.iter().filter(|pod| is_of(deployment, pod) && !is_going(pod) && is_ready(pod)).collect()
}

/// The slot with its pods; `content` is how its objects compare with the documents, `found` what keeps it from coming to
/// rest.
pub(in crate::platform::kubernetes) fn seen_slot(
    steered: &Steered<'_>,
    live: &LiveSlot,
    pods: &[Value],
    content: Content,
    found: &Found,
) -> SlotObservation {
    let Some(deployment) = &live.deployment else { return SlotObservation::default() };
    let mut notes = notes(deployment);
    // An earlier version's note about the very same documents speaks of the same revision.
    if let Some(record) = &mut notes.record
        && steered.is_former_name(&record.revision.0)
    {
        record.revision = steered.revision.clone();
    }
    if is_going(deployment) {
        // Its notes speak until it is gone.
        return SlotObservation { workload: Workload::Draining, addresses: Some(BTreeSet::new()), ..notes };
    }
    let container = &steered.rollout.blue_green.container;
    let ready = ready_pods(deployment, pods);
    let coming = pods.iter().filter(|pod| is_of(deployment, pod) && !is_going(pod) && !is_ready(pod)).count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let has_weight = notes
        .record
        .as_ref()
        .is_some_and(|record| !matches!(record.progress, Progress::Rolling | Progress::Ready));
    let workload = Workload::Present {
        content,
        desired_count: desired_count(deployment),
        running: count(ready.len()),
        pending: count(coming),
        // One pod that can't start ends a candidate's hope; a version that serves is judged by its targets.
        stage: stage(deployment, found.is_final && !has_weight),
        owned: steered.identity.owns(deployment),
        label: label(deployment, &container.name),
        troubles: troubles(deployment, found),
    };
    let addresses =
        ready.into_iter().flat_map(addresses).map(|ip| format!("{ip}:{}", container.port)).collect();
    let group = live.binding.as_ref().and_then(|binding| binding.pointer("/spec/targetGroupARN")?.as_str());
    let groups = group.into_iter().map(ToOwned::to_owned).collect();
    SlotObservation { workload, addresses: Some(addresses), groups, ..notes }
}

/// What the Deployment is told to run; the API's default is 1.
pub(in crate::platform::kubernetes) fn desired_count(deployment: &Value) -> u32 {
    let replicas = deployment.pointer("/spec/replicas").map_or(Some(1), Value::as_u64);
    replicas.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX)
}

fn stage(deployment: &Value, is_hopeless: bool) -> Stage {
    let report = assess(deployment);
    match report.health {
        _ if report.is_final || is_hopeless => Stage::Failed,
        Health::Healthy => Stage::Steady,
        _ => Stage::InProgress,
    }
}

fn troubles(deployment: &Value, found: &Found) -> Vec<String> {
    let report = assess(deployment);
    let own = (report.health == Health::Suspended || report.is_final).then_some(report.message);
    found.sentences.iter().cloned().chain(own).collect()
}

/// True for a pod of the Deployment: its ReplicaSets are named after it and the hash of their template.
fn is_of(deployment: &Value, pod: &Value) -> bool {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let hash = text(pod, "/metadata/labels/pod-template-hash").unwrap_or_default();
    let set = format!("{}-{hash}", text(deployment, "/metadata/name").unwrap_or_default());
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| owner["kind"] == "ReplicaSet" && owner["name"] == set.as_str())
}

fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// All addresses of a pod: which family a target group takes is its own affair.
fn addresses(pod: &Value) -> BTreeSet<&str> {
    let listed = pod.pointer("/status/podIPs").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(|address| address["ip"].as_str());
    listed.chain(pod.pointer("/status/podIP").and_then(Value::as_str)).collect()
}

/// What the slot runs, for people: the end of its image's name, `web:1.4`.
fn label(deployment: &Value, container: &str) -> String {
    let containers = deployment.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let containers = containers.map(Vec::as_slice).unwrap_or_default();
    let named = containers.iter().find(|one| one["name"] == container).or(containers.first());
    let image = named.and_then(|one| one["image"].as_str()).unwrap_or_default();
    let short = image.rsplit('/').next().unwrap_or(image);
    match short.split_once("@sha256:") {
        Some((name, digest)) => format!("{name}@{}", digest.chars().take(DIGEST_DIGITS).collect::<String>()),
        None => short.to_owned(),
    }
}
