//! Whole slots, as they are applied.

use super::*;
use crate::model::Timestamp;
use crate::model::{
    Alb, BlueGreen, BySlot, Container, Gates, Origin, SlotName, TargetGroups, Turn, WorkloadRef,
};
use crate::platform::kubernetes::Found;
use crate::platform::kubernetes::desired::tests::object;
use crate::rollout::{Content, Intent, Progress, Record, SlotObservation, Stage, Workload};
use serde_json::json;

fn web() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "uid": "u", "annotations": {"team": "a", "cutover.dev/record": "forged"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web", "tier": "front"}},
            "spec": {"containers": [{"name": "app", "image": "r.example/shop/web:1",
                    "ports": [{"name": "http", "containerPort": 8080}]}],
                "topologySpreadConstraints": [{"maxSkew": 1, "labelSelector": {"matchLabels": {"app": "web", "tier": "front"}}}]}}}})
}

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "LoadBalancer",
        "clusterIP": "10.0.0.1", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http", "nodePort": 30000}]}})
}

fn rollout(adopted: bool, documents: KubernetesDocuments) -> Rollout {
    let blue = adopted.then(|| SlotName { deployment: Some("web".into()), ..SlotName::default() });
    Rollout {
        application: "shop".into(),
        commit: "c0ffee".into(),
        blue_green: BlueGreen {
            name: "web".into(),
            origin: Origin::default(),
            workload_ref: WorkloadRef { kind: "Deployment".into(), name: "web".into() },
            container: Container { name: "app".into(), port: 8080 },
            alb: Alb {
                target_groups: TargetGroups {
                    blue: "web-blue".into(),
                    green: "arn:aws:elasticloadbalancing:eu-central-1:000000000000:targetgroup/web-green/1"
                        .into(),
                },
                ..Alb::default()
            },
            traffic: None,
            slots: BySlot { blue, green: None },
            steps: vec![],
            gates: Gates::default(),
            bake_time: 0,
            keep_previous: 0,
            deadline: 0,
        },
        workload: WorkloadDocuments::Kubernetes(documents),
        turn: Turn::default(),
    }
}

fn documents(deployment: Value) -> KubernetesDocuments {
    KubernetesDocuments {
        deployment: object(deployment),
        service: Some(object(service())),
        carried: vec![
            object(
                json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
                "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 9}}),
            ),
            object(
                json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard"},
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
            ),
        ],
        ignore_differences: vec![],
        force_conflicts: false,
    }
}

/// The specs of a slot's parts, by kind and name.
fn specs(rollout: &Rollout, slot: Slot, live: &LiveSlot) -> Vec<(String, Value)> {
    let identity = Identity::new("shop", "prod");
    let steered = Steered::new(rollout, &identity).expect("of Kubernetes");
    let parts = steered.parts(slot, live, 2);
    for part in &parts {
        let labels = &part.body["metadata"]["labels"];
        assert_eq!(labels["applyset.kubernetes.io/part-of"], identity.id(), "{}", part.key);
        assert_eq!(
            (labels[marks::SLOT].as_str(), &part.body["metadata"]["namespace"]),
            (Some(slot.name()), &json!("prod"))
        );
        let is_revision = applied_revision(&part.body) == Some(steered.revision.0.as_str());
        assert_ne!(is_revision, steered.is_carried(slot, &part.key), "{}", part.key);
        assert_eq!(
            part.body["metadata"]["annotations"].get(marks::RECORD),
            None,
            "a document forges no record"
        );
    }
    parts.into_iter().map(|part| (part.key.label(), part.body["spec"].clone())).collect()
}

#[test]
fn a_new_slot_is_the_documents_under_its_name_with_labels_of_its_own() {
    let rollout = rollout(false, documents(web()));
    let own = json!({"app": "web", "cutover.dev/slot": "green"});
    let mut pods = web()["spec"]["template"].clone();
    pods["metadata"]["labels"] = json!({"app": "web", "tier": "front", "cutover.dev/slot": "green"});
    assert_eq!(
        specs(&rollout, Slot::Green, &LiveSlot::default()),
        [
            (
                "Service/prod/web-green".to_owned(),
                json!({"selector": own, "ports": [{"port": 80, "targetPort": "http"}]})
            ),
            (
                "TargetGroupBinding/prod/web-green".to_owned(),
                json!({"serviceRef": {"name": "web-green", "port": 80}, "targetGroupARN": "arn:aws:elasticloadbalancing:eu-central-1:000000000000:targetgroup/web-green/1",
                    "targetType": "ip"})
            ),
            (
                "HorizontalPodAutoscaler/prod/web-green".to_owned(),
                json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-green"}, "maxReplicas": 9})
            ),
            (
                "PodDisruptionBudget/prod/guard-green".to_owned(),
                json!({"maxUnavailable": 1, "selector": {"matchLabels": own}})
            ),
            (
                "Deployment/prod/web-green".to_owned(),
                json!({"replicas": 2, "selector": {"matchLabels": own}, "template": pods})
            ),
        ]
    );
}

