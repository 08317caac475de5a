//! Target health and where requests go.

use super::{LISTENER, RULE, START, deploy, settle, shop};
use crate::simulator::{Behaviour, Fault, RouteRequest, Routed, Settings, TargetFault, Visitor, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn set_weights(world: &mut World, blue: u32, green: u32) {
    let arn = |name| world.target_group_arn(name).unwrap();
    let groups = json!([{"TargetGroupArn": arn("web-blue"), "Weight": blue}, {"TargetGroupArn": arn("web-green"), "Weight": green}]);
    let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]);
    world.call("elbv2", "ModifyRule", &json!({"RuleArn": RULE, "Actions": actions})).unwrap();
}

/// How often each release answers, of 1000 requests now; load balancer's own answers by status.
fn shares(world: &mut World) -> BTreeMap<String, u32> {
    let now = world.now();
    let mut counts = BTreeMap::new();
    for _ in 0..1_000 {
        let routed = world.route(now, LISTENER, "shop.example", "/");
        let who = routed.release().map_or_else(|| routed.status().to_string(), String::from);
        *counts.entry(who).or_default() += 1;
    }
    counts
}

fn two_colours() -> World {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web-blue", "v1", Some("web-blue"), 2);
    deploy(&mut world, "web-green", "v2", Some("web-green"), 2);
    settle(&mut world, "web-blue");
    settle(&mut world, "web-green");
    world
}

#[test]
fn weights_reach_the_data_plane_late() {
    let mut world = two_colours();
    assert_eq!(shares(&mut world)["v1"], 1_000);
    set_weights(&mut world, 0, 100);
    assert_eq!(world.rules()[0].weights[1].1, 100);
    assert_eq!(shares(&mut world)["v1"], 1_000);
    world.advance(world.now() + 1_500);
    assert_eq!(shares(&mut world)["v2"], 1_000);
    set_weights(&mut world, 10, 90);
    world.advance(world.now() + 1_500);
    assert!((850..950).contains(&shares(&mut world)["v2"]));
}

#[test]
fn a_weighted_forward_does_not_fail_over() {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web-blue", "v1", Some("web-blue"), 1);
    settle(&mut world, "web-blue");
    set_weights(&mut world, 50, 50);
    world.advance(world.now() + 1_500);
    let shares = shares(&mut world);
    assert!(shares["503"] > 400 && shares["v1"] > 400, "{shares:?}");
}

#[test]
fn a_group_without_healthy_targets_fails_open() {
    let mut world = two_colours();
    world.inject(Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy });
    let all_unhealthy =
        |world: &World| world.target_health("web-blue").iter().all(|t| t.state == "unhealthy");
    world.run_until(60_000, all_unhealthy).unwrap();
    let now = world.now();
    let routed = world.route(now, LISTENER, "shop", "/");
    assert_eq!((routed.release(), routed.status()), (Some("v1"), 503));
    assert_eq!(shares(&mut world)["v1"], 1_000);
}

