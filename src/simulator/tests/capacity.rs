//! Launch types, capacity providers and container instances.

use super::{settle, shop, task_definition};
use crate::simulator::{Settings, World};
use serde_json::{Value, json};

const FORCE: &str = "When switching from launch type to capacity provider strategy on an existing service, or making a \
                     change to a capacity provider strategy on a service that is already using one, you must force a \
                     new deployment.";

fn strategy(provider: &str, weight: u32) -> Value {
    json!([{"capacityProvider": provider, "weight": weight}])
}

fn web(change: impl FnOnce(&mut Value)) -> World {
    let mut world = shop(Settings::default());
    world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "v1")).unwrap();
    let mut request = super::service(&world, "web", "web", Some("web-blue"), 3);
    change(&mut request);
    world.call("ecs", "CreateService", &request).unwrap();
    settle(&mut world, "web");
    world
}

fn on(providers: Value) -> World {
    web(|request| {
        request.as_object_mut().unwrap().remove("launchType");
        request["capacityProviderStrategy"] = providers;
    })
}

fn update(world: &mut World, mut change: Value) -> Result<Value, String> {
    change["cluster"] = json!("prod");
    change["service"] = json!("web");
    let answer = world.call("ecs", "UpdateService", &change).map_err(|refused| {
        assert_eq!(refused.code, "InvalidParameterException");
        refused.message
    });
    answer.map(|answer| answer["service"].clone())
}

fn tasks(world: &mut World) -> Vec<Value> {
    let arns = world.call("ecs", "ListTasks", &json!({"cluster": "prod", "serviceName": "web"})).unwrap();
    let asked = json!({"cluster": "prod", "tasks": arns["taskArns"]});
    world.call("ecs", "DescribeTasks", &asked).unwrap()["tasks"].as_array().unwrap().clone()
}

#[test]
fn another_strategy_needs_a_forced_deployment() {
    for mut world in [web(|_| {}), on(strategy("FARGATE", 1))] {
        let change = json!({"capacityProviderStrategy": strategy("FARGATE_SPOT", 1)});
        assert_eq!(update(&mut world, change.clone()), Err(FORCE.into()));
        assert_eq!(world.service("web").unwrap().deployments, 1);
        let mut forced = change.clone();
        forced["forceNewDeployment"] = json!(true);
        let service = update(&mut world, forced).unwrap();
        assert_eq!(service["capacityProviderStrategy"][0]["capacityProvider"], "FARGATE_SPOT");
        assert_eq!(
            (&service["launchType"], service["deployments"].as_array().unwrap().len()),
            (&Value::Null, 2)
        );
        settle(&mut world, "web");
        assert!(tasks(&mut world).iter().all(|task| task["capacityProviderName"] == "FARGATE_SPOT"));
        // The same again is no change, and no deployment either.
        update(&mut world, change).unwrap();
        assert_eq!(world.service("web").unwrap().deployments, 1);
    }
}

#[test]
fn an_empty_strategy_goes_back_to_the_launch_type_in_place() {
    let mut world = on(strategy("FARGATE_SPOT", 1));
    let service = update(&mut world, json!({"capacityProviderStrategy": []})).unwrap();
    assert_eq!(
        (&service["launchType"], &service["capacityProviderStrategy"]),
        (&json!("FARGATE"), &Value::Null)
    );
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
    update(&mut world, json!({"desiredCount": 4})).unwrap();
    settle(&mut world, "web");
    let providers = tasks(&mut world).into_iter().map(|task| task["capacityProviderName"].clone());
    assert_eq!(providers.filter(Value::is_null).count(), 1, "only the new task is on the launch type");
}

#[test]
fn base_and_weights_share_the_tasks_out() {
    let mut world = on(json!([
        {"capacityProvider": "FARGATE", "base": 1, "weight": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    ]));
    update(&mut world, json!({"desiredCount": 9})).unwrap();
    settle(&mut world, "web");
    let spot = tasks(&mut world).into_iter().filter(|task| task["capacityProviderName"] == "FARGATE_SPOT");
    assert_eq!(spot.count(), 6);
}

#[test]
fn a_service_that_says_neither_takes_the_clusters_default_strategy() {
    let mut world = shop(Settings::default());
    let cluster =
        json!({"clusterName": "spot", "defaultCapacityProviderStrategy": strategy("FARGATE_SPOT", 1)});
    world.call("ecs", "CreateCluster", &cluster).unwrap();
    world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "v1")).unwrap();
    let mut request = super::service(&world, "web", "web", None, 1);
    request.as_object_mut().unwrap().remove("launchType");
    for (name, launch_type, strategies) in [("prod", json!("EC2"), 0), ("spot", Value::Null, 1)] {
        request["cluster"] = json!(name);
        let service = world.call("ecs", "CreateService", &request).unwrap()["service"].clone();
        let strategy = service["capacityProviderStrategy"].as_array().map_or(0, Vec::len);
        assert_eq!((&service["launchType"], strategy), (&launch_type, strategies), "{name}");
    }
}
