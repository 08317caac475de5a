//! What others do to an account: they tag, scale, take tasks away and register targets.

use super::{LISTENER, RULE, deploy, settle, shop, task_definition};
use crate::simulator::{Fault, Settings, World};
use serde_json::{Value, json};

fn web(count: u32) -> World {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web", "v1", Some("web-blue"), count);
    settle(&mut world, "web");
    world
}

fn weigh(world: &mut World, blue: u32, green: u32) {
    let arn = |name| world.target_group_arn(name).unwrap();
    let groups = json!([{"TargetGroupArn": arn("web-blue"), "Weight": blue}, {"TargetGroupArn": arn("web-green"), "Weight": green}]);
    let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]);
    world.call("elbv2", "ModifyRule", &json!({"RuleArn": RULE, "Actions": actions})).unwrap();
}

fn elb_tags(world: &mut World, arn: &str) -> Value {
    let described = world.call("elbv2", "DescribeTags", &json!({"ResourceArns": [arn]})).unwrap();
    described["TagDescriptions"][0]["Tags"].clone()
}

#[test]
fn an_auto_tagger_tags_whatever_is_made_and_nothing_that_was_there() {
    for delay_ms in [0, 5_000] {
        let mut world = shop(Settings::default());
        world.inject(Fault::AutoTag { key: "aws:createdBy".into(), value: "them".into(), delay_ms });
        deploy(&mut world, "web", "v1", Some("web-blue"), 1);
        let group = json!({"Name": "new", "Protocol": "HTTP", "Port": 1, "TargetType": "ip"});
        let group = world.call("elbv2", "CreateTargetGroup", &group).unwrap();
        let group = group["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap().to_string();
        let rule = json!({"ListenerArn": LISTENER, "Priority": 7, "Conditions": [{"Field": "path-pattern", "Values": ["/new"]}],
            "Actions": [{"Type": "forward", "TargetGroupArn": group}]});
        let rule = world.call("elbv2", "CreateRule", &rule).unwrap();
        let rule = rule["Rules"][0]["RuleArn"].as_str().unwrap().to_string();
        let tags = json!([{"Key": "aws:createdBy", "Value": "them"}]);
        assert_eq!(elb_tags(&mut world, &group) == tags, delay_ms == 0);
        world.advance(world.now() + delay_ms);
        assert_eq!(elb_tags(&mut world, &group), tags);
        assert_eq!(elb_tags(&mut world, &rule), tags);
        assert_eq!(elb_tags(&mut world, RULE), json!([]));
        assert_eq!(world.service("web").unwrap().tags["aws:createdBy"], "them");
        let revision = json!({"taskDefinition": "web", "include": ["TAGS"]});
        let revision = world.call("ecs", "DescribeTaskDefinition", &revision).unwrap();
        assert_eq!(revision["tags"], json!([{"key": "aws:createdBy", "value": "them"}]));
    }
}

#[test]
fn the_load_balancer_controllers_tags_stay_on_rules_groups_and_load_balancers() {
    let mut world = web(1);
    let balancer = LISTENER.replace(":listener/", ":loadbalancer/").rsplit_once('/').unwrap().0.to_string();
    let group = world.target_group_arn("web-blue").unwrap();
    let tags = json!([
        {"Key": "elbv2.k8s.aws/cluster", "Value": "prod"},
        {"Key": "ingress.k8s.aws/stack", "Value": "shop/web"},
    ]);
    let arns = [RULE, LISTENER, &group, &balancer];
    world.call("elbv2", "AddTags", &json!({"ResourceArns": arns, "Tags": tags})).unwrap();
    for arn in arns {
        assert_eq!(elb_tags(&mut world, arn), tags, "{arn}");
    }
    let keys = ["elbv2.k8s.aws/cluster", "ingress.k8s.aws/stack"];
    world.call("elbv2", "RemoveTags", &json!({"ResourceArns": arns, "TagKeys": keys})).unwrap();
    assert_eq!(elb_tags(&mut world, RULE), json!([]));
}

#[test]
fn a_desired_count_changed_by_somebody_else_is_no_deployment() {
    let mut world = web(2);
    world.inject(Fault::DesiredCount { service: "web".into(), count: 5 });
    let service = world.service("web").unwrap();
    let counts = (service.desired, service.running, service.deployments);
    assert_eq!((counts, service.rollout_state.as_str()), ((5, 2, 1), "COMPLETED"));
    world.run_until(120_000, |world| world.healthy_targets("web-blue") == 5).expect("five tasks");
    let described = world.call("ecs", "DescribeServices", &json!({"cluster": "prod", "services": ["web"]}));
    let reason = described.unwrap()["services"][0]["deployments"][0]["rolloutStateReason"].clone();
    assert!(reason.as_str().unwrap().ends_with(" completed."), "{reason}");
}

#[test]
fn an_autoscaler_lets_a_service_without_traffic_shrink_and_grow_again() {
    let mut world = web(20);
    let every_ms = 60_000;
    world.inject(Fault::Autoscaler { service: "web".into(), min: 1, max: 20, every_ms });
    world.advance(world.now() + 300_000);
    assert_eq!(world.service("web").unwrap().desired, 20, "while it has the traffic");
    weigh(&mut world, 0, 100);
    world.run_until(120_000, |world| world.service("web").unwrap().desired == 1).expect("shrunk");
    world.run_until(120_000, |world| world.service("web").unwrap().running == 1).expect("tasks stopped");
    weigh(&mut world, 1, 99);
    world.run_until(120_000, |world| world.service("web").unwrap().desired == 20).expect("grown again");
    assert_eq!(world.service("web").unwrap().running, 1, "the tasks come later");
}

#[test]
fn a_spot_interruption_gives_two_minutes_and_drains_the_target() {
    for (drain_seconds, ends_ms) in [(30, 35_000), (300, 125_000)] {
        let mut world = web(3);
        let group = world.target_group_arn("web-blue").unwrap();
        let delay =
            json!([{"Key": "deregistration_delay.timeout_seconds", "Value": drain_seconds.to_string()}]);
        let change = json!({"TargetGroupArn": group, "Attributes": delay});
        world.call("elbv2", "ModifyTargetGroupAttributes", &change).unwrap();
        let task = world.tasks()[0].id;
        world.inject(Fault::SpotInterruption { service: "web".into() });
        let noticed = world.now();
        let target = world.target_health("web-blue").into_iter().find(|target| target.task == Some(task));
        assert_eq!(target.unwrap().state, "draining");
        assert!(world.tasks().iter().any(|running| running.id == task), "it still runs");
        let stopped = json!({"cluster": "prod", "desiredStatus": "STOPPED"});
        let arn = world.call("ecs", "ListTasks", &stopped).unwrap()["taskArns"][0].clone();
        let shown = world.call("ecs", "DescribeTasks", &json!({"cluster": "prod", "tasks": [arn]})).unwrap();
        let shown = shown["tasks"][0].clone();
        assert_eq!(shown["stopCode"], "SpotInterruption");
        assert_eq!(shown["stoppedReason"], "Your Spot Task was interrupted.");
        let gone = |world: &World| world.tasks().iter().all(|running| running.id != task);
        let ended = world.run_until(400_000, gone).unwrap() - noticed;
        assert!((ends_ms - 10_000..=ends_ms).contains(&ended), "{drain_seconds} s of draining: {ended} ms");
        settle(&mut world, "web");
        world.run_until(60_000, |world| world.healthy_targets("web-blue") == 3).expect("replaced");
    }
}

#[test]
fn targets_registered_by_hand_serve_and_go_by_hand() {
    let mut world = web(1);
    let group = world.target_group_arn("web-blue").unwrap();
    let stranger = json!({"TargetGroupArn": group, "Targets": [{"Id": "10.9.9.9", "Port": 8080}]});
    world.call("elbv2", "RegisterTargets", &stranger).unwrap();
    world.run_until(60_000, |world| world.healthy_targets("web-blue") == 2).expect("both are healthy");
    let ours: Vec<bool> =
        world.target_health("web-blue").iter().map(|target| target.task.is_some()).collect();
    assert_eq!(ours.iter().filter(|ours| **ours).count(), 1);
    let now = world.now();
    let answers =
        (0..100).filter(|_| world.route(now, LISTENER, "shop", "/").release() == Some("10.9.9.9:8080"));
    assert!((20..80).contains(&answers.count()));
    // Another service's task, registered where it does not belong.
    deploy(&mut world, "other", "v9", None, 1);
    settle(&mut world, "other");
    let tasks = json!({"cluster": "prod", "serviceName": "other"});
    let tasks = world.call("ecs", "ListTasks", &tasks).unwrap()["taskArns"].clone();
    let task = world.call("ecs", "DescribeTasks", &json!({"cluster": "prod", "tasks": tasks})).unwrap();
    let ip = task["tasks"][0]["containers"][0]["networkInterfaces"][0]["privateIpv4Address"].clone();
    let misplaced = json!({"TargetGroupArn": group, "Targets": [{"Id": ip, "Port": 8080}]});
    world.call("elbv2", "RegisterTargets", &misplaced).unwrap();
    let releases = |world: &World| {
        let mut releases: Vec<_> = world.target_health("web-blue").into_iter().map(|t| t.release).collect();
        releases.sort();
        releases
    };
    assert_eq!(releases(&world), [None, Some("v1".into()), Some("v9".into())]);
    world.call("elbv2", "DeregisterTargets", &misplaced).unwrap();
    world.call("elbv2", "DeregisterTargets", &stranger).unwrap();
    world.run_until(60_000, |world| world.target_health("web-blue").len() == 1).expect("drained");
    assert!(world.service("web").unwrap().running == 1);
}

#[test]
fn service_discovery_connect_and_lattice_are_shown_as_ecs_shows_them() {
    let mut world = shop(Settings::default());
    world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "v1")).unwrap();
    let mut request = super::service(&world, "web", "web", None, 1);
    let registries =
        json!([{"registryArn": "arn:aws:servicediscovery:eu-central-1:000000000000:service/srv-1"}]);
    let connect = json!({"enabled": true, "namespace": "shop"});
    let lattice = json!([{"roleArn": "arn:aws:iam::000000000000:role/l", "targetGroupArn": "tg-1", "portName": "http"}]);
    request["serviceRegistries"] = registries.clone();
    request["serviceConnectConfiguration"] = connect.clone();
    request["vpcLatticeConfigurations"] = lattice.clone();
    world.call("ecs", "CreateService", &request).unwrap();
    let shown = |world: &mut World| {
        let asked = json!({"cluster": "prod", "services": ["web"]});
        world.call("ecs", "DescribeServices", &asked).unwrap()["services"][0].clone()
    };
    let service = shown(&mut world);
    assert_eq!(service["serviceRegistries"], registries);
    assert_eq!(service["deployments"][0]["serviceConnectConfiguration"], connect);
    assert_eq!(service["deployments"][0]["vpcLatticeConfigurations"], lattice);
    assert!(
        service["serviceConnectConfiguration"].is_null() && service["vpcLatticeConfigurations"].is_null()
    );
    settle(&mut world, "web");
    let change = json!({"cluster": "prod", "service": "web", "serviceRegistries": []});
    world.call("ecs", "UpdateService", &change).unwrap();
    let service = shown(&mut world);
    assert_eq!(
        (&service["serviceRegistries"], &service["deployments"][1]["status"]),
        (&json!([]), &json!("ACTIVE"))
    );
}
