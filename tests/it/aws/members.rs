//! Members of a slot: healthy targets count only if they are running tasks of its own service.

use super::slots::{create, observe, steady};
use super::{Rig, SEED, documents, seconds};
use cutover::engine::{Rollout, Workloads};
use cutover::model::Slot;
use cutover::platform::ecs::Ecs;
use cutover::rollout::Action;
use cutover::simulator::{Failure, Settings};
use serde_json::json;
use std::collections::BTreeSet;

/// The group's healthy targets, as the load balancer names them.
fn healthy(rig: &Rig, group: &str) -> BTreeSet<String> {
    let targets = rig.connector.world().target_health(group);
    let healthy = targets.iter().filter(|target| target.state == "healthy");
    healthy.map(|target| format!("{}:{}", target.ip, target.port)).collect()
}

async fn own(ecs: &Ecs, rollout: &Rollout, healthy: &BTreeSet<String>) -> BTreeSet<String> {
    observe(ecs, rollout, Slot::Blue).await;
    ecs.own_targets(rollout, Slot::Blue, healthy).await.unwrap().unwrap()
}

async fn until_healthy(rig: &Rig, group: &str, count: usize) -> BTreeSet<String> {
    for _ in 0..60 {
        let healthy = healthy(rig, group);
        if healthy.len() == count {
            return healthy;
        }
        seconds(5).await;
    }
    panic!("{group} never had {count} healthy targets");
}

/// Somebody else's service in the group of the blue slot.
fn intrude(rig: &Rig, rollout: &mut Rollout) {
    let network = documents(rollout).service.spec["networkConfiguration"].clone();
    let mut world = rig.connector.world();
    let group = world.target_group_arn("web-blue").unwrap();
    let balancer = json!({"targetGroupArn": group, "containerName": "app", "containerPort": 8080});
    let body = json!({"cluster": "prod", "serviceName": "legacy", "taskDefinition": "web:1", "desiredCount": 1,
        "launchType": "FARGATE", "networkConfiguration": network, "loadBalancers": [balancer],
        "tags": [{"key": "cutover.dev/application", "value": "billing"}]});
    world.call("ecs", "CreateService", &body).unwrap();
}

#[tokio::test(start_paused = true)]
async fn healthy_targets_of_another_service_are_not_the_slots_and_a_steady_poll_reads_no_tasks() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut rollout = rig.rollout("web:v1");
    ecs.apply_workload(&rollout, &create(Slot::Blue, 2, 1)).await.unwrap();
    steady(&ecs, &rollout, Slot::Blue).await;
    let two = until_healthy(&rig, "web-blue", 2).await;
    rig.clear_log();
    assert_eq!(own(&ecs, &rollout, &two).await, two);
    assert_eq!((rig.count("ListTasks"), rig.count("DescribeTasks")), (1, 1));
    // A steady poll costs the description of the services and nothing else.
    rig.clear_log();
    for _ in 0..20 {
        seconds(30).await;
        assert_eq!(own(&ecs, &rollout, &two).await, two);
    }
    assert_eq!((rig.count("ListTasks"), rig.count("DescribeTasks")), (0, 0));
    assert_eq!(rig.count("DescribeServices"), 20);
    intrude(&rig, &mut rollout);
    let three = until_healthy(&rig, "web-blue", 3).await;
    rig.clear_log();
    assert_eq!(own(&ecs, &rollout, &three).await, two);
    assert_eq!(own(&ecs, &rollout, &three).await, two);
    assert_eq!(rig.count("ListTasks"), 1, "the same set was asked for twice at once");
    let strangers = ecs.strangers(&rollout, Slot::Blue).await.unwrap();
    let named: Vec<_> = strangers.iter().map(|s| (s.service.as_str(), s.application.as_deref())).collect();
    assert_eq!(named, [("legacy", Some("billing"))]);
    assert!(ecs.strangers(&rollout, Slot::Green).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_write_of_ours_makes_tasks_be_read_again_and_a_read_that_fails_is_not_nothing() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let rollout = rig.rollout("web:v1");
    ecs.apply_workload(&rollout, &create(Slot::Blue, 2, 1)).await.unwrap();
    steady(&ecs, &rollout, Slot::Blue).await;
    let two = until_healthy(&rig, "web-blue", 2).await;
    own(&ecs, &rollout, &two).await;
    ecs.apply_workload(&rollout, &Action::ScaleSlot { slot: Slot::Blue, count: 3 }).await.unwrap();
    rig.clear_log();
    own(&ecs, &rollout, &two).await;
    assert_eq!(rig.count("ListTasks"), 1);
    for operation in ["ListTasks", "DescribeTasks"] {
        ecs.apply_workload(&rollout, &Action::ScaleSlot { slot: Slot::Blue, count: 2 }).await.unwrap();
        ecs.apply_workload(&rollout, &Action::ScaleSlot { slot: Slot::Blue, count: 3 }).await.unwrap();
        rig.inject(operation, Failure::Denied, 1);
        let trouble = ecs.own_targets(&rollout, Slot::Blue, &two).await.unwrap_err();
        assert!(trouble.to_string().contains(operation), "{trouble}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_slot_is_updated_targets_of_its_old_version_do_not_count() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let first = rig.rollout("web:v1");
    ecs.apply_workload(&first, &create(Slot::Blue, 2, 1)).await.unwrap();
    steady(&ecs, &first, Slot::Blue).await;
    let old = until_healthy(&rig, "web-blue", 2).await;
    let second = rig.rollout("web:v2");
    ecs.apply_workload(&second, &Action::UpdateSlot { slot: Slot::Blue, count: 2 }).await.unwrap();
    assert!(own(&ecs, &second, &old).await.is_empty(), "the old version proved the new one");
    steady(&ecs, &second, Slot::Blue).await;
    let new = until_healthy(&rig, "web-blue", 2).await;
    assert!(new.is_disjoint(&old));
    assert_eq!(own(&ecs, &second, &new).await, new);
}

#[tokio::test(start_paused = true)]
async fn tasks_on_machines_are_found_by_instance_and_host_port() {
    for (mode, host_port) in [("bridge", 0), ("bridge", 9_000), ("host", 8_080)] {
        let seed = SEED.replace("TargetType: ip", "TargetType: instance");
        let rig = Rig::with(Settings::default(), &seed).await;
        let ecs = rig.ecs();
        let mut rollout = rig.rollout("web:v1");
        let documents = documents(&mut rollout);
        documents.service.spec = json!({"serviceName": "web", "launchType": "EC2"});
        documents.task_definition.as_mut().unwrap().spec = json!({"family": "web", "networkMode": mode,
            "containerDefinitions": [{"name": "app", "image": "web:v1", "memory": 64,
                "portMappings": [{"containerPort": 8080, "hostPort": host_port}]}]});
        ecs.apply_workload(&rollout, &create(Slot::Blue, 3, 1)).await.unwrap();
        let three = until_healthy(&rig, "web-blue", 3).await;
        assert!(three.iter().all(|target| target.starts_with("i-")), "{three:?}");
        rig.clear_log();
        assert_eq!(own(&ecs, &rollout, &three).await, three, "{mode} {host_port}");
        assert_eq!(rig.count("DescribeContainerInstances"), 1);
        // A machine keeps its name.
        ecs.apply_workload(&rollout, &Action::ScaleSlot { slot: Slot::Blue, count: 2 }).await.unwrap();
        let two = until_healthy(&rig, "web-blue", 2).await;
        assert_eq!(own(&ecs, &rollout, &two).await, two);
        assert_eq!(rig.count("DescribeContainerInstances"), 1);
    }
}