#[test]
fn beside_an_adopted_deployment_no_selector_takes_the_pods_of_both() {
    let rollout = rollout(true, documents(web()));
    let green = specs(&rollout, Slot::Green, &LiveSlot::default());
    let own = json!({"app": "web-green", "cutover.dev/slot": "green"});
    let template = &green[4].1["template"];
    assert_eq!(green[4].1["selector"]["matchLabels"], own);
    assert_eq!(
        template["metadata"]["labels"],
        json!({"app": "web-green", "tier": "front", "cutover.dev/slot": "green"})
    );
    let spread = &template["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"];
    assert_eq!(*spread, json!({"app": "web-green", "tier": "front"}), "pods are spread among their own");
    assert_eq!(green[0].1["selector"], own);
}

#[test]
fn an_adopted_slot_keeps_its_selector_its_service_its_binding_and_the_names_of_what_it_carries() {
    let rollout = rollout(true, documents(web()));
    let identity = Identity::new("shop", "prod");
    let steered = Steered::new(&rollout, &identity).expect("of Kubernetes");
    let mut live = LiveSlot { deployment: Some(web()), service: Some(service()), ..LiveSlot::default() };
    let binding = json!({"metadata": {"name": "theirs"}, "spec": {"targetGroupARN": "arn:aws:elasticloadbalancing:eu-central-1:000000000000:targetgroup/web-blue/2"}});
    live.bind(&steered, Slot::Blue, std::slice::from_ref(&binding)).expect("theirs is used");
    let blue = specs(&rollout, Slot::Blue, &live);
    let names: Vec<&str> = blue.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["HorizontalPodAutoscaler/prod/web", "PodDisruptionBudget/prod/guard", "Deployment/prod/web"]
    );
    assert_eq!(blue[2].1["selector"], json!({"matchLabels": {"app": "web"}}), "it can't be changed");
    let green_is_bound = json!({"metadata": {"name": "theirs"}, "spec": {"targetGroupName": "web-green"}});
    let refused = LiveSlot::default().bind(&steered, Slot::Green, &[green_is_bound]);
    assert!(refused.expect_err("not adopted").contains("filled by TargetGroupBinding theirs"));
    let instances = json!({"metadata": {"name": "theirs"}, "spec": {"targetGroupName": "web-blue", "targetType": "instance"}});
    let refused = LiveSlot::default().bind(&steered, Slot::Blue, &[instances]);
    assert!(refused.expect_err("instances").contains("targetType: ip"));
}

#[test]
fn a_service_is_made_up_or_gets_a_port_where_none_leads_to_the_container() {
    let ports = |service: Option<Value>| {
        let documents = KubernetesDocuments { service: service.map(object), ..documents(web()) };
        let specs = specs(&rollout(false, documents), Slot::Blue, &LiveSlot::default());
        (specs[0].1["ports"].clone(), specs[1].1["serviceRef"]["port"].clone())
    };
    let made_up = json!({"port": 8080, "targetPort": 8080, "protocol": "TCP"});
    assert_eq!(ports(None), (json!([made_up]), json!(8080)));
    let with = |written: Value| {
        let mut service = service();
        service["spec"]["ports"] = written;
        ports(Some(service))
    };
    assert_eq!(with(json!([{"port": 8080}])), (json!([{"port": 8080}]), json!(8080)));
    let other = json!([{"port": 8080, "targetPort": 9090}]);
    let named = json!([{"port": 8080, "targetPort": 9090, "name": "port-0"},
        {"port": 8081, "targetPort": 8080, "protocol": "TCP", "name": "cutover"}]);
    assert_eq!(with(other), (named, json!(8081)));
}

