//! A small world: a web workload shipped by blue/green, a rolling worker, and what AWS says of them.

use super::super::*;
use crate::diff::{content_hash, revision_id};
use crate::model::*;
use crate::rollout::*;
use serde_json::{Value, json};

/// The time of every observation.
pub const NOW: u64 = 1_700_000_000;
pub const RULE: &str = "arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/2/3";
pub const TEST_RULE: &str = "arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/9/9";

pub fn application() -> Application {
    Application {
        name: "shop".into(),
        origin: Origin::default(),
        source: Source {
            repo_url: "file:///repo".into(),
            target_revision: "main".into(),
            path: "apps/shop".into(),
            directory: crate::model::Directory::default(),
            secret_ref: None,
        },
        destination: Destination::Ecs { region: None, cluster: "prod".into() },
        sync: Sync { prune: true, ..Sync::default() },
        suspend: false,
        deletion: Default::default(),
        depends_on: vec![],
        service_account_name: None,
        ignore_differences: vec![],
    }
}

pub fn task_definition(name: &str, image: &str) -> TaskDefinition {
    let spec = json!({"family": name, "networkMode": "awsvpc", "cpu": "1 vCPU", "memory": "2 GB", "containerDefinitions": [{
        "name": "app", "image": image, "portMappings": [{"containerPort": 8080}],
        "environment": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "DB_PASSWORD", "value": "hunter2"}]}]});
    TaskDefinition { name: name.into(), origin: at(name, 3), spec }
}

pub fn service(name: &str, fields: Value) -> Service {
    let mut spec = json!({"serviceName": name});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Service {
        name: name.into(),
        origin: at(name, 20),
        spec,
        task_definition: TaskDefinitionRef::Document(name.into()),
    }
}

pub fn at(name: &str, line: usize) -> Origin {
    Origin { file: format!("apps/shop/{name}.yaml"), line }
}

pub fn blue_green() -> BlueGreen {
    let mut document: BlueGreen = serde_json::from_value(json!({
        "workloadRef": {"kind": "Service", "name": "web"}, "container": {"name": "app", "port": 8080},
        "alb": {"productionListenerRule": RULE, "testListenerRule": TEST_RULE, "targetGroups": {"blue": "web-blue", "green": "web-green"}},
        "steps": [{"weight": 10, "hold": "2m"}, {"weight": 100}],
        "gates": {"healthyTargets": "100%", "stableFor": "30s", "http": [{"path": "/healthz"}], "alarms": ["web-5xx"]},
        "bakeTime": "10m", "keepPrevious": "24h"}))
    .unwrap();
    document.name = "web".into();
    document.origin = at("web", 40);
    document
}

/// The web workload on `image`.
pub fn manifests(image: &str) -> Manifests {
    let mut all = Manifests::default();
    all.task_definitions.insert("web".into(), task_definition("web", image));
    all.services.insert("web".into(), service("web", json!({"desiredCount": 3, "launchType": "FARGATE"})));
    all.blue_greens.insert("web".into(), blue_green());
    all
}

/// What `DescribeTaskDefinition` says of revision `number`.
pub fn registered(document: &TaskDefinition, number: u64) -> LiveRevision {
    let arn = format!("arn:aws:ecs:r:1:task-definition/{}:{number}", document.name);
    let mut described = document.spec.clone();
    described["taskDefinitionArn"] = json!(arn);
    described["status"] = json!("ACTIVE");
    described["containerDefinitions"][0]["essential"] = json!(true);
    LiveRevision { arn, content: Some(content_hash(&document.spec)), described: Some(described) }
}

/// What `DescribeServices` says of a service of ours.
pub fn running(name: &str, revision: u64, fields: Value) -> Value {
    let mut live = json!({"serviceName": name, "status": "ACTIVE", "desiredCount": 3, "launchType": "FARGATE",
        "taskDefinition": format!("arn:aws:ecs:r:1:task-definition/{}:{revision}", name.split('-').next().unwrap()),
        "tags": [{"key": "cutover.dev/application", "value": "shop"}]});
    live.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    live
}

/// What `DescribeServices` says of a slot.
pub fn running_slot(slot: Slot, revision: u64) -> Value {
    let group = format!("arn:aws:elasticloadbalancing:r:1:targetgroup/web-{slot}/0a1b");
    let balancers = json!([{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]);
    running(&format!("web-{slot}"), revision, json!({"loadBalancers": balancers}))
}

/// The slot as the cutover machine sees it.
pub fn slot(content: Content, count: u32, label: &str, record: Option<Record>) -> SlotObservation {
    SlotObservation {
        workload: Workload::Present {
            content,
            desired_count: count,
            running: count,
            pending: 0,
            stage: Stage::Steady,
            owned: true,
            label: label.into(),
            troubles: vec![],
        },
        targets: Targets { healthy: count, ..Targets::default() },
        record,
        ..SlotObservation::default()
    }
}

pub fn record(sequence: u64, revision: &str, from: Option<Slot>, progress: Progress) -> Record {
    Record {
        sequence,
        revision: RevisionId(revision.into()),
        from,
        started: Timestamp(NOW - 5_000),
        progress,
        intent: Intent::default(),
    }
}

/// The revision that `manifests` ask for.
pub fn wanted(manifests: &Manifests) -> RevisionId {
    revision_id(&content_hash(&manifests.task_definitions["web"].spec), &manifests.services["web"].spec)
}

pub fn rollout(manifests: &Manifests, slots: BySlot<SlotObservation>, split: RuleSplit) -> LiveRollout {
    let bg = blue_green();
    let rule = |id: &str, split| RuleObservation { id: id.into(), split, fingerprint: "f".into() };
    LiveRollout {
        desired: Desired {
            revision: wanted(manifests),
            count: Some(3),
            most: None,
            steps: bg.steps,
            gates: bg.gates,
            bake_time: bg.bake_time,
            keep_previous: bg.keep_previous,
            deadline: bg.deadline,
            whole_only: false,
            terms: Default::default(),
        },
        observation: Observation {
            slots,
            rules: vec![rule(RULE, split)],
            test_rule: Some(rule(TEST_RULE, RuleSplit::Only(Slot::Blue))),
            alarms: vec![],
            http: vec![],
            gate_held_since: None,
            weights_since: None,
            changed_by_others: None,
            hindrances: vec![],
            ill_since: Default::default(),
            watched_since: None,
            sticky: 3_600,
            settle: 5,
        },
        now: Timestamp(NOW),
        stickiness: [(RULE.to_owned(), 3_600)].into(),
        others: [].into(),
        notices: vec![],
    }
}

/// Version 1 serves from blue; `manifests` are what Git says now.
pub fn version_1_serves(manifests: &Manifests) -> Live {
    let old = task_definition("web", "shop/web:1");
    let content = if manifests.task_definitions["web"] == old { Content::Desired } else { Content::Other };
    let done = record(1, "0123456789abcdef", None, Progress::Done(Timestamp(NOW - 90_000)));
    let slots = BySlot { blue: slot(content, 3, "web:1", Some(done)), green: SlotObservation::default() };
    Live {
        services: [("web-blue".to_owned(), running_slot(Slot::Blue, 1))].into(),
        revisions: vec![registered(&old, 1)],
        rollouts: [("web".to_owned(), Ok(rollout(manifests, slots, RuleSplit::Only(Slot::Blue))))].into(),
        ..Live::default()
    }
}