#[test]
fn targets_are_unused_until_a_listener_names_their_group() {
    let mut world = shop(Settings::default());
    let idle = world.target_group_arn("idle").unwrap();
    let targets = json!({"TargetGroupArn": idle, "Targets": [{"Id": "10.0.0.9", "Port": 8080}]});
    world.call("elbv2", "RegisterTargets", &targets).unwrap();
    world.advance(START + 60_000);
    assert_eq!(world.target_health("idle")[0].reason.as_deref(), Some("Target.NotInUse"));
    let rule = json!({"ListenerArn": LISTENER, "Priority": 5, "Conditions": [{"Field": "path-pattern", "Values": ["/idle"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": idle}]});
    let made = world.call("elbv2", "CreateRule", &rule).unwrap();
    assert_eq!(world.target_health("idle")[0].state, "initial");
    // Nobody answers at that address.
    world.external_target("10.0.0.9", 8080, Behaviour::parse("crash0"));
    world.run_until(180_000, |world| world.target_health("idle")[0].state == "unhealthy").unwrap();
    world.call("elbv2", "DeleteRule", &json!({"RuleArn": made["Rules"][0]["RuleArn"]})).unwrap();
    assert_eq!(world.target_health("idle")[0].state, "unused");
}

#[test]
fn a_new_target_needs_one_passing_check_and_later_as_many_as_the_threshold() {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web", "slow12", Some("web-blue"), 1);
    let initial = world.run_until(60_000, |world| !world.target_health("web-blue").is_empty()).unwrap();
    let healthy = world.run_until(60_000, |world| world.healthy_targets("web-blue") == 1).unwrap();
    // Checks at 1 s (refused), 11 s (answered): not yet unhealthy, then healthy by one success.
    assert_eq!(healthy - initial, 11_000);
    world.inject(Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy });
    let state = |world: &World| world.target_health("web-blue")[0].state.clone();
    let ill = world.run_until(60_000, |world| state(world) == "unhealthy").unwrap();
    assert_eq!(ill - healthy, 11_000);
    world.inject(Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::None });
    let mut world_with_patience = world.clone();
    // The service would replace the task; the group alone wants five passes.
    world_with_patience.inject(Fault::Capacity { tasks: 0 });
    assert_eq!(state(&world), "unhealthy");
}

#[test]
fn errors_pass_the_health_check_and_reach_people() {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web", "errors", Some("web-blue"), 1);
    settle(&mut world, "web");
    let now = world.now();
    assert_eq!(world.route(now, LISTENER, "shop", "/").status(), 500);
    assert_eq!(world.healthy_targets("web-blue"), 1);
}

#[test]
fn a_crashed_task_answers_502_until_it_is_deregistered() {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web", "crash30", Some("web-blue"), 1);
    settle(&mut world, "web");
    let crashed = world.run_until(60_000, |world| world.tasks().is_empty()).unwrap();
    assert_eq!(world.route(crashed, LISTENER, "shop", "/").status(), 502);
    assert_eq!(world.route(crashed + 2_000, LISTENER, "shop", "/").status(), 503);
}

#[test]
fn rules_are_tried_by_priority_and_the_default_comes_last() {
    let mut world = shop(Settings::default());
    let rule = |priority: u32, conditions: Value, action: Value| json!({"ListenerArn": LISTENER, "Priority": priority, "Conditions": conditions, "Actions": [action]});
    let redirect = json!({"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}});
    let host = json!([{"Field": "host-header", "Values": ["old.*"]}]);
    world.call("elbv2", "CreateRule", &rule(1, host, redirect)).unwrap();
    let fixed = json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "ok", "ContentType": "text/plain"}});
    let header = json!([{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Test", "Values": ["yes"]}}]);
    world.call("elbv2", "CreateRule", &rule(2, header, fixed)).unwrap();
    world.advance(START + 5_000);
    assert_eq!(
        world.route(START, LISTENER, "old.example", "/a?b=c"),
        Routed::Redirect { status: 301, location: "https://old.example/a?b=c".into() }
    );
    let request = RouteRequest {
        host: "x".into(),
        path: "/".into(),
        headers: vec![("x-test".into(), "yes".into())],
        ..RouteRequest::default()
    };
    let routed = world.route_request(START, LISTENER, &request);
    assert_eq!(routed, Routed::Fixed { status: 200, body: "ok".into(), content_type: "text/plain".into() });
    assert_eq!(world.route(START, LISTENER, "x", "/").status(), 503);
    world.call("elbv2", "DeleteRule", &json!({"RuleArn": RULE})).unwrap();
    world.advance(START + 10_000);
    assert_eq!(world.route(START, LISTENER, "x", "/").status(), 404);
}

#[test]
fn a_network_load_balancer_follows_minutes_later() {
    let mut world = World::new(Settings::default(), START);
    world
        .load_seed(
            "targetGroups:
  - {Name: a, Protocol: TCP, Port: 1, TargetType: ip}
  - {Name: b, Protocol: TCP, Port: 1, TargetType: ip}
loadBalancers:
  - {Name: net, Type: network, Subnets: [s], listeners: [{Port: 1, Protocol: TCP, DefaultActions: [{Type: forward, TargetGroupArn: a}]}]}",
        )
        .unwrap();
    let listener = world.listeners()[0].clone();
    assert_eq!((listener.dns_name.as_str(), listener.port), ("net.elb.localhost", 1));
    let actions = json!([{"Type": "forward", "TargetGroupArn": world.target_group_arn("b").unwrap()}]);
    let modify = json!({"ListenerArn": listener.arn, "DefaultActions": actions});
    world.call("elbv2", "ModifyListener", &modify).unwrap();
    let live = |world: &World| world.rules()[0].live_weights[0].0.clone();
    assert_eq!((live(&world).as_str(), world.rules()[0].weights[0].0.as_str()), ("a", "b"));
    world.advance(START + 120_000);
    assert_eq!(live(&world), "b");
}

fn stick(world: &mut World, seconds: u32, blue: u32, green: u32) {
    let arn = |name| world.target_group_arn(name).unwrap();
    let groups = json!([{"TargetGroupArn": arn("web-blue"), "Weight": blue}, {"TargetGroupArn": arn("web-green"), "Weight": green}]);
    let stickiness = json!({"Enabled": seconds > 0, "DurationSeconds": seconds.max(1)});
    let forward = json!({"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness});
    let actions = json!([{"Type": "forward", "ForwardConfig": forward}]);
    world.call("elbv2", "ModifyRule", &json!({"RuleArn": RULE, "Actions": actions})).unwrap();
    world.advance(world.now() + 1_500);
}

fn answer(world: &mut World, visitor: &mut Visitor) -> String {
    let now = world.now();
    let routed = world.visit(now, LISTENER, "shop", "/", visitor);
    routed.release().map_or_else(|| routed.status().to_string(), String::from)
}

#[test]
fn a_sticky_client_stays_on_its_group_at_weight_0_while_the_duration_lasts() {
    for renews in [false, true] {
        let mut world = shop(Settings { sticky_cookies_renew: renews, ..Settings::default() });
        deploy(&mut world, "web-blue", "v1", Some("web-blue"), 1);
        deploy(&mut world, "web-green", "v2", Some("web-green"), 1);
        settle(&mut world, "web-blue");
        settle(&mut world, "web-green");
        stick(&mut world, 600, 100, 0);
        let (mut often, mut seldom) = (Visitor::default(), Visitor::default());
        assert_eq!(
            (answer(&mut world, &mut often), answer(&mut world, &mut seldom)),
            ("v1".into(), "v1".into())
        );
        assert!(often.cookie().unwrap().starts_with("AWSALBTG="));
        stick(&mut world, 600, 0, 100);
        let begun = world.now();
        for minute in 1..10 {
            world.advance(begun + minute * 60_000);
            assert_eq!(answer(&mut world, &mut often), "v1", "minute {minute}");
            assert_eq!(answer(&mut world, &mut Visitor::default()), "v2", "a new client");
        }
        world.advance(begun + 600_000);
        assert_eq!(answer(&mut world, &mut seldom), "v2", "its duration is over");
        assert_eq!(answer(&mut world, &mut often), if renews { "v1" } else { "v2" });
    }
}

#[test]
fn a_cookie_binds_only_where_the_rule_is_sticky_and_names_the_group() {
    let mut world = two_colours();
    stick(&mut world, 600, 100, 0);
    let mut visitor = Visitor::default();
    assert_eq!(answer(&mut world, &mut visitor), "v1");
    stick(&mut world, 0, 0, 100);
    assert_eq!(answer(&mut world, &mut visitor.clone()), "v2", "stickiness is off");
    let green = world.target_group_arn("web-green").unwrap();
    let only = json!({"TargetGroups": [{"TargetGroupArn": green}], "TargetGroupStickinessConfig": {"Enabled": true, "DurationSeconds": 600}});
    let actions = json!([{"Type": "forward", "ForwardConfig": only}]);
    world.call("elbv2", "ModifyRule", &json!({"RuleArn": RULE, "Actions": actions})).unwrap();
    world.advance(world.now() + 1_500);
    assert_eq!(answer(&mut world, &mut visitor.clone()), "v2", "the rule does not name its group");
    // A sticky client is not saved from a group that has nobody left.
    stick(&mut world, 600, 0, 100);
    world
        .call("ecs", "UpdateService", &json!({"cluster": "prod", "service": "web-blue", "desiredCount": 0}))
        .unwrap();
    world.run_until(120_000, |world| world.target_health("web-blue").is_empty()).unwrap();
    assert_eq!(answer(&mut world, &mut visitor), "503");
}

#[test]
fn every_kind_of_condition_is_evaluated_by_priority_and_shown() {
    let mut world = shop(Settings::default());
    let conditions = [
        json!({"Field": "host-header", "HostHeaderConfig": {"Values": ["*.shop.example"]}}),
        json!({"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}}),
        json!({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Test", "Values": ["ye?"]}}),
        json!({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["PUT", "POST"]}}),
        json!({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "version", "Value": "green"}]}}),
        json!({"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8", "2001:db8::/32"]}}),
        json!({"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/v[0-9]+$"]}}),
    ];
    for (i, condition) in conditions.iter().enumerate().rev() {
        let fixed = json!({"StatusCode": (200 + i).to_string(), "ContentType": "text/plain"});
        let rule = json!({"ListenerArn": LISTENER, "Priority": i + 1, "Conditions": [condition],
            "Actions": [{"Type": "fixed-response", "FixedResponseConfig": fixed}]});
        world.call("elbv2", "CreateRule", &rule).unwrap();
    }
    world.advance(world.now() + 1_500);
    let rules =
        world.call("elbv2", "DescribeRules", &json!({"ListenerArn": LISTENER})).unwrap()["Rules"].clone();
    let shown =
        rules.as_array().unwrap().iter().map(|rule| (rule["Priority"].clone(), rule["Conditions"].clone()));
    for ((priority, conditions), (i, wanted)) in shown.zip(conditions.iter().enumerate()) {
        assert_eq!(priority, (i + 1).to_string());
        assert_eq!(conditions[0]["Field"], wanted["Field"]);
        let config = wanted.as_object().unwrap().iter().find(|(name, _)| *name != "Field").unwrap();
        assert_eq!(conditions[0][config.0], *config.1);
    }
    assert_eq!(world.rules()[0].conditions[0]["Field"], "host-header");
    let header = |name: &str, value: &str| vec![(name.to_string(), value.to_string())];
    let none = || RouteRequest {
        host: "x".into(),
        path: "/".into(),
        method: "GET".into(),
        ..RouteRequest::default()
    };
    for (request, status) in [
        (RouteRequest { host: "a.shop.example:8080".into(), path: "/api/x".into(), ..none() }, 200),
        (RouteRequest { path: "/api/x".into(), headers: header("x-test", "YES"), ..none() }, 201),
        (RouteRequest { headers: header("x-test", "YES"), method: "PUT".into(), ..none() }, 202),
        (RouteRequest { headers: header("x-test", "yesss"), method: "PUT".into(), ..none() }, 203),
        (
            RouteRequest { path: "/?a=b&VERSION=green".into(), source_ip: Some("10.1.1.1".into()), ..none() },
            204,
        ),
        (RouteRequest { source_ip: Some("2001:db8::7".into()), path: "/v7".into(), ..none() }, 205),
        (RouteRequest { source_ip: Some("11.1.1.1".into()), path: "/v7".into(), ..none() }, 206),
        (RouteRequest { path: "/v7/".into(), ..none() }, 503),
        (RouteRequest { path: "/?version=blue".into(), method: "put".into(), ..none() }, 503),
    ] {
        let now = world.now();
        assert_eq!(world.route_request(now, LISTENER, &request).status(), status, "{request:?}");
    }
    for wrong in [json!({"RegexValues": ["("]}), json!({"RegexValues": ["a".repeat(129)]})] {
        let condition = json!([{"Field": "path-pattern", "PathPatternConfig": wrong}]);
        let change = json!({"RuleArn": RULE, "Conditions": condition});
        assert_eq!(world.call("elbv2", "ModifyRule", &change).unwrap_err().code, "ValidationError");
    }
}
