//! Targets that ECS did not start.

use super::wire::elb;
use super::{LISTENER, START, shop};
use crate::simulator::{Behaviour, Buckets, ExternalTarget, Probes, Settings, WireResponse, World};
use serde_json::{Value, json};

fn targets(world: &World, group: &str, ips: &[&str]) -> Value {
    let listed: Vec<Value> = ips.iter().map(|ip| json!({"Id": ip, "Port": 8080})).collect();
    json!({"TargetGroupArn": world.target_group_arn(group).unwrap(), "Targets": listed})
}

fn register(world: &mut World, group: &str, ips: &[&str]) {
    let input = targets(world, group, ips);
    world.call("elbv2", "RegisterTargets", &input).unwrap();
}

fn deregister(world: &mut World, group: &str, ips: &[&str]) {
    let input = targets(world, group, ips);
    world.call("elbv2", "DeregisterTargets", &input).unwrap();
}

fn state(world: &World, group: &str, ip: &str) -> String {
    let found = world.target_health(group).into_iter().find(|target| target.ip == ip);
    found.map_or("gone".into(), |target| target.state)
}

fn ask(world: &mut World) -> (Option<String>, u16) {
    let routed = world.route(world.now(), LISTENER, "shop.example", "/");
    (routed.release().map(String::from), routed.status())
}

#[test]
fn a_registered_address_lives_through_all_states_of_a_target() {
    let mut world = shop(Settings::default());
    world.external_target("10.9.0.1", 8080, "shop/web:v7-slow12");
    register(&mut world, "idle", &["10.9.0.1"]);
    world.advance(START + 60_000);
    assert_eq!(state(&world, "idle", "10.9.0.1"), "unused");
    deregister(&mut world, "idle", &["10.9.0.1"]);
    assert_eq!(state(&world, "idle", "10.9.0.1"), "gone");

    register(&mut world, "web-blue", &["10.9.0.1", "10.9.0.2"]);
    assert_eq!(state(&world, "web-blue", "10.9.0.1"), "initial");
    world.external_target("10.9.0.1", 8080, "shop/web:v8-slow5");
    let healthy = world.run_until(60_000, |world| world.healthy_targets("web-blue") == 2).unwrap();
    assert_eq!(healthy, START + 71_000, "checked after 1 s and 11 s, slow for 5 s");
    deregister(&mut world, "web-blue", &["10.9.0.2"]);
    assert_eq!(state(&world, "web-blue", "10.9.0.2"), "draining");
    assert_eq!(ask(&mut world), (Some("v8-slow5".into()), 200));
    world.advance(world.now() + 29_999);
    assert_eq!(state(&world, "web-blue", "10.9.0.2"), "draining");
    world.advance(world.now() + 1);
    assert_eq!(state(&world, "web-blue", "10.9.0.2"), "gone");

    world.external_target_ended("10.9.0.1");
    assert_eq!(ask(&mut world), (None, 502));
    world.run_until(60_000, |world| state(world, "web-blue", "10.9.0.1") == "unhealthy").unwrap();
    world.external_target("10.9.0.1", 8080, "shop/web:v9");
    world.run_until(60_000, |world| state(world, "web-blue", "10.9.0.1") == "healthy").unwrap();
    assert_eq!(ask(&mut world), (Some("v9".into()), 200));
}

#[test]
fn an_address_nobody_spoke_of_is_healthy_and_answers_by_its_own_name() {
    let mut world = shop(Settings::default());
    register(&mut world, "web-blue", &["10.9.0.3"]);
    world.run_until(10_000, |world| world.healthy_targets("web-blue") == 1).unwrap();
    assert_eq!(ask(&mut world), (Some("10.9.0.3:8080".into()), 200));
    world.external_target("10.9.0.3", 8080, Behaviour::parse("unhealthy"));
    world.run_until(60_000, |world| state(world, "web-blue", "10.9.0.3") == "unhealthy").unwrap();
    assert_eq!(ask(&mut world).1, 503);
}

