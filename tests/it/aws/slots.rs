use super::{Rig, documents, record, seconds};
use cutover::engine::{Rollout, TroubleKind, Workloads};
use cutover::model::{Slot, SlotName, TaskDefinitionRef};
use cutover::platform::ecs::Ecs;
use cutover::rollout::{Action, Content, SlotObservation, Stage, Workload};
use cutover::simulator::Failure;
use serde_json::json;

pub fn create(slot: Slot, count: u32, sequence: u64) -> Action {
    Action::CreateSlot { slot, count, record: record(sequence) }
}

pub async fn observe(ecs: &Ecs, rollout: &Rollout, slot: Slot) -> SlotObservation {
    ecs.observe_slots(rollout).await.unwrap().slots.get(slot).clone()
}

/// Waits until the slot is steady.
pub async fn steady(ecs: &Ecs, rollout: &Rollout, slot: Slot) -> SlotObservation {
    for _ in 0..60 {
        let seen = observe(ecs, rollout, slot).await;
        if matches!(seen.workload, Workload::Present { stage: Stage::Steady, .. }) {
            return seen;
        }
        seconds(5).await;
    }
    panic!("the {slot} slot never became steady: {:?}", ecs.read_service("web-blue").await);
}

fn content(seen: &SlotObservation) -> Content {
    let Workload::Present { content, .. } = seen.workload else { panic!("{seen:?}") };
    content
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_created_becomes_steady_and_carries_its_notes() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let rollout = rig.rollout("web:v1");
    assert_eq!(observe(&ecs, &rollout, Slot::Blue).await.workload, Workload::Absent);
    ecs.apply_workload(&rollout, &create(Slot::Blue, 2, 7)).await.unwrap();
    let young = observe(&ecs, &rollout, Slot::Blue).await;
    assert!(matches!(young.workload, Workload::Present { stage: Stage::InProgress, .. }), "{young:?}");
    let seen = steady(&ecs, &rollout, Slot::Blue).await;
    let Workload::Present { content, desired_count, running, owned, label, troubles, .. } = &seen.workload
    else {
        panic!()
    };
    assert_eq!((*content, *desired_count, *running, *owned), (Content::Desired, 2, 2, true));
    assert_eq!((label.as_str(), troubles.len()), ("web:1", 0));
    assert_eq!(seen.record, Some(record(7)));
    let live = ecs.read_service("web-blue").await.unwrap().unwrap();
    assert_eq!(live.tags["team"], "shop");
    assert_eq!(live.tags["cutover.dev/document"], "Service/web");
    assert_eq!(live.json["loadBalancers"][0]["containerPort"], 8080);
    assert_eq!(rig.connector.world().healthy_targets("web-blue"), 2);
    // Another process sees the same without reading a revision.
    rig.clear_log();
    let other = rig.another().await.ecs();
    assert_eq!(self::content(&observe(&other, &rollout, Slot::Blue).await), Content::Desired);
    assert_eq!(rig.count("DescribeTaskDefinition"), 0);
    assert_eq!(rig.count("DescribeServices"), 1);
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_answer_was_lost_is_one_service_and_one_revision() {
    for operation in ["CreateService", "RegisterTaskDefinition"] {
        for failure in [Failure::LostAnswer, Failure::CutBefore] {
            let rig = Rig::new().await;
            let rollout = rig.rollout("web:v1");
            rig.inject(operation, failure.clone(), 1);
            let ecs = rig.ecs();
            if let Err(trouble) = ecs.apply_workload(&rollout, &create(Slot::Blue, 1, 1)).await {
                assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
                // The same again, as by a run that starts anew.
                let again = rig.another().await.ecs();
                again.apply_workload(&rollout, &create(Slot::Blue, 1, 1)).await.unwrap();
            }
            steady(&ecs, &rollout, Slot::Blue).await;
            assert_eq!(rig.connector.world().services().len(), 1);
            assert_eq!(rig.connector.world().revisions_registered("web"), 1, "{operation} {failure:?}");
            assert_eq!(rig.connector.world().tasks_started_total(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_existing_name_is_looked_at_again_and_not_fought_over() {
    let rig = Rig::new().await;
    let rollout = rig.rollout("web:v1");
    let ecs = rig.ecs();
    ecs.apply_workload(&rollout, &create(Slot::Blue, 1, 1)).await.unwrap();
    let trouble = ecs.apply_workload(&rollout, &create(Slot::Blue, 3, 2)).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn an_update_sends_what_changed_and_a_repeated_one_nothing() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let first = rig.rollout("web:v1");
    ecs.apply_workload(&first, &create(Slot::Blue, 1, 1)).await.unwrap();
    steady(&ecs, &first, Slot::Blue).await;
    let second = rig.rollout("web:v2");
    assert_eq!(content(&observe(&ecs, &second, Slot::Blue).await), Content::Other);
    let update = Action::UpdateSlot { slot: Slot::Blue, count: 2 };
    ecs.apply_workload(&second, &update).await.unwrap();
    let seen = steady(&ecs, &second, Slot::Blue).await;
    assert_eq!((content(&seen), seen.count()), (Content::Desired, 2));
    assert_eq!(seen.record, Some(record(1)), "the update lost the record");
    rig.clear_log();
    ecs.apply_workload(&second, &update).await.unwrap();
    assert_eq!(rig.writes(), 0);
    // The count alone starts no deployment.
    let started = rig.connector.world().tasks_started_total();
    ecs.apply_workload(&second, &Action::ScaleSlot { slot: Slot::Blue, count: 3 }).await.unwrap();
    assert_eq!(rig.connector.world().service("web-blue").unwrap().deployments, 1);
    steady(&ecs, &second, Slot::Blue).await;
    assert_eq!(rig.connector.world().tasks_started_total(), started + 1);
    ecs.apply_workload(&second, &Action::WriteRecord { slot: Slot::Blue, record: record(2) }).await.unwrap();
    assert_eq!(observe(&ecs, &second, Slot::Blue).await.record, Some(record(2)));
}

#[tokio::test(start_paused = true)]
async fn a_field_that_only_a_new_service_can_have_makes_the_idle_slot_anew() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let rollout = rig.rollout("web:v1");
    ecs.apply_workload(&rollout, &create(Slot::Green, 1, 1)).await.unwrap();
    steady(&ecs, &rollout, Slot::Green).await;
    let mut changed = rollout.clone();
    documents(&mut changed).service.spec["launchType"] = "EC2".into();
    ecs.apply_workload(&changed, &Action::UpdateSlot { slot: Slot::Green, count: 1 }).await.unwrap();
    assert_eq!(observe(&ecs, &changed, Slot::Green).await.workload, Workload::Draining);
    for _ in 0..100 {
        seconds(10).await;
        if observe(&ecs, &changed, Slot::Green).await.workload == Workload::Absent {
            return;
        }
    }
    panic!("the deleted service is still there");
}

#[tokio::test(start_paused = true)]
async fn an_existing_service_is_adopted_without_a_new_task() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut rollout = rig.rollout("web:v1");
    let blue = rig.connector.world().target_group_arn("web-blue").unwrap();
    {
        let mut world = rig.connector.world();
        let spec = &documents(&mut rollout).task_definition.as_ref().unwrap().spec;
        let mut spec = spec.clone();
        (spec["cpu"], spec["memory"]) = ("256".into(), "512".into());
        world.call("ecs", "RegisterTaskDefinition", &spec).unwrap();
        let balancer = json!({"targetGroupArn": blue, "containerName": "app", "containerPort": 8080});
        let network = documents(&mut rollout).service.spec["networkConfiguration"].clone();
        let body = json!({"cluster": "prod", "serviceName": "old-web", "taskDefinition": "web:1",
            "desiredCount": 1, "launchType": "FARGATE", "networkConfiguration": network,
            "loadBalancers": [balancer], "tags": [{"key": "team", "value": "shop"}]});
        world.call("ecs", "CreateService", &body).unwrap();
    }
    rollout.blue_green.slots.blue = Some(SlotName { service: Some("old-web".into()), ..SlotName::default() });
    let seen = steady(&ecs, &rollout, Slot::Blue).await;
    let Workload::Present { content: Content::Desired, owned: false, .. } = seen.workload else {
        panic!("{seen:?}")
    };
    let refused = ecs.apply_workload(&rollout, &Action::ScaleSlot { slot: Slot::Blue, count: 0 }).await;
    assert_eq!(refused.unwrap_err().kind, TroubleKind::Rejected, "a service without our mark was changed");
    let started = rig.connector.world().tasks_started_total();
    ecs.apply_workload(&rollout, &Action::AdoptSlot { slot: Slot::Blue }).await.unwrap();
    let seen = steady(&ecs, &rollout, Slot::Blue).await;
    assert!(matches!(seen.workload, Workload::Present { owned: true, .. }));
    assert_eq!(rig.connector.world().tasks_started_total(), started);
    let mut foreign = rollout.clone();
    foreign.application = "other".into();
    // Somebody else's service is refused with the owner's name; its notes are none of ours.
    let reading = ecs.observe_slots(&foreign).await.unwrap();
    assert!(!reading.slots.blue.is_owned() && reading.slots.blue.record.is_none());
    let [hindrance] = reading.hindrances.as_slice() else { panic!("{:?}", reading.hindrances) };
    assert!(hindrance.why.contains("belongs to application shop"), "{hindrance:?}");
    let refused = ecs.apply_workload(&foreign, &Action::AdoptSlot { slot: Slot::Blue }).await.unwrap_err();
    assert_eq!(refused.kind, TroubleKind::Rejected, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn tasks_that_crash_are_told_with_exit_code_and_reason() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let rollout = rig.rollout("web:v2-crash2");
    ecs.apply_workload(&rollout, &create(Slot::Green, 1, 1)).await.unwrap();
    seconds(60).await;
    let seen = observe(&ecs, &rollout, Slot::Green).await;
    let Workload::Present { stage, troubles, .. } = &seen.workload else { panic!() };
    assert_ne!(*stage, Stage::Steady);
    assert!(troubles.iter().any(|t| t.contains("exit code 1")), "{troubles:?}");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_trips_the_circuit_breaker_and_is_a_failure() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut rollout = rig.rollout("web:v3-missing");
    documents(&mut rollout).service.spec["deploymentConfiguration"] =
        json!({"deploymentCircuitBreaker": {"enable": true, "rollback": false}});
    ecs.apply_workload(&rollout, &create(Slot::Green, 1, 1)).await.unwrap();
    for _ in 0..200 {
        seconds(5).await;
        let seen = observe(&ecs, &rollout, Slot::Green).await;
        let Workload::Present { stage, troubles, .. } = &seen.workload else { panic!() };
        if *stage == Stage::Failed {
            assert!(troubles.iter().any(|t| t.contains("task stopped")), "{troubles:?}");
            // Asking for tasks again takes a new deployment.
            ecs.apply_workload(&rollout, &Action::ScaleSlot { slot: Slot::Green, count: 1 }).await.unwrap();
            let seen = observe(&ecs, &rollout, Slot::Green).await;
            let Workload::Present { stage: Stage::InProgress, .. } = seen.workload else {
                panic!("{seen:?}")
            };
            return;
        }
    }
    panic!("the circuit breaker never tripped");
}

#[tokio::test(start_paused = true)]
async fn a_named_revision_is_used_as_it_is() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut rollout = rig.rollout("web:v1");
    let spec = {
        let mut spec = documents(&mut rollout).task_definition.take().unwrap().spec;
        (spec["cpu"], spec["memory"]) = ("256".into(), "512".into());
        spec
    };
    rig.connector.world().call("ecs", "RegisterTaskDefinition", &spec).unwrap();
    documents(&mut rollout).service.task_definition = TaskDefinitionRef::External("web:1".into());
    ecs.apply_workload(&rollout, &create(Slot::Blue, 1, 1)).await.unwrap();
    assert_eq!(content(&steady(&ecs, &rollout, Slot::Blue).await), Content::Desired);
    documents(&mut rollout).service.task_definition = TaskDefinitionRef::External("web:2".into());
    assert_eq!(content(&observe(&ecs, &rollout, Slot::Blue).await), Content::Other);
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_is_never_absent() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let rollout = rig.rollout("web:v1");
    for (code, kind) in [
        ("AccessDeniedException", TroubleKind::Denied),
        ("ClusterNotFoundException", TroubleKind::Missing),
        ("InvalidParameterException", TroubleKind::Rejected),
        ("ServerException", TroubleKind::Transient),
        ("ThrottlingException", TroubleKind::Transient),
    ] {
        let failure = Failure::Error { code: code.into(), message: "injected".into() };
        rig.inject("DescribeServices", failure, 10);
        let trouble = ecs.observe_slots(&rollout).await.unwrap_err();
        assert_eq!(trouble.kind, kind, "{trouble}");
        rig.connector.world().revive();
        // Uses up what is left of the fault.
        while ecs.observe_slots(&rollout).await.is_err() {}
    }
}
