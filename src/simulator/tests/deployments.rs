//! Deployments of services.

use super::{deploy, events, settle, shop, steady, task_definition, update};
use crate::simulator::{Fault, Settings, World};
use serde_json::json;

fn web(count: u32) -> World {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web", "v1", Some("web-blue"), count);
    settle(&mut world, "web");
    world
}

fn update_service(world: &mut World, change: serde_json::Value) {
    let mut request = change;
    request["cluster"] = json!("prod");
    request["service"] = json!("web");
    world.call("ecs", "UpdateService", &request).unwrap();
}

#[test]
fn a_new_service_becomes_healthy_and_steady() {
    let mut world = web(3);
    assert_eq!(world.healthy_targets("web-blue"), 3);
    assert_eq!(world.tasks_started_total(), 3);
    let events = events(&mut world, "web");
    assert_eq!(events[0], "(service web) has reached a steady state.");
    assert!(events[1].ends_with("deployment completed."), "{events:?}");
    assert!(events.last().unwrap().starts_with("(service web) has started 3 tasks: (task "));
}

#[test]
fn a_rolling_update_never_has_fewer_healthy_tasks_than_the_minimum() {
    let mut world = web(4);
    update(&mut world, "web", "v2");
    let mut least = usize::MAX;
    let done = world.run_until(600_000, |world| {
        least = least.min(world.healthy_targets("web-blue"));
        steady(world, "web") && world.service("web").unwrap().release == "v2"
    });
    assert!(done.is_some());
    assert!(least >= 4, "{least}");
    assert_eq!(world.tasks_started_total(), 8);
    assert_eq!(world.tasks_alive(), 4);
}

#[test]
fn with_a_low_minimum_and_no_surplus_old_tasks_make_room() {
    let mut world = web(4);
    update_service(
        &mut world,
        json!({"deploymentConfiguration": {"minimumHealthyPercent": 50, "maximumPercent": 100}}),
    );
    update(&mut world, "web", "v2");
    let (mut least, mut most) = (usize::MAX, 0);
    world.run_until(900_000, |world| {
        let service = world.service("web").unwrap();
        least = least.min(world.healthy_targets("web-blue"));
        most = most.max(service.running + service.pending);
        steady(world, "web") && service.release == "v2"
    });
    assert_eq!(world.service("web").unwrap().release, "v2");
    assert!(least >= 2 && most <= 4, "{least} {most}");
}

#[test]
fn old_tasks_drain_for_the_deregistration_delay() {
    let mut world = web(1);
    update_service(&mut world, json!({"desiredCount": 0}));
    let draining = |world: &World| world.target_health("web-blue").iter().any(|t| t.state == "draining");
    let begun = world.run_until(60_000, draining).unwrap();
    let gone = world.run_until(60_000, |world| world.target_health("web-blue").is_empty()).unwrap();
    assert_eq!(gone - begun, 30_000);
    assert!(world.run_until(60_000, |world| world.tasks_alive() == 0).is_some());
}

#[test]
fn only_what_deploys_begins_a_deployment() {
    let mut world = web(1);
    for (change, deployments) in [
        (json!({"desiredCount": 1}), 1),
        (json!({"taskDefinition": "web"}), 1),
        (json!({"healthCheckGracePeriodSeconds": 5}), 1),
        (json!({"enableExecuteCommand": true}), 1),
        (json!({"forceNewDeployment": true}), 2),
    ] {
        update_service(&mut world, change.clone());
        assert_eq!(world.service("web").unwrap().deployments, deployments, "{change}");
    }
    settle(&mut world, "web");
    let arn = world.target_group_arn("web-blue").unwrap();
    // The same load balancers again: sent is enough.
    update_service(
        &mut world,
        json!({"loadBalancers": [{"targetGroupArn": arn, "containerName": "app", "containerPort": 8080}]}),
    );
    assert_eq!(world.service("web").unwrap().deployments, 2);
}

