//! Deployments shipped by blue/green.

use super::super::*;
use super::cluster::{application, object};
use super::plain;
use super::shop::{blue_green, record, rollout, slot};
use crate::diff::{content_hash, revision_id};
use crate::model::*;
use crate::rollout::*;
use serde_json::{Value, json};

fn deployment(name: &str, slot: Option<Slot>, image: &str) -> Value {
    let mut labels = json!({"app": "web"});
    if let Some(slot) = slot {
        labels["cutover.dev/slot"] = json!(slot.name());
    }
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"team": "shop"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": image, "env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}]}}}})
}

pub(super) fn part(
    group: &str,
    kind: &str,
    name: &str,
    live: Option<Value>,
    would_be: WouldBe,
) -> LiveObject {
    let key = ObjectKey {
        group: group.into(),
        kind: kind.into(),
        namespace: Some("prod".into()),
        name: name.into(),
    };
    LiveObject { key, live, would_be, health: HealthReport::default(), filled: vec![] }
}

fn binding(slot: Slot) -> Value {
    json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": {"name": format!("web-{slot}"),
        "labels": {"cutover.dev/application": "shop"}}, "spec": {"targetGroupName": format!("web-{slot}"), "serviceRef": {"name": format!("web-{slot}")}}})
}

/// The web Deployment on `image` in Git, its Service, an autoscaler, and version 1 on blue.
pub(super) fn version_1_serves(image: &str) -> (Manifests, Live) {
    let mut manifests = Manifests::default();
    let documents = [
        deployment("web", None, image),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 9}}),
    ];
    for document in documents.map(object) {
        manifests.objects.insert(document.key.clone(), document);
    }
    let mut steering = blue_green();
    steering.workload_ref = WorkloadRef { kind: "Deployment".into(), name: "web".into() };
    manifests.blue_greens.insert("web".into(), steering);
    let is_new = image != "web:1";
    let green = |would_be: Value| if is_new { WouldBe::Object(would_be) } else { WouldBe::Unasked };
    let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web-green"},
        "spec": {"maxReplicas": 9}});
    let blue = vec![
        part("", "Service", "web-blue", Some(json!({"metadata": {"name": "web-blue"}})), WouldBe::Same),
        part("elbv2.k8s.aws", "TargetGroupBinding", "web-blue", Some(binding(Slot::Blue)), WouldBe::Same),
        part("autoscaling", "HorizontalPodAutoscaler", "web-blue", Some(json!({})), WouldBe::Same),
        part(
            "apps",
            "Deployment",
            "web-blue",
            Some(deployment("web-blue", Some(Slot::Blue), "web:1")),
            WouldBe::Unasked,
        ),
    ];
    let green = vec![
        part("", "Service", "web-green", None, green(json!({"spec": {"clusterIP": "10.0.0.9"}}))),
        part("elbv2.k8s.aws", "TargetGroupBinding", "web-green", None, green(binding(Slot::Green))),
        part("autoscaling", "HorizontalPodAutoscaler", "web-green", None, green(autoscaler)),
        part(
            "apps",
            "Deployment",
            "web-green",
            None,
            green(deployment("web-green", Some(Slot::Green), image)),
        ),
    ];
    let done = record(1, "0123456789abcdef", None, Progress::Done(Timestamp(super::shop::NOW - 90_000)));
    let content = if is_new { Content::Other } else { Content::Desired };
    let slots = BySlot { blue: slot(content, 3, "web:1", Some(done)), green: SlotObservation::default() };
    let revision = revision_id(&content_hash(&json!({"image": image})), &json!({}));
    let mut running = rollout(&super::shop::manifests("shop/web:1"), slots, RuleSplit::Only(Slot::Blue));
    running.desired.revision = revision;
    let live = Live {
        slots: [("web".to_owned(), BySlot { blue, green })].into(),
        rollouts: [("web".to_owned(), Ok(running))].into(),
        ..Live::default()
    };
    (manifests, live)
}

#[test]
fn a_new_bound_of_the_live_slots_autoscaler_is_no_rollout() {
    let (manifests, mut live) = version_1_serves("web:1");
    let scaler = |bound: u32| json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web-blue"}, "spec": {"maxReplicas": bound}});
    let blue = &mut live.slots.get_mut("web").expect("slots").blue;
    blue[3].would_be = WouldBe::Same;
    blue[2].live = Some(scaler(3));
    blue[2].would_be = WouldBe::Object(scaler(9));
    let planned = plan(&manifests, &live);
    let changes: Vec<String> = planned
        .items
        .iter()
        .filter(|item| item.change != Change::Unchanged)
        .map(|item| format!("{} {} {} {}", item.change, item.kind, item.name, item.carried))
        .collect();
    assert_eq!(changes, ["update HorizontalPodAutoscaler web-blue false"], "{planned:#?}");
    assert!(planned.traffic.is_empty(), "{planned:#?}");
}

