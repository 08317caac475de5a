//! Target groups and rules that are deleted, and made again under the same name.

use super::{LISTENER, RULE, deploy, events, settle, shop, steady, update};
use crate::simulator::{Settings, World};
use serde_json::{Value, json};

fn web() -> World {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web", "v1", Some("web-green"), 2);
    settle(&mut world, "web");
    world.run_until(60_000, |world| world.healthy_targets("web-green") == 2).expect("healthy targets");
    world
}

fn forward_to(world: &mut World, group: &str) {
    let actions = json!([{"Type": "forward", "TargetGroupArn": world.target_group_arn(group).unwrap()}]);
    world.call("elbv2", "ModifyRule", &json!({"RuleArn": RULE, "Actions": actions})).unwrap();
}

/// Deletes the group that `web` is registered in; returns its ARN.
fn delete_group(world: &mut World) -> String {
    let arn = world.target_group_arn("web-green").unwrap();
    let request = json!({"TargetGroupArn": arn});
    assert_eq!(world.call("elbv2", "DeleteTargetGroup", &request).unwrap_err().code, "ResourceInUse");
    forward_to(world, "web-blue");
    world.call("elbv2", "DeleteTargetGroup", &request).expect("no rule names it any more");
    arn
}

fn service(world: &mut World) -> Value {
    let asked = json!({"cluster": "prod", "services": ["web"]});
    world.call("ecs", "DescribeServices", &asked).unwrap()["services"][0].clone()
}

#[test]
fn a_group_made_again_is_another_and_its_service_keeps_the_old_one() {
    let mut world = web();
    let old = delete_group(&mut world);
    let again = json!({"Name": "web-green", "Protocol": "HTTP", "Port": 8080, "TargetType": "ip"});
    let made = world.call("elbv2", "CreateTargetGroup", &again).unwrap();
    let new = made["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap().to_string();
    assert_ne!(old, new);
    forward_to(&mut world, "web-green");
    world.advance(world.now() + 300_000);
    assert_eq!(service(&mut world)["loadBalancers"][0]["targetGroupArn"], old);
    assert!(world.target_health(&new).is_empty(), "nobody registers in it");
    let health = world.call("elbv2", "DescribeTargetHealth", &json!({"TargetGroupArn": old})).unwrap_err();
    assert_eq!(health.code, "TargetGroupNotFound");
    let groups = world.call("elbv2", "DescribeTargetGroups", &json!({"TargetGroupArns": [old]})).unwrap_err();
    assert_eq!(groups.code, "TargetGroupNotFound");
    let now = world.now();
    assert_eq!(world.route(now, LISTENER, "shop", "/").status(), 503);
    // The tasks that ran run on; nobody can say how they are.
    assert_eq!((world.tasks_started_total(), world.service("web").unwrap().running), (2, 2));
}

#[test]
fn a_task_that_starts_cannot_be_registered_in_a_group_that_is_gone() {
    let mut world = web();
    let old = delete_group(&mut world);
    update(&mut world, "web", "v2");
    assert!(
        world.run_until(600_000, |world| steady(world, "web")).is_none(),
        "the deployment never completes"
    );
    assert_eq!(world.service("web").unwrap().rollout_state, "IN_PROGRESS");
    let failed = format!(
        "(service web) failed to register targets in (target-group {old}) with (error One or more target groups not found)"
    );
    assert!(events(&mut world, "web").contains(&failed));
    // Another group sets it right.
    let blue = world.target_group_arn("web-blue").unwrap();
    let balancers = json!([{"targetGroupArn": blue, "containerName": "app", "containerPort": 8080}]);
    let change = json!({"cluster": "prod", "service": "web", "loadBalancers": balancers});
    world.call("ecs", "UpdateService", &change).unwrap();
    settle(&mut world, "web");
    assert_eq!(world.healthy_targets("web-blue"), 2);
}

#[test]
fn a_rule_made_again_is_another() {
    let mut world = web();
    let rule =
        world.call("elbv2", "DescribeRules", &json!({"RuleArns": [RULE]})).unwrap()["Rules"][0].clone();
    world.call("elbv2", "DeleteRule", &json!({"RuleArn": RULE})).unwrap();
    let gone = world.call("elbv2", "DescribeRules", &json!({"RuleArns": [RULE]})).unwrap_err();
    assert_eq!(gone.code, "RuleNotFound");
    assert_eq!(world.target_health("web-green")[0].state, "unused");
    let again = json!({"ListenerArn": LISTENER, "Priority": 10, "Conditions": rule["Conditions"], "Actions": rule["Actions"]});
    let made = world.call("elbv2", "CreateRule", &again).unwrap()["Rules"][0].clone();
    assert_ne!(made["RuleArn"], RULE);
    assert_eq!((&made["Priority"], &made["Conditions"]), (&json!("10"), &rule["Conditions"]));
    world.run_until(60_000, |world| world.healthy_targets("web-green") == 2).expect("checked again");
}
