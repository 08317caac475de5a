//! Configuration that changes under a version that serves and reads it.

use super::super::*;
use super::cluster::object;
use super::slots::{part, plan, version_1_serves};
use crate::model::{ClusterTraffic, Manifests, Slot};
use crate::rollout::{Content, Workload};
use serde_json::{Value, json};

fn settings(level: &str, annotations: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "annotations": annotations,
        "labels": {"cutover.dev/application": "shop"}}, "data": {"LEVEL": level}})
}

/// Version 1 serves on blue and reads `settings`, which Git changes to `level`; Git wants `image`.
fn reads_settings(image: &str, level: &str, annotations: Value) -> (Manifests, Live) {
    let (mut manifests, mut live) = version_1_serves(image);
    let wanted = settings(level, annotations);
    let document = object(wanted.clone());
    let key = document.key.clone();
    manifests.objects.insert(key.clone(), document);
    let would_be = WouldBe::Object(wanted);
    live.objects.insert(key, part("", "ConfigMap", "settings", Some(settings("info", json!({}))), would_be));
    let blue = &mut live.slots.get_mut("web").expect("slots").blue;
    let deployment = blue[3].live.as_mut().expect("it serves");
    deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"configMapRef": {"name": "settings"}}]);
    (manifests, live)
}

fn change(manifests: &Manifests, live: &Live) -> (Change, String) {
    let item =
        plan(manifests, live).items.into_iter().find(|item| item.kind == "ConfigMap").expect("an item");
    (item.change, item.why)
}

#[test]
fn what_the_serving_version_reads_does_not_change_together_with_its_version() {
    let (manifests, live) = reads_settings("web:2", "debug", json!({}));
    let (change, why) = change(&manifests, &live);
    assert_eq!(change, Change::Blocked);
    assert!(why.contains("Deployment web-blue serves and reads it"), "{why}");
}

#[test]
fn it_changes_alone_or_if_its_document_allows_that_or_if_only_its_labels_do() {
    let alone = reads_settings("web:1", "debug", json!({}));
    let allowed = reads_settings("web:2", "debug", json!({"cutover.dev/in-place": "allowed"}));
    let labelled = reads_settings("web:2", "info", json!({"team": "shop"}));
    for (manifests, live) in [alone, allowed, labelled] {
        let (change, why) = change(&manifests, &live);
        assert_eq!(change, Change::Update, "{why}");
    }
}

#[test]
fn what_the_serving_version_does_without_is_not_made_together_with_a_new_version() {
    for (optional, expected) in [(true, Change::Blocked), (false, Change::Create)] {
        let (manifests, mut live) = reads_settings("web:2", "debug", json!({}));
        let found = live.objects.values_mut().find(|found| found.key.kind == "ConfigMap").expect("it");
        found.live = None;
        let blue = &mut live.slots.get_mut("web").expect("slots").blue;
        let deployment = blue[3].live.as_mut().expect("it serves");
        deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
            json!([{"configMapRef": {"name": "settings", "optional": optional}}]);
        let (change, why) = change(&manifests, &live);
        assert_eq!(change, expected, "what is needed and missing is mended, optional {optional}: {why}");
    }
}

#[test]
fn while_a_version_awaits_approval_configuration_alone_waits_with_it() {
    let awaiting = |annotations: Value| {
        let (manifests, mut live) = reads_settings("web:2", "debug", annotations);
        let rollout = live.rollouts.get_mut("web").expect("a rollout").as_mut().expect("read");
        rollout.desired.gates.approval = true;
        let wanted = rollout.desired.revision.clone();
        let mut green = rollout.observation.slots.blue.clone();
        if let Workload::Present { content, .. } = &mut green.workload {
            *content = Content::Desired;
        }
        if let Some(record) = &mut green.record {
            record.sequence += 1;
            (record.revision, record.from) = (wanted, Some(Slot::Blue));
            record.progress = crate::rollout::Progress::Ready;
        }
        rollout.observation.slots.green = green;
        change(&manifests, &live)
    };
    let (change, why) = awaiting(json!({}));
    assert_eq!(change, Change::Blocked, "version 2 was gated with the former content: {why}");
    assert!(why.contains("while no rollout is due"), "{why}");
    assert_eq!(awaiting(json!({"cutover.dev/in-place": "allowed"})).0, Change::Update);
}

#[test]
fn a_version_that_does_not_read_it_holds_nothing_back() {
    let (manifests, mut live) = reads_settings("web:2", "debug", json!({}));
    let blue = &mut live.slots.get_mut("web").expect("slots").blue;
    let deployment = blue[3].live.as_mut().expect("it serves");
    deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"configMapRef": {"name": "other"}}]);
    assert_eq!(change(&manifests, &live).0, Change::Update);
}

#[test]
fn a_return_is_not_held_up() {
    let (manifests, mut live) = reads_settings("web:2", "debug", json!({}));
    let rollout = live.rollouts.get_mut("web").expect("a rollout").as_mut().expect("read");
    // What Git wants is warm on green, with a finished proof.
    let wanted = rollout.desired.revision.clone();
    let mut green = rollout.observation.slots.blue.clone();
    if let Workload::Present { content, .. } = &mut green.workload {
        *content = Content::Desired;
    }
    if let Some(record) = &mut green.record {
        (record.revision, record.sequence) = (wanted, 0);
    }
    if let Some(record) = &mut rollout.observation.slots.blue.record {
        record.from = Some(Slot::Green);
    }
    rollout.observation.slots.green = green;
    assert_eq!(change(&manifests, &live).0, Change::Update);
}

#[test]
fn of_a_workload_that_cannot_be_read_nothing_changes_that_its_document_reads() {
    let (mut manifests, mut live) = reads_settings("web:2", "debug", json!({}));
    let deployment = manifests.objects.values_mut().find(|object| object.key.kind == "Deployment");
    let spec = &mut deployment.expect("a document").body["spec"]["template"]["spec"];
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    live.rollouts.insert("web".into(), Err("its Deployment belongs to application blog".into()));
    assert_eq!(change(&manifests, &live).0, Change::Blocked);
}

/// Version 1 serves behind the Service `front`, which Git sends to another port; Git wants `image`.
fn other_ports(image: &str, annotations: Value) -> (Manifests, Live) {
    let (mut manifests, mut live) = version_1_serves(image);
    manifests.blue_greens.get_mut("web").expect("a BlueGreen").traffic =
        Some(ClusterTraffic::Service("front".into()));
    let service = |target: u32, annotations: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front", "annotations": annotations,
            "labels": {"cutover.dev/application": "shop"}},
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": target}]}})
    };
    let wanted = service(9090, annotations);
    let document = object(wanted.clone());
    let key = document.key.clone();
    manifests.objects.insert(key.clone(), document);
    let now = Some(service(8080, json!({})));
    live.objects.insert(key, part("", "Service", "front", now, WouldBe::Object(wanted)));
    (manifests, live)
}

#[test]
fn ports_by_which_requests_reach_the_serving_version_do_not_change_together_with_it() {
    for (image, annotations, expected) in [
        ("web:2", json!({}), Change::Blocked),
        ("web:2", json!({"cutover.dev/in-place": "allowed"}), Change::Update),
        ("web:1", json!({}), Change::Update),
    ] {
        let (manifests, live) = other_ports(image, annotations);
        let item =
            plan(&manifests, &live).items.into_iter().find(|item| item.name == "front").expect("an item");
        assert_eq!(item.change, expected, "{image}: {}", item.why);
        assert_eq!(
            item.why.contains("let targetPort be that name"),
            expected == Change::Blocked,
            "{}",
            item.why
        );
    }
}