#[test]
fn targets_outside_of_this_machine_are_refused_on_sockets() {
    let mut world = shop(Settings {
        probes: Probes::External,
        dns_names: vec!["127.9.9.9".into()],
        ..Settings::default()
    });
    let blue = world.target_group_arn("web-blue").unwrap();
    for (ip, port, word) in [
        ("8.8.8.8", 80, Some("127.0.0.0/8")),
        ("10.0.0.1", 80, Some("127.0.0.0/8")),
        ("169.254.169.254", 80, Some("127.0.0.0/8")),
        ("0.0.0.0", 80, Some("127.0.0.0/8")),
        ("127.7.7.7", 8080, None),
    ] {
        let input = json!({"TargetGroupArn": blue, "Targets": [{"Id": "127.0.0.1", "Port": 1}, {"Id": ip, "Port": port}]});
        let answer = world.call("elbv2", "RegisterTargets", &input);
        match word {
            Some(word) => {
                let refused = answer.expect_err(ip);
                assert_eq!(refused.code, "InvalidTarget");
                assert!(
                    refused.message.contains(word) && refused.message.contains(ip),
                    "{}",
                    refused.message
                );
                assert_eq!(world.target_health("web-blue"), [], "none of a refused call's targets is there");
            }
            None => drop(answer.unwrap()),
        }
    }
    let own = json!({"TargetGroupArn": blue, "Targets": [{"Id": "127.9.9.9", "Port": 80}]});
    let refused = world.call("elbv2", "RegisterTargets", &own).unwrap_err();
    assert_eq!(world.listeners()[0].dns_name, "127.9.9.9");
    assert_eq!(refused.code, "InvalidTarget", "it would ask itself for ever");
    world.advance(START + 2_000);
    let probes = world.due_probes(START + 2_000);
    let asked: Vec<String> = probes.iter().filter_map(|probe| Some(probe.address?.to_string())).collect();
    assert_eq!(asked, ["127.0.0.1:1", "127.7.7.7:8080"]);
    assert_eq!(probes[0].path.as_deref(), Some("/healthz"));
    world.probe_result(START + 2_000, probes[1].id, Some(200));
    assert_eq!(world.healthy_targets("web-blue"), 1);
    let routed = world.route(START + 2_000, LISTENER, "shop", "/");
    let crate::simulator::Routed::Target(route) = routed else { panic!("{routed:?}") };
    assert_eq!(route.address.unwrap().to_string(), "127.7.7.7:8080");
}

#[test]
fn a_check_that_is_answered_after_the_next_one_is_due_counts_and_meanwhile_none_is_sent() {
    let mut world = shop(Settings { probes: Probes::External, ..Settings::default() });
    register(&mut world, "web-blue", &["127.7.7.7"]);
    let first = world.due_probes(START + 2_000);
    assert_eq!(first.len(), 1);
    let meanwhile: Vec<_> = (3..90).flat_map(|second| world.due_probes(START + second * 1_000)).collect();
    assert!(meanwhile.is_empty(), "{meanwhile:?}");
    world.probe_result(START + 90_000, first[0].id, Some(200));
    assert_eq!(state(&world, "web-blue", "127.7.7.7"), "healthy");
    assert_eq!(world.due_probes(START + 120_000).len(), 1, "and then the next one is");
}

#[test]
fn what_is_said_about_an_address_is_played_on_sockets_until_it_ends() {
    let mut world = shop(Settings { probes: Probes::External, ..Settings::default() });
    world.external_target("10.9.0.1", 8080, "shop/web:v1");
    world.external_target("127.0.0.1", 8080, "shop/web:v1");
    let played: Vec<_> = world.external_tasks();
    assert_eq!(played.len(), 1, "what can be reached is not played");
    assert_eq!((played[0].release.as_str(), played[0].ports.as_slice()), ("v1", [8080].as_slice()));
    world.external_target("10.9.0.1", 8080, "shop/web:v1");
    assert_eq!(world.external_tasks()[0].id, played[0].id, "said twice");
    register(&mut world, "web-blue", &["10.9.0.1"]);
    let probes = world.due_probes(START + 2_000);
    assert_eq!((probes[0].task, probes[0].address), (Some(played[0].id), None));
    world.task_exited(START + 3_000, played[0].id, 1);
    assert_eq!(world.external_tasks(), []);
}

