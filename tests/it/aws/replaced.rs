//! Services that are deleted, or moved between launch type and capacity providers.

use super::slots::{create, observe, steady};
use super::{Rig, documents, seconds, service, stamp, task_definition};
use cutover::engine::{Deployment, Platform, TroubleKind, Workloads, lock, plan};
use cutover::model::{Application, Kind, Manifests, Service, Slot, TaskDefinition};
use cutover::plan::{Change, PlanItem};
use cutover::rollout::{Action, Workload};
use cutover::sites::EcsTarget;
use serde_json::{Value, json};

/// The adapters of one process, as they are joined for a sync.
pub fn target(rig: &Rig) -> EcsTarget {
    EcsTarget::new(rig.aws.clone(), &application(), "prod", 1)
}

fn application() -> Application {
    let spec = json!({"source": {"repoURL": "file:///repository", "path": "."},
        "destination": {"ecs": {"cluster": "prod"}}});
    Application { name: "shop".into(), ..serde_json::from_value(spec).unwrap() }
}

/// A commit with the worker alone.
pub fn deployment(service: Service, tasks: TaskDefinition) -> Deployment {
    let mut manifests = Manifests::default();
    manifests.services.insert(service.name.clone(), service);
    manifests.task_definitions.insert(tasks.name.clone(), tasks);
    Deployment { application: application(), commit: "c0ffee".into(), manifests }
}

pub fn item(change: Change) -> PlanItem {
    PlanItem::new(Kind::Service.name(), "worker", "worker", change, "")
}