pub(super) fn plan(manifests: &Manifests, live: &Live) -> Plan {
    assemble(&application(), "4f1c2d3", manifests, live)
}

#[test]
fn a_new_version_is_shown_beside_the_one_that_serves() {
    let (manifests, live) = version_1_serves("web:2");
    let plan = plan(&manifests, &live);
    assert!(plan.items.iter().all(|item| item.carried));
    assert!(!to_json(&plan).unwrap().to_string().contains("hunter2"));
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    + create Deployment/web (Deployment.apps/prod/web-green): comes up beside the live version with 3 pods; differs from web-blue in spec.template.spec.containers[app].image
        --- live web-blue
        +++ git apps/shop/web.yaml:1
        @@ -14,7 +14,7 @@ spec › template
             spec:
               containers:
                 - name: app
        -          image: web:1
        +          image: web:2
                   env:
                     - name: DB_PASSWORD
                       value: ‹masked›

    + create Service/prod/web-green: leads to the pods of green

    + create TargetGroupBinding.elbv2.k8s.aws/prod/web-green: belongs to green
        --- live (none)
        +++ git apps/shop/web.yaml:1
        @@ -0,0 +1,8 @@
        +apiVersion: elbv2.k8s.aws/v1beta1
        +kind: TargetGroupBinding
        +metadata:
        +  name: web-green
        +spec:
        +  targetGroupName: web-green
        +  serviceRef:
        +    name: web-green

    + create HorizontalPodAutoscaler.autoscaling/prod/web-green: belongs to green
        --- live (none)
        +++ git apps/shop/web.yaml:1
        @@ -0,0 +1,6 @@
        +apiVersion: autoscaling/v2
        +kind: HorizontalPodAutoscaler
        +metadata:
        +  name: web-green
        +spec:
        +  maxReplicas: 9

    = unchanged Deployment/web (Deployment.apps/prod/web-blue): serves (web:1)

    Traffic
      BlueGreen/web arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/2/3
        blue 100% / green 0% → green 10% for 2m → green 100%
        gates: 100% of the targets healthy for 30s, GET /healthz answers 200, alarm web-5xx is not in ALARM
        after: bake for 10m: an alarm or unhealthy targets send traffic back to blue, then blue stays warm for 1d
        note: stickiness keeps clients on blue for up to 1h after the shift
        note: names web-green with weight 0 first, since targets are only checked in a group that a rule names
      BlueGreen/web (test) arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/9/9
        blue 100% / green 0% → green 100%

    Plan: 4 to create, 0 to update, 0 to replace, 0 to prune, 1 unchanged; traffic moves on 1 rule.
    ");
}

#[test]
fn a_version_that_serves_is_unchanged_and_none_of_its_parts_is_shown_or_pruned() {
    let (manifests, mut live) = version_1_serves("web:1");
    let names = live.slots["web"].blue.iter().map(|part| part.key.to_string());
    let names = names.chain(["ConfigMap/prod/old".to_owned(), "Namespace/x".to_owned()]);
    live.owned =
        names.map(|name| Owned { document: name.clone(), resource: name, ..Owned::default() }).collect();
    let mut app = application();
    app.sync.prune_limit = "100%".into();
    let plan = assemble(&app, "4f1c2d3", &manifests, &live);
    let said: Vec<String> =
        plan.items.iter().map(|item| format!("{} {}: {}", item.change, item.resource, item.why)).collect();
    assert_eq!(
        said,
        [
            "unchanged Deployment.apps/prod/web-blue: serves (web:1)",
            "prune ConfigMap/prod/old: is no longer in Git",
            "prune Namespace/x: is no longer in Git; everything in the namespace goes with it, also what this application did not make",
        ]
    );
}

#[test]
fn without_a_load_balancer_the_plan_speaks_of_pods() {
    let (mut manifests, live) = version_1_serves("web:2");
    let steering = manifests.blue_greens.get_mut("web").unwrap();
    steering.traffic = Some(ClusterTraffic::HttpRoute("web".into()));
    let traffic = &plan(&manifests, &live).traffic[0];
    assert_eq!(traffic.gates[0], "100% of the pods ready for 30s");
    assert!(
        traffic.after[0].contains("an alarm or pods that are not ready send traffic back"),
        "{traffic:?}"
    );
}

