//! A circuit breaker that goes back is a verdict on what was sent.

use super::replaced::{deployment, item, target};
use super::slots::{create, observe, steady};
use super::{Rig, documents, seconds, service, task_definition};
use cutover::engine::{Platform, Rollout, Settled, Signalling, Workloads};
use cutover::model::{Slot, Timestamp};
use cutover::plan::Change;
use cutover::platform::ecs::Ecs;
use cutover::rollout::{Action, Content, Workload};
use cutover::simulator::{Failure, Fault};
use cutover::sites::EcsTarget;
use serde_json::{Value, json};

fn breaker() -> Value {
    json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}})
}

fn breaking(rig: &Rig, image: &str) -> Rollout {
    let mut rollout = rig.rollout(image);
    documents(&mut rollout).service.spec["deploymentConfiguration"] = breaker();
    rollout
}

async fn refused(ecs: &Ecs, rollout: &Rollout) -> Option<Timestamp> {
    observe(ecs, rollout, Slot::Green).await.refused
}

#[tokio::test(start_paused = true)]
async fn what_ecs_gave_up_in_an_existing_idle_slot_is_told_during_the_return_and_after_it() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let (good, bad) = (breaking(&rig, "web:v1"), breaking(&rig, "web:v2-missing"));
    ecs.apply_workload(&good, &create(Slot::Green, 1, 1)).await.unwrap();
    steady(&ecs, &good, Slot::Green).await;
    assert_eq!(refused(&ecs, &bad).await, None, "what was never sent was refused");
    let sent = rig.aws.clock().now();
    ecs.apply_workload(&bad, &Action::UpdateSlot { slot: Slot::Green, count: 1 }).await.unwrap();
    assert_eq!(refused(&ecs, &bad).await, None);
    let mut at = None;
    for _ in 0..200 {
        seconds(5).await;
        at = refused(&ecs, &bad).await;
        if at.is_some() {
            break;
        }
    }
    assert!(at.expect("never refused") >= sent, "{at:?} {sent:?}");
    steady(&ecs, &good, Slot::Green).await;
    seconds(600).await;
    // ECS no longer lists the failed deployment. Another process sees the verdict all the same.
    let seen = observe(&rig.another().await.ecs(), &bad, Slot::Green).await;
    assert!(seen.refused.is_some_and(|at| at >= sent), "{seen:?}");
    let Workload::Present { content: Content::Other, .. } = seen.workload else { panic!("{seen:?}") };
    // It speaks of that content only, and no longer once something else was sent.
    assert_eq!(refused(&ecs, &good).await, None);
    assert_eq!(refused(&ecs, &breaking(&rig, "web:v3")).await, None);
    let mut other_fields = bad.clone();
    documents(&mut other_fields).service.spec["enableExecuteCommand"] = true.into();
    assert_eq!(refused(&ecs, &other_fields).await, None);
    let next = breaking(&rig, "web:v3");
    ecs.apply_workload(&next, &Action::UpdateSlot { slot: Slot::Green, count: 1 }).await.unwrap();
    assert_eq!(refused(&ecs, &next).await, None);
    steady(&ecs, &next, Slot::Green).await;
    assert_eq!(refused(&ecs, &bad).await, None);
}

/// One sync of the worker: what was sent, and how it ended.
async fn sync(rig: &Rig, target: &EcsTarget, image: &str) -> (usize, Settled) {
    let mut worker = service("worker");
    worker.spec["deploymentConfiguration"] = breaker();
    let deployment = deployment(worker, task_definition("web", image));
    let item = item(Change::Update);
    rig.clear_log();
    while let Err(trouble) = target.apply_item(&deployment, &item).await {
        assert_eq!(trouble.kind, cutover::engine::TroubleKind::LookAgain, "{trouble}");
    }
    loop {
        match target.settled(&deployment, &item).await.unwrap() {
            Settled::InProgress { .. } => seconds(5).await,
            settled => return (rig.count("UpdateService"), settled),
        }
    }
}

fn failed(settled: &Settled) -> &str {
    let Settled::Failed { state, .. } = settled else { panic!("{settled:?}") };
    state
}

#[tokio::test(start_paused = true)]
async fn a_rolling_service_is_not_sent_what_ecs_gave_up_until_its_backoff_is_over() {
    let rig = Rig::new().await;
    let first = task_definition("web", "web:v1");
    let mut worker = service("worker");
    worker.spec["deploymentConfiguration"] = breaker();
    rig.ecs().apply_service_create(&super::stamp(), &worker, Some(&first)).await.unwrap();
    seconds(120).await;
    let bad = "web:v2-missing";
    let (sent, end) = sync(&rig, &target(&rig), bad).await;
    assert_eq!(sent, 1);
    assert!(failed(&end).contains("was not kept"), "{end:?}");
    // The next looks, of other processes: the same verdict, and nothing is sent.
    for _ in 0..3 {
        let (sent, end) = sync(&rig, &target(&rig), bad).await;
        assert_eq!(sent, 0);
        assert!(failed(&end).contains("ECS gave this content up at"), "{end:?}");
        seconds(20).await;
    }
    let wanted = deployment(worker, task_definition("web", bad));
    let plan = cutover::engine::plan(&target(&rig), &wanted).await.unwrap();
    let why = &plan.items.iter().find(|item| item.resource == "worker").unwrap().why;
    assert!(why.contains("ECS gave this content up") && why.contains("cutover retry"), "{why}");
    seconds(300).await;
    let (sent, _) = sync(&rig, &target(&rig), bad).await;
    assert_eq!(sent, 1, "it is tried again after five minutes");
    seconds(320).await;
    let (sent, end) = sync(&rig, &target(&rig), bad).await;
    assert_eq!(sent, 0, "the second wait is longer");
    assert!(failed(&end).contains("2 times"), "{end:?}");
    // A retry lifts it.
    assert_eq!(target(&rig).forget_refused(&wanted).await.unwrap(), ["worker"]);
    seconds(90).await;
    let (sent, _) = sync(&rig, &target(&rig), bad).await;
    assert_eq!(sent, 1);
    // So does other content.
    let (sent, end) = sync(&rig, &target(&rig), "web:v3").await;
    assert_eq!((sent, end), (1, Settled::Steady));
}

#[tokio::test(start_paused = true)]
async fn more_tasks_are_done_only_when_they_run() {
    let rig = Rig::new().await;
    let mut worker = service("worker");
    worker.spec["desiredCount"] = 2.into();
    let tasks = task_definition("web", "web:v1");
    rig.ecs().apply_service_create(&super::stamp(), &worker, Some(&tasks)).await.unwrap();
    seconds(120).await;
    worker.spec["desiredCount"] = 4.into();
    let deployment = deployment(worker, tasks);
    let (target, item) = (target(&rig), item(Change::Update));
    while target.apply_item(&deployment, &item).await.is_err() {}
    // An answer from before the write says that all runs.
    let stale = Failure::Stale { age_ms: 60_000 };
    let fault = Fault::Call { operation: "DescribeServices".into(), after: 0, times: 1, failure: stale };
    rig.connector.world().inject(fault);
    let early = target.settled(&deployment, &item).await.unwrap();
    assert!(matches!(early, Settled::InProgress { .. }), "{early:?}");
    while let Settled::InProgress { .. } = target.settled(&deployment, &item).await.unwrap() {
        seconds(1).await;
    }
    let live = rig.ecs().read_service("worker").await.unwrap().unwrap();
    assert_eq!(live.count("runningCount"), 4);
}