/// A worker that is registered in the group which the production rule sends to.
async fn behind_the_rule(rig: &Rig) -> Service {
    let mut worker = service("worker");
    let group = rig.connector.world().target_group_arn("web-blue").unwrap();
    worker.spec["loadBalancers"] =
        json!([{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]);
    let tasks = task_definition("web", "web:v1");
    rig.ecs().apply_service_create(&stamp(), &worker, Some(&tasks)).await.unwrap();
    seconds(120).await;
    worker
}

/// Takes the traffic off the group.
fn give_away(rig: &Rig) {
    let (first, second) = (rig.rule(10), rig.rule(20));
    let mut world = rig.connector.world();
    let other = world.target_group_arn("other").unwrap();
    for rule in [first, second] {
        let body = json!({"RuleArn": rule, "Actions": [{"Type": "forward", "TargetGroupArn": other}]});
        world.call("elbv2", "ModifyRule", &body).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_requests_still_reach_is_neither_replaced_nor_pruned() {
    let rig = Rig::new().await;
    let mut worker = behind_the_rule(&rig).await;
    worker.spec["launchType"] = "EC2".into();
    worker.spec["loadBalancers"] = json!([]);
    let deployment = deployment(worker, task_definition("web", "web:v1"));
    let target = target(&rig);
    let planned = plan(&target, &deployment).await.unwrap();
    let found = planned.items.iter().find(|item| item.resource == "worker").unwrap();
    assert_eq!(found.change, Change::Blocked, "{found:?}");
    assert!(found.why.contains(&rig.rule(10)) && found.why.contains("launchType"), "{}", found.why);
    lock(&target, |_| ()).await.unwrap();
    for change in [Change::Replace, Change::Prune] {
        let trouble = target.apply_item(&deployment, &item(change)).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Rejected, "{trouble}");
        assert!(trouble.message.contains(":listener-rule/"), "{trouble}");
        assert_eq!(rig.count("DeleteService"), 0);
    }
    give_away(&rig);
    let planned = plan(&target, &deployment).await.unwrap();
    let found = planned.items.iter().find(|item| item.resource == "worker").unwrap();
    assert_eq!(found.change, Change::Replace, "{found:?}");
    target.apply_item(&deployment, &item(Change::Prune)).await.unwrap();
    assert_eq!(rig.count("DeleteService"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rolling_update_under_traffic_stays_allowed() {
    let rig = Rig::new().await;
    let worker = behind_the_rule(&rig).await;
    let deployment = deployment(worker, task_definition("web", "web:v2"));
    let target = target(&rig);
    lock(&target, |_| ()).await.unwrap();
    target.apply_item(&deployment, &item(Change::Update)).await.unwrap();
    assert_eq!(rig.count("UpdateService"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_has_traffic_is_not_made_anew() {
    let rig = Rig::new().await;
    let rollout = rig.rollout("web:v1");
    rig.ecs().apply_workload(&rollout, &create(Slot::Blue, 1, 1)).await.unwrap();
    steady(&rig.ecs(), &rollout, Slot::Blue).await;
    let mut changed = rollout.clone();
    documents(&mut changed).service.spec["launchType"] = "EC2".into();
    let target = target(&rig);
    lock(&target, |_| ()).await.unwrap();
    target.observe_slots(&changed).await.unwrap();
    let update = Action::UpdateSlot { slot: Slot::Blue, count: 1 };
    let trouble = target.apply_workload(&changed, &update).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Rejected, "{trouble}");
    assert!(trouble.message.contains(&rig.rule(10)), "{trouble}");
    assert_eq!((rig.count("DeleteService"), rig.count("RegisterTaskDefinition")), (0, 1));
    give_away(&rig);
    target.observe_slots(&changed).await.unwrap();
    target.apply_workload(&changed, &update).await.unwrap();
    assert_eq!(rig.count("DeleteService"), 1);
}

fn strategy(provider: &str) -> Value {
    json!([{"capacityProvider": provider, "weight": 1}])
}

/// The fields of `web` on another capacity.
fn on(spec: &mut Value, launch_type: Option<&str>, provider: Option<&str>) {
    let fields = spec.as_object_mut().unwrap();
    fields.remove("launchType");
    fields.remove("capacityProviderStrategy");
    fields.extend(launch_type.map(|kind| ("launchType".to_owned(), kind.into())));
    fields.extend(provider.map(|provider| ("capacityProviderStrategy".to_owned(), strategy(provider))));
}

const MOVES: [(Option<&str>, Option<&str>); 4] = [
    (None, Some("FARGATE")),
    (None, Some("FARGATE_SPOT")),
    (Some("FARGATE"), None),
    (None, Some("FARGATE_SPOT")),
];

#[tokio::test(start_paused = true)]
async fn a_slot_moves_between_launch_type_and_capacity_providers_in_place() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut rollout = rig.rollout("web:v1");
    ecs.apply_workload(&rollout, &create(Slot::Green, 1, 1)).await.unwrap();
    steady(&ecs, &rollout, Slot::Green).await;
    for (launch_type, provider) in MOVES {
        on(&mut documents(&mut rollout).service.spec, launch_type, provider);
        let started = rig.connector.world().tasks_started_total();
        ecs.apply_workload(&rollout, &Action::UpdateSlot { slot: Slot::Green, count: 1 }).await.unwrap();
        let seen = steady(&ecs, &rollout, Slot::Green).await;
        let Workload::Present { content, .. } = seen.workload else { panic!("{seen:?}") };
        assert_eq!(content, cutover::rollout::Content::Desired, "{launch_type:?} {provider:?}");
        assert!(rig.connector.world().tasks_started_total() > started, "{launch_type:?} {provider:?}");
    }
    assert_eq!(rig.count("DeleteService"), 0);
    observe(&ecs, &rollout, Slot::Green).await;
}

#[tokio::test(start_paused = true)]
async fn a_rolling_service_moves_in_place_too_and_the_plan_says_that_tasks_start() {
    let rig = Rig::new().await;
    let tasks = task_definition("web", "web:v1");
    let mut worker = service("worker");
    rig.ecs().apply_service_create(&stamp(), &worker, Some(&tasks)).await.unwrap();
    seconds(120).await;
    for (launch_type, provider) in MOVES {
        on(&mut worker.spec, launch_type, provider);
        let deployment = deployment(worker.clone(), tasks.clone());
        let planned = plan(&target(&rig), &deployment).await.unwrap();
        let found = planned.items.iter().find(|item| item.resource == "worker").unwrap();
        assert_eq!(found.change, Change::Update, "{found:?}");
        assert!(found.why.contains("ECS starts new tasks"), "{}", found.why);
        rig.ecs().apply_service_update(&stamp(), &worker, Some(&tasks)).await.unwrap();
        seconds(120).await;
        let planned = plan(&target(&rig), &deployment).await.unwrap();
        assert!(!planned.has_changes(), "{launch_type:?} {provider:?} {:?}", planned.items);
    }
}