#[test]
fn scaling_leaves_the_rollout_state_completed() {
    let mut world = web(1);
    update_service(&mut world, json!({"desiredCount": 3}));
    let service = world.service("web").unwrap();
    assert_eq!((service.rollout_state.as_str(), service.desired, service.running), ("COMPLETED", 3, 1));
    // Running is not healthy yet.
    settle(&mut world, "web");
    assert_eq!(world.healthy_targets("web-blue"), 1);
    assert!(world.run_until(60_000, |world| world.healthy_targets("web-blue") == 3).is_some());
}

#[test]
fn a_crashing_task_is_replaced_again_and_again_and_never_fails_the_deployment() {
    let mut world = shop(Settings::default());
    let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "crash2")).unwrap();
    let mut request = super::service(&world, "web", "web", Some("web-blue"), 1);
    request["deploymentConfiguration"] = breaker;
    world.call("ecs", "CreateService", &request).unwrap();
    world.advance(world.now() + 300_000);
    assert_eq!(world.service("web").unwrap().rollout_state, "IN_PROGRESS");
    assert!(world.tasks_started_total() > 10);
    let stopped =
        world.call("ecs", "ListTasks", &json!({"cluster": "prod", "desiredStatus": "STOPPED"})).unwrap();
    let arn = stopped["taskArns"][0].clone();
    let task = world.call("ecs", "DescribeTasks", &json!({"cluster": "prod", "tasks": [arn]})).unwrap();
    assert_eq!(task["tasks"][0]["stoppedReason"], "Essential container in task exited");
    assert_eq!(task["tasks"][0]["containers"][0]["exitCode"], 1);
}

#[test]
fn the_circuit_breaker_rolls_back_to_the_last_completed_deployment() {
    let mut world = web(2);
    update_service(
        &mut world,
        json!({"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}}}),
    );
    update(&mut world, "web", "v2-missing");
    let tripped = world.run_until(600_000, |world| world.service("web").unwrap().release == "v1");
    assert!(tripped.is_some());
    settle(&mut world, "web");
    let events = events(&mut world, "web");
    assert!(events.iter().any(|event| event.contains("rolling back to")), "{events:?}");
    assert_eq!(world.healthy_targets("web-blue"), 2);
    let described =
        world.call("ecs", "DescribeServices", &json!({"cluster": "prod", "services": ["web"]})).unwrap();
    let primary = &described["services"][0]["deployments"][0];
    assert_eq!(primary["rolloutState"], "COMPLETED");
    assert!(described["services"][0]["taskDefinition"].as_str().unwrap().ends_with("web:1"));
}

#[test]
fn without_rollback_a_failed_deployment_stays_failed_and_the_old_tasks_stay() {
    let mut world = web(2);
    update_service(
        &mut world,
        json!({"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": false}}}),
    );
    update(&mut world, "web", "v2-missing");
    let failed = world.run_until(600_000, |world| world.service("web").unwrap().rollout_state == "FAILED");
    assert!(failed.is_some());
    let started = world.tasks_started_total();
    world.advance(world.now() + 600_000);
    assert_eq!(world.tasks_started_total(), started);
    assert_eq!(world.healthy_targets("web-blue"), 2);
}

#[test]
fn unhealthy_tasks_are_replaced_after_the_grace_period() {
    let mut world = shop(Settings::default());
    world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "unhealthy")).unwrap();
    let mut request = super::service(&world, "web", "web", Some("web-blue"), 1);
    request["healthCheckGracePeriodSeconds"] = json!(120);
    world.call("ecs", "CreateService", &request).unwrap();
    let running = world.run_until(60_000, |world| world.service("web").unwrap().running == 1).unwrap();
    let unhealthy = |world: &World| world.target_health("web-blue").iter().any(|t| t.state == "unhealthy");
    assert!(world.run_until(60_000, unhealthy).unwrap() < running + 60_000);
    let replaced = world.run_until(300_000, |world| world.tasks_started_total() == 2).unwrap();
    assert!((120_000..135_000).contains(&(replaced - running)), "{}", replaced - running);
    let target = &world.target_health("web-blue")[0];
    assert_eq!(target.reason.as_deref(), Some("Target.DeregistrationInProgress"));
}