#[test]
fn a_revision_is_what_runs_and_not_how_it_is_written_or_how_often() {
    let of = |change: fn(&mut KubernetesDocuments)| {
        let mut documents = documents(web());
        change(&mut documents);
        let rollout = rollout(false, documents);
        Steered::new(&rollout, &Identity::new("shop", "prod")).expect("of Kubernetes").revision
    };
    let base = of(|_| {});
    assert_eq!(base.0.len(), 16);
    let same: [fn(&mut KubernetesDocuments); 7] = [
        |documents| documents.carried[0].body["spec"]["maxReplicas"] = 5.into(),
        |documents| documents.carried.truncate(1),
        |documents| documents.deployment.body["spec"]["replicas"] = 9.into(),
        |documents| documents.deployment.body["metadata"]["labels"] = json!({"commit": "x"}),
        |documents| {
            documents.deployment.body["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null
        },
        |documents| documents.carried.reverse(),
        |documents| {
            let template = documents.deployment.body["spec"]["template"].take();
            if let Some(spec) = documents.deployment.body["spec"].as_object_mut() {
                spec.shift_remove("template");
                spec.shift_insert(0, "template".into(), template);
            }
        },
    ];
    for (number, change) in same.into_iter().enumerate() {
        assert_eq!(of(change), base, "{number}");
    }
    let other: [fn(&mut KubernetesDocuments); 3] = [
        |documents| {
            documents.deployment.body["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into()
        },
        |documents| documents.deployment.body["spec"]["minReadySeconds"] = 5.into(),
        |documents| documents.service = None,
    ];
    for (number, change) in other.into_iter().enumerate() {
        assert_ne!(of(change), base, "{number}");
    }
}

#[test]
fn what_an_earlier_version_noted_about_the_same_documents_speaks_of_the_same_revision() {
    let rollout = rollout(false, documents(web()));
    let identity = Identity::new("shop", "prod");
    let steered = Steered::new(&rollout, &identity).expect("of Kubernetes");
    let former = steered.former_name.clone();
    assert_ne!(former, steered.revision, "autoscalers counted");
    let record = Record {
        sequence: 1,
        revision: former,
        from: None,
        started: Timestamp(1),
        progress: Progress::Done(Timestamp(2)),
        intent: Intent::default(),
    };
    let mut deployment = web();
    deployment["metadata"] = json!({"name": "web-blue", "annotations": {marks::RECORD: record.to_tag()}});
    let live = LiveSlot { deployment: Some(deployment), ..LiveSlot::default() };
    let seen = seen_slot(&steered, &live, &[], Content::Desired, &Found::default());
    assert_eq!(seen.record.expect("a record").revision, steered.revision);
}

fn pod(name: &str, set: &str, ready: &str, going: bool) -> Value {
    let mut pod = json!({"metadata": {"name": name, "labels": {"pod-template-hash": "5f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": set}]},
        "status": {"podIP": format!("10.0.0.{name}"), "conditions": [{"type": "Ready", "status": ready}]}});
    if going {
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }
    pod
}

fn seen(change: impl Fn(&mut Value), content: Content, found: &Found) -> SlotObservation {
    let rollout = rollout(false, documents(web()));
    let identity = Identity::new("shop", "prod");
    let steered = Steered::new(&rollout, &identity).expect("of Kubernetes");
    let mut deployment = web();
    deployment["metadata"] = json!({"name": "web-blue", "generation": 4, "annotations": {
        marks::RECORD: "7 rev=0123456789abcdef from=green started=1700000000 rolling", marks::PROMOTE: "7"}});
    deployment["status"] =
        json!({"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
    change(&mut deployment);
    let live = LiveSlot { deployment: Some(deployment), ..LiveSlot::default() };
    let pods = [
        pod("1", "web-blue-5f", "True", false),
        pod("2", "web-blue-5f", "False", false),
        pod("3", "web-blue-5f", "True", true),
        pod("4", "other-5f", "True", false),
    ];
    seen_slot(&steered, &live, &pods, content, found)
}

fn stage(seen: &SlotObservation) -> Stage {
    seen.stage().expect("there")
}

#[test]
fn a_slot_counts_its_own_ready_pods_that_stay_and_tells_their_addresses() {
    let seen = seen(|_| {}, Content::Desired, &Found::default());
    assert_eq!(seen.addresses, Some(["10.0.0.1:8080".to_owned()].into()));
    assert_eq!(
        seen.workload,
        Workload::Present {
            content: Content::Desired,
            desired_count: 3,
            running: 1,
            pending: 1,
            stage: Stage::Steady,
            owned: false,
            label: "web:1".into(),
            troubles: vec![],
        }
    );
    assert_eq!(seen.record.expect("a record").sequence, 7);
    assert_eq!(seen.signals.promote, Some(7));
}

#[test]
fn the_stage_follows_the_deployments_own_status() {
    let none = Found::default();
    let hopeless = Found { is_final: true, ..Found::default() };
    let at = |change: fn(&mut Value), found: &Found| stage(&seen(change, Content::Desired, found));
    assert_eq!(at(|live| live["status"]["observedGeneration"] = 3.into(), &none), Stage::InProgress);
    assert_eq!(at(|live| live["status"]["updatedReplicas"] = 2.into(), &none), Stage::InProgress);
    assert_eq!(at(|live| live["spec"]["paused"] = true.into(), &none), Stage::InProgress);
    let given_up: fn(&mut Value) = |live| {
        live["status"]["availableReplicas"] = 1.into();
        live["status"]["conditions"] =
            json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    };
    assert_eq!(at(given_up, &none), Stage::Failed);
    let behind: fn(&mut Value) = |live| live["status"]["availableReplicas"] = 1.into();
    assert_eq!(at(behind, &hopeless), Stage::Failed, "a pod that can't start ends a candidate's hope");
    let serving: fn(&mut Value) = |live| {
        live["status"]["availableReplicas"] = 1.into();
        live["metadata"]["annotations"][marks::RECORD] =
            "7 rev=0123456789abcdef from=green started=1700000000 baking=1700000009".into();
    };
    assert_eq!(at(serving, &hopeless), Stage::InProgress, "what serves is judged by its targets");
}

#[test]
fn a_deployment_that_is_being_deleted_is_draining_and_its_notes_still_speak() {
    let seen = seen(
        |live| live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into(),
        Content::Other,
        &Found::default(),
    );
    assert_eq!((seen.workload, seen.record.map(|record| record.sequence)), (Workload::Draining, Some(7)));
}
