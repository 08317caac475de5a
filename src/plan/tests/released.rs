//! Slots that no BlueGreen declares any more, with nothing under way.

use super::super::*;
use super::cluster::{application, object};
use crate::model::{MOVES_REQUESTS, Manifests, Slot};
use serde_json::{Value, json};

const NEW_PODS: &str = "Deployment.apps/prod/web";

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}}}})
}

fn service(selector: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"cutover.dev/application": "shop"}},
        "spec": {"selector": selector}})
}

/// Git has the plain Deployment and Service; green serves, blue is warm. `others` are the labels of green's pods beside the
/// slot's.
fn at_rest(app: &str) -> (Manifests, Live) {
    let (plain, wanted) = (deployment(), service(json!({"app": "web"})));
    let now = service(json!({"app": app, "cutover.dev/slot": "green"}));
    let rows = vec![
        (plain.clone(), None, WouldBe::Object(plain)),
        (wanted.clone(), Some(now), WouldBe::Object(wanted)),
    ];
    let (manifests, mut live) = super::cluster::cluster(rows);
    let slot = |slot: Slot, app: &str, serves: bool| {
        let pods = json!({"app": app, "cutover.dev/slot": slot.name()});
        let mark = SlotMark {
            workload: "Deployment/web".into(),
            slot,
            record: None,
            commit: None,
            pods: Some(pods),
        };
        Owned {
            document: format!("Deployment/prod/web-{slot}"),
            resource: format!("Deployment.apps/prod/web-{slot}"),
            steered_by: serves.then(|| "Service/prod/web".to_owned()),
            slot: Some(mark),
            ..Owned::default()
        }
    };
    let member =
        |resource: &str| Owned { document: resource.into(), resource: resource.into(), ..Owned::default() };
    live.owned = vec![
        slot(Slot::Blue, "web", false),
        slot(Slot::Green, app, true),
        member("Service/prod/web"),
        member(NEW_PODS),
    ];
    (manifests, live)
}

fn plan(manifests: &Manifests, live: &Live, prune: bool) -> Plan {
    let mut application = application();
    (application.sync.prune, application.sync.prune_limit) = (prune, "100%".into());
    assemble(&application, "4f1c2d3", manifests, live)
}

fn change<'a>(plan: &'a Plan, resource: &str) -> Option<(Change, &'a str)> {
    let item = plan.items.iter().find(|item| item.resource == resource)?;
    Some((item.change, item.why.as_str()))
}

#[test]
fn the_service_is_moved_after_the_deployment_stands_and_the_slots_go() {
    let (manifests, live) = at_rest("web");
    let plan = plan(&manifests, &live, true);
    let turn =
        |resource: &str| plan.items.iter().find(|item| item.resource == resource).expect("an item").turn;
    assert_eq!(turn("Service/prod/web").rank, MOVES_REQUESTS);
    assert!(!turn(NEW_PODS).is_awaited_with(turn("Service/prod/web")), "all else has come to rest before");
    let (moved, why) = change(&plan, "Service/prod/web").expect("an item");
    assert_eq!(moved, Change::Update);
    assert!(why.contains("moved off Deployment/prod/web-green when web stands"), "{why}");
    for slot in ["web-blue", "web-green"] {
        let gone = change(&plan, &format!("Deployment.apps/prod/{slot}")).map(|(change, _)| change);
        assert_eq!(gone, Some(Change::Prune), "{slot}");
    }
}

#[test]
fn without_prune_it_is_moved_only_where_the_slots_that_stay_get_nothing() {
    // Both slots' pods bear what the plain selector takes.
    let (manifests, live) = at_rest("web");
    let held = plan(&manifests, &live, false);
    let (moved, why) = change(&held, "Service/prod/web").expect("an item");
    assert_eq!(moved, Change::Blocked);
    assert!(
        why.contains("would reach the pods of Deployment/prod/web-blue and Deployment/prod/web-green"),
        "{why}"
    );
    assert!(why.contains("spec.sync.prune: true"), "{why}");

    // As beside an adopted slot: the plain Deployment is blue itself.
    let (manifests, mut live) = at_rest("web-green");
    let mut blue = live.owned.remove(0);
    NEW_PODS.clone_into(&mut blue.resource);
    live.owned.push(blue);
    let moved = plan(&manifests, &live, false);
    assert_eq!(change(&moved, "Service/prod/web").map(|(change, _)| change), Some(Change::Update));
    assert_eq!(change(&moved, "Deployment.apps/prod/web-green"), None);
    assert!(moved.notices.iter().any(|notice| notice.contains("web-green")), "{:?}", moved.notices);
}

#[test]
fn a_service_keeps_its_slot_and_the_slot_its_service_where_nothing_takes_over() {
    let (mut manifests, live) = at_rest("web");
    let key = object(deployment()).key;
    manifests.objects.remove(&key);
    let plan = plan(&manifests, &live, true);
    let (held, why) = change(&plan, "Service/prod/web").expect("an item");
    assert_eq!(held, Change::Blocked);
    assert!(why.contains("nothing in Git runs pods that would answer"), "{why}");
    assert_eq!(change(&plan, "Deployment.apps/prod/web-green"), None, "it still gets the requests");
    let told =
        "Deployment/prod/web-green is no longer in Git but not pruned: Service/prod/web sends requests to it";
    assert!(plan.notices.iter().any(|notice| notice == told), "{:?}", plan.notices);
}