#[test]
fn without_room_a_task_waits_and_the_service_says_so() {
    let mut world = web(1);
    world.inject(Fault::Capacity { tasks: 1 });
    update_service(&mut world, json!({"desiredCount": 2}));
    world.advance(world.now() + 60_000);
    assert_eq!(world.service("web").unwrap().running, 1);
    assert!(events(&mut world, "web")[0].contains("unable to place a task"));
    world.inject(Fault::Capacity { tasks: 2 });
    assert!(world.run_until(400_000, |world| world.healthy_targets("web-blue") == 2).is_some());
}

#[test]
fn deleting_drains_and_frees_the_name() {
    let mut world = web(2);
    let request = json!({"cluster": "prod", "service": "web"});
    assert_eq!(world.call("ecs", "DeleteService", &request).unwrap_err().code, "InvalidParameterException");
    let forced = json!({"cluster": "prod", "service": "web", "force": true});
    assert_eq!(world.call("ecs", "DeleteService", &forced).unwrap()["service"]["status"], "DRAINING");
    let again = super::service(&world, "web", "web", None, 1);
    assert!(world.call("ecs", "CreateService", &again).unwrap_err().message.contains("still Draining"));
    assert_eq!(world.call("ecs", "UpdateService", &request).unwrap_err().code, "ServiceNotActiveException");
    world.run_until(120_000, |world| world.services().is_empty()).unwrap();
    world.call("ecs", "CreateService", &again).unwrap();
    settle(&mut world, "web");
}

#[test]
fn ecs_own_blue_green_moves_the_weights_when_the_new_tasks_are_healthy() {
    let mut world = shop(Settings::default());
    world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "v1")).unwrap();
    let mut request = super::service(&world, "web", "web", Some("web-blue"), 2);
    let green = world.target_group_arn("web-green").unwrap();
    request["loadBalancers"][0]["advancedConfiguration"] = json!({"alternateTargetGroupArn": green, "productionListenerRule": super::RULE, "roleArn": "arn:aws:iam::0:role/r"});
    request["deploymentConfiguration"] = json!({"strategy": "CANARY", "bakeTimeInMinutes": 2,
        "canaryConfiguration": {"canaryPercent": 10, "canaryBakeTimeInMinutes": 1}});
    world.call("ecs", "CreateService", &request).unwrap();
    settle(&mut world, "web");
    assert_eq!(weights(&world), [("web-blue", 100), ("web-green", 0)].map(own));
    update(&mut world, "web", "v2");
    let canary = world.run_until(60_000, |world| weights(world)[1].1 == 10).unwrap();
    assert_eq!(world.healthy_targets("web-green"), 2);
    let shifted = world.run_until(120_000, |world| weights(world)[1].1 == 100).unwrap();
    assert_eq!(shifted - canary, 60_000);
    settle(&mut world, "web");
    assert!(world.now() - shifted >= 120_000);
    assert_eq!(world.tasks_alive(), 2);
    update(&mut world, "web", "v3-missing");
    update_service(
        &mut world,
        json!({"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}}}),
    );
    world.run_until(600_000, |world| world.service("web").unwrap().release == "v2").unwrap();
    settle(&mut world, "web");
    assert_eq!(weights(&world), [("web-blue", 0), ("web-green", 100)].map(own));
}

fn own((name, weight): (&str, u32)) -> (String, u32) {
    (name.into(), weight)
}

fn weights(world: &World) -> Vec<(String, u32)> {
    world.rules().into_iter().find(|rule| rule.arn == super::RULE).unwrap().weights
}

fn described(world: &mut World) -> serde_json::Value {
    let asked = json!({"cluster": "prod", "services": ["web"]});
    world.call("ecs", "DescribeServices", &asked).unwrap()["services"][0].clone()
}

#[test]
fn a_native_strategy_moves_the_tasks_into_the_alternate_group_and_says_nothing_of_it() {
    for strategy in ["BLUE_GREEN", "LINEAR", "CANARY"] {
        let mut world = shop(Settings::default());
        world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "v1")).unwrap();
        let mut request = super::service(&world, "web", "web", Some("web-blue"), 2);
        let (blue, green) =
            (world.target_group_arn("web-blue").unwrap(), world.target_group_arn("web-green").unwrap());
        request["loadBalancers"][0]["advancedConfiguration"] = json!({"alternateTargetGroupArn": green,
            "productionListenerRule": super::RULE, "roleArn": "arn:aws:iam::0:role/r"});
        request["deploymentConfiguration"] = json!({"strategy": strategy});
        world.call("ecs", "CreateService", &request).unwrap();
        settle(&mut world, "web");
        let releases = |world: &World, group: &str| {
            let targets = world.target_health(group).into_iter().filter(|target| target.state == "healthy");
            targets.filter_map(|target| target.release).collect::<Vec<_>>()
        };
        assert_eq!((releases(&world, "web-blue").len(), releases(&world, "web-green").len()), (2, 0));
        for (tag, full, empty, weights_now) in
            [("v2", "web-green", "web-blue", [0, 100]), ("v3", "web-blue", "web-green", [100, 0])]
        {
            update(&mut world, "web", tag);
            settle(&mut world, "web");
            assert_eq!(releases(&world, full), [tag, tag], "{strategy}");
            assert!(releases(&world, empty).is_empty(), "{strategy}");
            assert_eq!(weights(&world).iter().map(|(_, weight)| *weight).collect::<Vec<_>>(), weights_now);
            let balancer = described(&mut world)["loadBalancers"][0].clone();
            assert_eq!(balancer["targetGroupArn"], blue, "as it was declared, wherever the tasks are");
            assert_eq!(balancer["advancedConfiguration"]["alternateTargetGroupArn"], green);
        }
        assert_eq!(described(&mut world)["deploymentConfiguration"]["strategy"], strategy);
    }
}

