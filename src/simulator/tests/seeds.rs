//! Initial worlds.

use super::{SHOP, START, deploy, settle, shop, task_definition};
use crate::simulator::{Settings, World};
use serde_json::json;

#[test]
fn a_seeds_services_are_healthy_from_the_start() {
    let mut world = shop(Settings::default());
    let services = json!({
        "taskDefinitions": [task_definition("web", "v1")],
        "services": [{"cluster": "prod", "serviceName": "web", "taskDefinition": "web", "desiredCount": 2,
            "launchType": "FARGATE", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}},
            "loadBalancers": [{"targetGroupArn": "web-blue", "containerName": "app", "containerPort": 8080}]}],
    });
    world.apply_seed(&services).unwrap();
    assert_eq!(world.now(), START);
    let web = world.service("web").unwrap();
    assert_eq!((web.running, web.rollout_state.as_str(), web.release.as_str()), (2, "COMPLETED", "v1"));
    assert_eq!(world.healthy_targets("web-blue"), 2);
    assert_eq!(world.route(START, super::LISTENER, "shop", "/").release(), Some("v1"));
}

#[test]
fn a_seed_that_is_wrong_says_where() {
    for (seed, says) in [
        ("clusters: {}", "clusters is not a list"),
        ("clutsers: []", "unknown part `clutsers`"),
        ("{", "not valid YAML"),
        ("services: [{serviceName: web}]", "services[0]: CreateService: ClusterNotFoundException"),
        (
            "loadBalancers: [{Name: a, Subnets: [a, b], listeners: [{Port: 80, Protocol: TCP}]}]",
            "loadBalancers[0]: listeners[0]",
        ),
    ] {
        let error = World::new(Settings::default(), START).load_seed(seed).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_failing_image_in_a_seed_does_not_stop_the_clock() {
    let mut world = World::new(Settings::default(), START);
    world.load_seed(SHOP).unwrap();
    world
        .apply_seed(&json!({
            "taskDefinitions": [task_definition("web", "missing")],
            "services": [super::service(&world, "web", "web", Some("web-blue"), 2)],
        }))
        .unwrap();
    assert_eq!(world.now(), START);
    assert_eq!(world.service("web").unwrap().running, 0);
}

#[test]
fn the_same_seed_and_calls_make_the_same_history() {
    let history = |seed| {
        let mut world = shop(Settings { seed, ..Settings::default() });
        deploy(&mut world, "web", "v1", Some("web-blue"), 3);
        let at = settle(&mut world, "web");
        (at, world.target_health("web-blue"), format!("{:?}", world.services()))
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7).0, history(8).0);
}
