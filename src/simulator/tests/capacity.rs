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

/// A service on EC2 machines, in a group of target type `instance` that a rule names.
fn on_machines(mode: &str, host_port: u16, count: u32) -> World {
    let mut world = shop(Settings::default());
    let group = json!({"Name": "machines", "Protocol": "HTTP", "Port": 80, "TargetType": "instance"});
    let group =
        world.call("elbv2", "CreateTargetGroup", &group).unwrap()["TargetGroups"][0]["TargetGroupArn"]
            .clone();
    let rule = json!({"ListenerArn": super::LISTENER, "Priority": 1, "Conditions": [{"Field": "path-pattern", "Values": ["/m"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": group}]});
    world.call("elbv2", "CreateRule", &rule).unwrap();
    let definition = json!({"family": "web", "networkMode": mode, "containerDefinitions": [{"name": "app", "memory": 64,
        "image": "web:v1", "portMappings": [{"containerPort": 8080, "hostPort": host_port}]}]});
    world.call("ecs", "RegisterTaskDefinition", &definition).unwrap();
    let request = json!({"cluster": "prod", "serviceName": "web", "taskDefinition": "web", "desiredCount": count,
        "loadBalancers": [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]});
    world.call("ecs", "CreateService", &request).unwrap();
    settle(&mut world, "web");
    world
        .run_until(120_000, |world| world.healthy_targets("machines") == count as usize)
        .expect("healthy targets");
    world
}

/// The targets that the tasks of `web` are, as a client finds out: by machine and host port.
fn targets_of_tasks(world: &mut World) -> Vec<(String, u64)> {
    let tasks = tasks(world);
    let machines: Vec<&Value> = tasks.iter().map(|task| &task["containerInstanceArn"]).collect();
    let asked = json!({"cluster": "prod", "containerInstances": machines});
    let shown =
        world.call("ecs", "DescribeContainerInstances", &asked).unwrap()["containerInstances"].clone();
    let id_of = |arn: &Value| {
        let machine =
            shown.as_array().unwrap().iter().find(|machine| machine["containerInstanceArn"] == *arn);
        machine.unwrap()["ec2InstanceId"].as_str().unwrap().to_string()
    };
    let port = |task: &Value| task["containers"][0]["networkBindings"][0]["hostPort"].as_u64().unwrap();
    let mut targets: Vec<_> =
        tasks.iter().map(|task| (id_of(&task["containerInstanceArn"]), port(task))).collect();
    targets.sort();
    targets
}

#[test]
fn every_target_of_a_group_can_be_traced_to_its_task_by_machine_and_host_port() {
    for (mode, host_port, machines) in [("bridge", 0, 2), ("bridge", 9_000, 3), ("host", 8_080, 3)] {
        let mut world = on_machines(mode, host_port, 3);
        let group = world.target_group_arn("machines").unwrap();
        let health = world.call("elbv2", "DescribeTargetHealth", &json!({"TargetGroupArn": group})).unwrap();
        let read = |shown: &Value| {
            let target = &shown["Target"];
            (target["Id"].as_str().unwrap().to_string(), target["Port"].as_u64().unwrap())
        };
        let mut registered: Vec<_> =
            health["TargetHealthDescriptions"].as_array().unwrap().iter().map(read).collect();
        registered.sort();
        assert_eq!(targets_of_tasks(&mut world), registered, "{mode} {host_port}");
        assert!(
            registered
                .iter()
                .all(|(id, port)| id.starts_with("i-") && (host_port == 0 || *port == u64::from(host_port)))
        );
        let now = world.now();
        assert_eq!(world.route(now, super::LISTENER, "x", "/m").release(), Some("v1"));
        let listed = world.call("ecs", "ListContainerInstances", &json!({"cluster": "prod"})).unwrap();
        let arns = listed["containerInstanceArns"].as_array().unwrap().clone();
        assert_eq!(arns.len(), machines, "{mode} {host_port}: fixed ports need a machine each");
        let on_each = arns.iter().map(|arn| {
            let asked = json!({"cluster": "prod", "containerInstance": arn});
            world.call("ecs", "ListTasks", &asked).unwrap()["taskArns"].as_array().unwrap().len()
        });
        assert_eq!(on_each.sum::<usize>(), 3);
    }
}

#[test]
fn a_target_type_that_does_not_fit_the_network_mode_is_refused() {
    let mut world = on_machines("bridge", 0, 1);
    let group = world.target_group_arn("web-blue").unwrap();
    let request = json!({"cluster": "prod", "serviceName": "other", "taskDefinition": "web", "desiredCount": 1,
        "loadBalancers": [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]});
    let refused = world.call("ecs", "CreateService", &request).unwrap_err();
    assert!(refused.message.contains("incompatible with the bridge network mode"), "{}", refused.message);
}

#[test]
fn a_fargate_task_is_told_by_its_own_address() {
    let mut world = web(|_| {});
    world.run_until(60_000, |world| world.healthy_targets("web-blue") == 3).expect("healthy targets");
    let mut addresses: Vec<String> = tasks(&mut world)
        .iter()
        .map(|task| {
            assert!(task["containerInstanceArn"].is_null());
            assert!(task["startedBy"].as_str().unwrap().starts_with("ecs-svc/"));
            assert_eq!((&task["group"], &task["lastStatus"]), (&json!("service:web"), &json!("RUNNING")));
            assert!(task["taskDefinitionArn"].as_str().unwrap().ends_with("task-definition/web:1"));
            let details = task["attachments"][0]["details"].as_array().unwrap();
            let detail =
                |name: &str| details.iter().find(|detail| detail["name"] == name).unwrap()["value"].clone();
            assert!(detail("networkInterfaceId").as_str().unwrap().starts_with("eni-"));
            let address = detail("privateIPv4Address");
            assert_eq!(task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"], address);
            assert_eq!(task["containers"][0]["networkBindings"], json!([]));
            address.as_str().unwrap().to_string()
        })
        .collect();
    addresses.sort();
    let registered: Vec<String> =
        world.target_health("web-blue").into_iter().map(|target| target.ip).collect();
    assert_eq!(addresses, registered);
}

#[test]
fn a_network_load_balancers_targets_are_traced_like_others() {
    let mut world = shop(Settings::default());
    let seed = "targetGroups: [{Name: tcp, Protocol: TCP, Port: 8080, TargetType: ip}]
loadBalancers: [{Name: net, Type: network, Subnets: [s], listeners: [{Port: 1, Protocol: TCP, DefaultActions: [{Type: forward, TargetGroupArn: tcp}]}]}]";
    world.load_seed(seed).unwrap();
    super::deploy(&mut world, "web", "v1", Some("tcp"), 2);
    settle(&mut world, "web");
    world.run_until(120_000, |world| world.healthy_targets("tcp") == 2).expect("healthy targets");
    let mut addresses: Vec<Value> = tasks(&mut world)
        .iter()
        .map(|task| task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"].clone())
        .collect();
    addresses.sort_by_key(ToString::to_string);
    let registered: Vec<String> = world.target_health("tcp").into_iter().map(|target| target.ip).collect();
    assert_eq!(json!(addresses), json!(registered));
}

#[test]
fn machines_that_are_not_there_are_failures_and_not_an_error() {
    let mut world = shop(Settings::default());
    let asked = json!({"cluster": "prod", "containerInstances": ["gone"]});
    let answer = world.call("ecs", "DescribeContainerInstances", &asked).unwrap();
    assert_eq!(
        (&answer["containerInstances"], &answer["failures"][0]["reason"]),
        (&json!([]), &json!("MISSING"))
    );
}