#[test]
fn a_rollback_makes_the_last_completed_revision_primary_and_says_so() {
    let mut world = web(2);
    let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    update_service(&mut world, json!({"deploymentConfiguration": breaker}));
    let completed = described(&mut world)["deployments"][0]["id"].as_str().unwrap().to_string();
    update(&mut world, "web", "v2-missing");
    let failed = described(&mut world)["deployments"][0]["id"].as_str().unwrap().to_string();
    world.run_until(600_000, |world| world.service("web").unwrap().release == "v1").expect("rolled back");
    let service = described(&mut world);
    let deployments = service["deployments"].as_array().unwrap();
    let primary = &deployments[0];
    assert_eq!((&primary["status"], &primary["rolloutState"]), (&json!("PRIMARY"), &json!("IN_PROGRESS")));
    assert!(primary["id"] != completed.as_str() && primary["id"] != failed.as_str());
    let reason = format!("ECS deployment circuit breaker: rolling back to deploymentId {completed}.");
    assert_eq!(primary["rolloutStateReason"], reason);
    assert!(service["taskDefinition"].as_str().unwrap().ends_with("web:1"));
    if let Some(gone) = deployments.iter().find(|deployment| deployment["id"] == failed.as_str()) {
        assert_eq!((&gone["status"], &gone["rolloutState"]), (&json!("ACTIVE"), &json!("FAILED")));
        assert_eq!(gone["rolloutStateReason"], "ECS deployment circuit breaker: tasks failed to start.");
    }
    settle(&mut world, "web");
    let primary = described(&mut world)["deployments"][0].clone();
    let id = primary["id"].as_str().unwrap();
    assert_eq!(primary["rolloutStateReason"], format!("ECS deployment {id} completed."));
    let events = events(&mut world, "web");
    for wanted in [
        format!("(service web) (deployment {failed}) deployment failed: tasks failed to start."),
        format!("(service web) rolling back to deployment {completed}."),
    ] {
        assert!(events.contains(&wanted), "{events:?}");
    }
}