#[test]
fn a_server_beside_a_pods_address_is_asked_in_its_place() {
    let mut world = shop(Settings { probes: Probes::External, ..Settings::default() });
    for (ip, at, asked) in [
        ("10.9.0.1", "127.9.0.1", Some("127.9.0.1:8080")),
        // Never anything but loopback, whatever was said.
        ("10.9.0.2", "192.0.2.9", None),
    ] {
        let target = ExternalTarget { reached_at: at.parse().ok(), ..ExternalTarget::from("web:v1") };
        world.external_target(ip, 8080, target);
        register(&mut world, "web-blue", &[ip]);
        world.advance(world.now() + 2_000);
        let probes = world.due_probes(world.now());
        let address = probes.last().and_then(|probe| probe.address).map(|address| address.to_string());
        assert_eq!(address.as_deref(), asked);
    }
    let played: Vec<String> = world.external_tasks().into_iter().filter_map(|task| task.service).collect();
    assert_eq!(played, ["10.9.0.2:8080"]);
}

#[test]
fn the_wire_refuses_targets_in_elastic_load_balancings_own_words() {
    let mut world = shop(Settings { buckets: Buckets::Real, ..Settings::default() });
    let blue = world.target_group_arn("web-blue").unwrap();
    let code = |answer: &WireResponse| {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map(|(code, _)| code.to_string())
    };
    let id = "Targets.member.1.Id";
    let port = "Targets.member.1.Port";
    for (operation, members, wanted) in [
        (
            "RegisterTargets",
            vec![("TargetGroupArn", "arn:aws:x"), (id, "10.9.0.1")],
            Some("TargetGroupNotFound"),
        ),
        (
            "DeregisterTargets",
            vec![("TargetGroupArn", "arn:aws:x"), (id, "10.9.0.1")],
            Some("TargetGroupNotFound"),
        ),
        ("RegisterTargets", vec![("TargetGroupArn", blue.as_str())], Some("ValidationError")),
        ("RegisterTargets", vec![("TargetGroupArn", &blue), (id, "web")], Some("ValidationError")),
        ("RegisterTargets", vec![("TargetGroupArn", &blue), (id, "::1")], Some("ValidationError")),
        (
            "RegisterTargets",
            vec![("TargetGroupArn", &blue), (id, "10.9.0.1"), (port, "0")],
            Some("ValidationError"),
        ),
        ("DeregisterTargets", vec![("TargetGroupArn", &blue), (id, "10.9.0.9")], None),
        ("RegisterTargets", vec![("TargetGroupArn", &blue), (id, "10.9.0.1")], None),
    ] {
        let answer = elb(&mut world, operation, &members);
        assert_eq!(code(&answer).as_deref(), wanted, "{operation} {members:?}");
    }
    let refused = (0..30)
        .map(|_| elb(&mut world, "RegisterTargets", &[("TargetGroupArn", &blue), (id, "10.9.0.1")]))
        .filter(|answer| code(answer).as_deref() == Some("Throttling"));
    assert_eq!(refused.count(), 18, "a burst of 20, of which the calls above took 8");
    let health = elb(&mut world, "DescribeTargetHealth", &[("TargetGroupArn", &blue)]);
    let health = String::from_utf8_lossy(&health.body).into_owned();
    assert!(health.contains("<Id>10.9.0.1</Id>") && health.contains("<Port>8080</Port>"), "{health}");
}

#[test]
fn a_group_has_room_for_a_thousand_targets() {
    let mut world = shop(Settings::default());
    let ips: Vec<String> = (0..1_001).map(|n| format!("10.9.{}.{}", n / 250, n % 250)).collect();
    let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
    register(&mut world, "web-blue", &ips[..1_000]);
    register(&mut world, "web-blue", &ips[..1_000]);
    let more = targets(&world, "web-blue", &ips[1_000..]);
    let refused = world.call("elbv2", "RegisterTargets", &more).unwrap_err();
    assert_eq!(refused.code, "TooManyTargets");
    deregister(&mut world, "web-blue", &ips[..1]);
    world.advance(world.now() + 30_000);
    register(&mut world, "web-blue", &ips[1_000..]);
}

#[test]
fn reads_of_targets_may_be_stale_too() {
    let mut world = shop(Settings { stale_reads_ms: 5_000, ..Settings::default() });
    let blue = world.target_group_arn("web-blue").unwrap();
    elb(&mut world, "RegisterTargets", &[("TargetGroupArn", &blue), ("Targets.member.1.Id", "10.9.0.1")]);
    world.advance(START + 2_000);
    let mut seen = [false; 2];
    for _ in 0..50 {
        let health = elb(&mut world, "DescribeTargetHealth", &[("TargetGroupArn", &blue)]);
        seen[usize::from(String::from_utf8_lossy(&health.body).contains("10.9.0.1"))] = true;
    }
    assert_eq!(seen, [true, true]);
}