#[test]
fn slots_that_were_not_read_keep_everything() {
    let (manifests, mut live) = version_1_serves("web:1");
    live.owned = vec![Owned {
        document: "ConfigMap/prod/old".into(),
        resource: "ConfigMap/prod/old".into(),
        ..Owned::default()
    }];
    live.slots.clear();
    let plan = plan(&manifests, &live);
    assert!(plan.items.iter().all(|item| item.change != Change::Prune), "{plan:?}");
    let is_told = |item: &PlanItem| {
        item.change == Change::Blocked && item.why.contains("the slots of BlueGreen/web were not read")
    };
    assert!(plan.items.iter().any(is_told), "{plan:?}");
}

#[test]
fn what_is_left_where_the_application_may_have_nothing_any_more_is_said_although_nothing_is_to_do() {
    let (manifests, mut live) = version_1_serves("web:1");
    live.beyond = vec!["it had objects in namespace old, where it may have none any more".into()];
    let notice = "it had objects in namespace old, where it may have none any more; what is left there is not looked at \
                  and not touched: delete it by hand, or allow it again";
    assert_eq!(plan(&manifests, &live).notices, [notice]);
}

#[test]
fn a_slot_that_is_refused_blocks_with_its_line() {
    let (manifests, mut live) = version_1_serves("web:2");
    let parts = &mut live.slots.get_mut("web").unwrap().green;
    parts[3].would_be =
        WouldBe::Refused { message: "spec: unknown field".into(), field: Some("spec".into()) };
    let plan = plan(&manifests, &live);
    let item = plan.items.iter().find(|item| item.change == Change::Blocked).unwrap();
    assert_eq!(
        (item.resource.as_str(), item.origin.as_ref().unwrap().line),
        ("Deployment.apps/prod/web-green", 4)
    );
}

#[test]
fn a_rollout_that_no_document_declares_any_more_is_told_and_none_of_its_parts_is_pruned() {
    let (mut manifests, mut live) = version_1_serves("web:2");
    let parts: Vec<(Slot, String)> = Slot::BOTH
        .into_iter()
        .flat_map(|slot| live.slots["web"].get(slot).iter().map(move |part| (slot, part.key.to_string())))
        .collect();
    let record = Record {
        sequence: 7,
        revision: RevisionId("new".into()),
        from: Some(Slot::Blue),
        started: Timestamp(1),
        progress: Progress::Shifting { share: 10, since: Timestamp(2) },
        intent: Intent::default(),
    };
    let owned = parts.iter().map(|(slot, name)| {
        let record = (name == "Deployment.apps/prod/web-green").then(|| record.clone());
        let mark =
            SlotMark { workload: "Deployment/web".into(), slot: *slot, record, commit: None, pods: None };
        Owned { document: name.clone(), resource: name.clone(), slot: Some(mark), ..Owned::default() }
    });
    live.owned = owned.collect();
    manifests.blue_greens.clear();
    live.slots.clear();
    live.rollouts.clear();
    // Without the BlueGreen its Service would get a selector that has the pods of both slots.
    let service = |selector: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"cutover.dev/application": "shop"}},
            "spec": {"selector": selector}})
    };
    let now = service(json!({"app": "web", "cutover.dev/slot": "blue"}));
    let found = part("", "Service", "web", Some(now), WouldBe::Object(service(json!({"app": "web"}))));
    let key = manifests.objects.keys().find(|key| key.kind == "Service").cloned().expect("a Service");
    live.objects.insert(key, found);
    for prune in [true, false] {
        let mut app = application();
        (app.sync.prune, app.sync.prune_limit) = (prune, "100%".into());
        let plan = assemble(&app, "4f1c2d3", &manifests, &live);
        assert!(plan.items.iter().all(|item| item.change != Change::Prune), "{plan:?}");
        let blocked = plan.items.iter().find(|item| item.document() == "BlueGreen/web").expect("told");
        assert_eq!(blocked.change, Change::Blocked);
        assert!(
            blocked.why.contains("Deployment.apps/prod/web-green is not over (10% reached)"),
            "{}",
            blocked.why
        );
        assert!(blocked.why.contains("restore Deployment/web and its BlueGreen"), "{}", blocked.why);
        let service = plan.items.iter().find(|item| item.resource == "Service/prod/web").expect("an item");
        assert_eq!(service.change, Change::Blocked);
        assert!(service.why.contains("it may steer the requests of a rollout"), "{}", service.why);
    }
}
