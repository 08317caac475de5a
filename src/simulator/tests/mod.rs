//! Tests of the world: by its wire protocols, by its own interface, and with the real SDK clients.

mod capacity;
mod chaos;
mod controller;
mod deployments;
mod external;
mod faults;
mod gone;
mod routing;
mod sdk;
mod seeds;
mod speed;
mod strangers;
mod wire;

use super::{Millis, Settings, World};
use serde_json::{Value, json};

/// A day in 2026.
const START: Millis = 1_769_846_709_000;

/// A shop on Fargate: cluster `prod`, load balancer `shop` with a rule for `/*` that forwards to `web-blue` (100) and
/// `web-green` (0), and task definitions made by [`task_definition`].
fn shop(settings: Settings) -> World {
    let mut world = World::new(settings, START);
    world.load_seed(SHOP).expect("the seed is right");
    world
}

const SHOP: &str = r#"
clusters: [{clusterName: prod}]
targetGroups:
  - {Name: web-blue, Protocol: HTTP, Port: 8080, TargetType: ip, HealthCheckPath: /healthz, HealthCheckIntervalSeconds: 10,
     Attributes: {deregistration_delay.timeout_seconds: "30"}}
  - {Name: web-green, Protocol: HTTP, Port: 8080, TargetType: ip, HealthCheckPath: /healthz, HealthCheckIntervalSeconds: 10,
     Attributes: {deregistration_delay.timeout_seconds: 30}}
  - {Name: idle, Protocol: HTTP, Port: 8080, TargetType: ip}
loadBalancers:
  - Name: shop
    Subnets: [subnet-a, subnet-b]
    Id: 00000000000000f0
    listeners:
      - Port: 80
        Protocol: HTTP
        Id: 00000000000000f1
        DefaultActions: [{Type: fixed-response, FixedResponseConfig: {StatusCode: "404", MessageBody: nothing here}}]
        rules:
          - {Priority: 10, Id: 00000000000000f2, Conditions: [{Field: path-pattern, Values: ["/*"]}],
             Actions: [{Type: forward, forward: {web-blue: 100, web-green: 0}}]}
"#;

const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:listener/app/shop/00000000000000f0/00000000000000f1";
const RULE: &str = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:listener-rule/app/shop/00000000000000f0/00000000000000f1/00000000000000f2";

fn task_definition(family: &str, tag: &str) -> Value {
    json!({
        "family": family, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "0.5 GB",
        "containerDefinitions": [{"name": "app", "image": format!("registry.example/web:{tag}"),
            "portMappings": [{"containerPort": 8080}]}],
    })
}

fn service(world: &World, name: &str, definition: &str, group: Option<&str>, count: u32) -> Value {
    let mut request = json!({
        "cluster": "prod", "serviceName": name, "taskDefinition": definition, "desiredCount": count,
        "launchType": "FARGATE", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"]}},
    });
    if let Some(group) = group {
        let arn = world.target_group_arn(group).expect("the group is there");
        request["loadBalancers"] =
            json!([{"targetGroupArn": arn, "containerName": "app", "containerPort": 8080}]);
    }
    request
}

/// Registers a revision and deploys it to a new service.
fn deploy(world: &mut World, name: &str, tag: &str, group: Option<&str>, count: u32) {
    world.call("ecs", "RegisterTaskDefinition", &task_definition(name, tag)).expect("registered");
    let request = service(world, name, name, group, count);
    world.call("ecs", "CreateService", &request).expect("created");
}

/// Registers a revision and gives it to a service that is there.
fn update(world: &mut World, name: &str, tag: &str) {
    world.call("ecs", "RegisterTaskDefinition", &task_definition(name, tag)).expect("registered");
    let request = json!({"cluster": "prod", "service": name, "taskDefinition": name});
    world.call("ecs", "UpdateService", &request).expect("updated");
}

/// True if the service's PRIMARY deployment is complete, alone and runs what is desired.
fn steady(world: &World, name: &str) -> bool {
    let service = world.service(name).expect("the service is there");
    service.rollout_state == "COMPLETED" && service.deployments == 1 && service.running == service.desired
}

/// Lets time pass until the service is steady.
fn settle(world: &mut World, name: &str) -> Millis {
    world.run_until(600_000, |world| steady(world, name)).expect("steady within ten minutes")
}

/// The messages of a service's events, newest first.
fn events(world: &mut World, name: &str) -> Vec<String> {
    let described =
        world.call("ecs", "DescribeServices", &json!({"cluster": "prod", "services": [name]})).unwrap();
    let events = described["services"][0]["events"].as_array().cloned().unwrap_or_default();
    events.iter().filter_map(|event| event["message"].as_str().map(String::from)).collect()
}
