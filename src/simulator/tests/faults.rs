//! Things that go wrong on purpose.

use super::wire::{ecs, elb};
use super::{RULE, START, deploy, settle, shop};
use crate::simulator::{Buckets, Failure, Fault, HaltPoint, Settings, TargetFault, World};
use serde_json::json;

fn fail(world: &mut World, operation: &str, after: u32, times: u32, failure: Failure) {
    world.inject(Fault::Call { operation: operation.into(), after, times, failure });
}

#[test]
fn the_nth_matching_call_fails() {
    let mut world = shop(Settings::default());
    let error = Failure::Error { code: "AccessDeniedException".into(), message: "no".into() };
    fail(&mut world, "ListClusters", 1, 2, error);
    let statuses: Vec<u16> = (0..4).map(|_| ecs(&mut world, "ListClusters", json!({})).status).collect();
    assert_eq!(statuses, [200, 400, 400, 200]);
    fail(&mut world, "*", 0, 1, Failure::Internal);
    let answer = ecs(&mut world, "ListClusters", json!({}));
    assert_eq!(answer.status, 500);
    assert!(String::from_utf8(answer.body).unwrap().contains("ServerException"));
}

#[test]
fn a_lost_answer_is_an_effect_without_an_answer_and_a_cut_is_neither() {
    let mut world = shop(Settings::default());
    fail(&mut world, "*write", 0, 1, Failure::LostAnswer);
    assert!(ecs(&mut world, "CreateCluster", json!({"clusterName": "a"})).dropped);
    fail(&mut world, "*write", 0, 1, Failure::CutBefore);
    assert!(ecs(&mut world, "CreateCluster", json!({"clusterName": "b"})).dropped);
    let listed = world.call("ecs", "ListClusters", &json!({})).unwrap();
    assert_eq!(listed["clusterArns"].as_array().unwrap().len(), 2);
    let effects: Vec<bool> = world.calls().all().iter().map(|call| call.took_effect).collect();
    assert_eq!(effects, [true, false]);
    assert!(world.calls().all().iter().all(|call| call.unanswered && call.error.is_none()));
}

#[test]
fn a_halted_caller_gets_no_answer_until_it_is_revived() {
    for (point, clusters, halted_at_once) in
        [(HaltPoint::Before, 2, true), (HaltPoint::AnswerLost, 3, true), (HaltPoint::After, 3, false)]
    {
        let mut world = shop(Settings::default());
        world.inject(Fault::Halt { write: 2, point });
        let mut create = |name: &str| ecs(&mut world, "CreateCluster", json!({"clusterName": name})).halted;
        assert!(!create("a"));
        assert_eq!(create("b"), halted_at_once, "{point:?}");
        assert!(create("c"));
        assert!(ecs(&mut world, "ListClusters", json!({})).halted);
        assert!(world.is_halted());
        world.revive();
        let listed = ecs(&mut world, "ListClusters", json!({}));
        assert!(!listed.halted);
        let listed: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
        assert_eq!(listed["clusterArns"].as_array().unwrap().len(), clusters, "{point:?}");
    }
}

#[test]
fn reads_may_be_stale_after_a_write_and_never_longer_than_said() {
    let mut world = shop(Settings { stale_reads_ms: 2_000, ..Settings::default() });
    ecs(&mut world, "CreateCluster", json!({"clusterName": "late"}));
    let seen = |world: &mut World, at| {
        let answer = super::wire::ecs_at(world, at, "DescribeClusters", json!({"clusters": ["late"]}));
        !String::from_utf8(answer.body).unwrap().contains("MISSING")
    };
    let at_once: Vec<bool> = (0..50).map(|_| seen(&mut world, START + 500)).collect();
    assert!(at_once.contains(&true) && at_once.contains(&false));
    assert!((0..50).all(|_| seen(&mut world, START + 2_000)));
}

#[test]
fn real_buckets_throttle_in_each_services_own_words() {
    let mut world = shop(Settings { buckets: Buckets::Real, ..Settings::default() });
    let definition = super::task_definition("web", "v1");
    let refused = (0..25)
        .map(|_| ecs(&mut world, "RegisterTaskDefinition", definition.clone()))
        .filter(|a| a.status == 400);
    assert_eq!(refused.count(), 5);
    assert_eq!(world.revisions_registered("web"), 20);
    let throttled: Vec<_> = (0..41)
        .map(|_| elb(&mut world, "DescribeRules", &[("RuleArns.member.1", RULE)]))
        .filter(|a| a.status == 400)
        .collect();
    assert_eq!(throttled.len(), 1);
    assert!(String::from_utf8_lossy(&throttled[0].body).contains("<Code>Throttling</Code>"));
    assert_eq!(world.calls().throttled(), 6);
    assert_eq!(world.calls().count("DescribeRules"), 41);
}

#[test]
fn targets_flap_and_recover() {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web", "v1", Some("web-blue"), 1);
    settle(&mut world, "web");
    world.inject(Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Flapping(60_000) });
    let turns = |world: &mut World, ms| {
        let (mut turns, mut last) = (0, true);
        let end = world.now() + ms;
        while world.now() < end {
            world.advance(world.now() + 1_000);
            let now = world.healthy_targets("web-blue") > 0;
            turns += u32::from(now != last);
            last = now;
        }
        turns
    };
    assert!(turns(&mut world, 600_000) >= 6);
    world.inject(Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::None });
    settle(&mut world, "web");
    world.inject(Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unavailable });
    let arn = world.target_group_arn("web-blue").unwrap();
    let health = world.call("elbv2", "DescribeTargetHealth", &json!({"TargetGroupArn": arn})).unwrap();
    assert_eq!(health["TargetHealthDescriptions"][0]["TargetHealth"]["Reason"], "Elb.InternalError");
}

#[test]
fn a_stopped_task_says_why_and_is_replaced() {
    let mut world = shop(Settings::default());
    deploy(&mut world, "web", "v1", Some("web-blue"), 1);
    settle(&mut world, "web");
    let task = world.tasks()[0].id;
    world.inject(Fault::StopTask { task, reason: "Host is going away.".into() });
    world.run_until(120_000, |world| world.tasks().iter().any(|t| t.id != task)).unwrap();
    assert_eq!(world.tasks_started_total(), 2);
    world.set_alarm_state("web-5xx", "ALARM");
    let alarms =
        world.call("cloudwatch", "DescribeAlarms", &json!({"AlarmNames": ["web-5xx", "none"]})).unwrap();
    assert_eq!(alarms["MetricAlarms"][0]["StateValue"], "ALARM");
    assert_eq!(alarms["MetricAlarms"].as_array().unwrap().len(), 1);
}

#[test]
fn externally_probed_targets_are_as_healthy_as_the_prober_says() {
    let settings = Settings { probes: crate::simulator::Probes::External, ..Settings::default() };
    let mut world = shop(settings);
    deploy(&mut world, "web", "crash1", Some("web-blue"), 1);
    world.advance(START + 30_000);
    let probes = world.due_probes(START + 30_000);
    let probe = probes.last().expect("a probe is due").clone();
    assert_eq!((probe.port, probe.path.as_deref(), probe.matcher.as_str()), (8080, Some("/healthz"), "200"));
    assert_eq!(probe.task, Some(world.tasks()[0].id));
    world.probe_result(START + 30_000, probe.id, Some(200));
    assert_eq!(world.healthy_targets("web-blue"), 1);
    for second in [40, 50, 60] {
        for probe in world.due_probes(START + second * 1_000) {
            world.probe_result(START + second * 1_000, probe.id, None);
        }
    }
    assert_eq!(world.target_health("web-blue")[0].state, "draining", "replaced as unhealthy");
    let task = world.tasks().last().unwrap().id;
    world.task_exited(START + 80_000, task, 137);
    assert!(world.tasks().iter().all(|t| t.id != task));
}

#[test]
fn every_operation_can_be_refused_damaged_and_answered_by_a_proxy() {
    let offered = World::operations();
    assert!(offered.len() > 45 && offered.iter().any(|operation| operation.name == "DescribeRules"));
    for operation in offered {
        let mut world = shop(Settings::default());
        let before = world.call("ecs", "ListClusters", &json!({})).unwrap();
        for (failure, status) in [
            (Failure::Denied, &[400, 403][..]),
            (Failure::Throttled, &[400]),
            (Failure::NotFound, &[200, 400]),
            (Failure::Proxy { seconds: 3_600 }, &[502]),
        ] {
            fail(&mut world, operation.name, 0, 1, failure.clone());
            let answer = ask(&mut world, operation);
            assert!(status.contains(&answer.status), "{} {failure:?}: {}", operation.name, answer.status);
            assert!(!answer.dropped && !answer.body.is_empty());
        }
        assert!(world.calls().all().iter().filter(|call| call.is_write).all(|call| !call.took_effect));
        assert_eq!(world.call("ecs", "ListClusters", &json!({})).unwrap(), before);
    }
}

/// Calls an operation with nothing in it, by its service's usual protocol.
fn ask(world: &mut World, operation: crate::simulator::OfferedOperation) -> crate::simulator::WireResponse {
    let form = |version| format!("Action={}&Version={version}", operation.name).into_bytes();
    let header = |name: &str, value: String| vec![(name.to_string(), value)];
    let (headers, body) = match operation.service {
        "ecs" => {
            let target = format!("AmazonEC2ContainerServiceV20141113.{}", operation.name);
            (header("x-amz-target", target), b"{}".to_vec())
        }
        "elbv2" => (vec![], form("2015-12-01")),
        "cloudwatch" => (vec![], form("2010-08-01")),
        _ => (vec![], form("2011-06-15")),
    };
    let request = crate::simulator::WireRequest { method: "POST".into(), path: "/".into(), headers, body };
    let now = world.now();
    world.handle(now, &request)
}

#[test]
fn an_unreadable_answer_is_an_effect_with_half_a_document() {
    let mut world = shop(Settings::default());
    fail(&mut world, "CreateCluster", 0, 1, Failure::Unreadable);
    let answer = ecs(&mut world, "CreateCluster", json!({"clusterName": "a"}));
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
    assert_eq!(world.calls().all()[0].error, None);
    fail(&mut world, "DescribeRules", 0, 1, Failure::Unreadable);
    let answer = elb(&mut world, "DescribeRules", &[("RuleArns.member.1", RULE)]);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(answer.status == 200 && !text.contains("</DescribeRulesResponse>"), "{text}");
    let listed = world.call("ecs", "ListClusters", &json!({})).unwrap();
    assert_eq!(listed["clusterArns"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stale_answer_is_as_old_as_was_said_and_no_older_than_what_is_known() {
    let names = |world: &mut World, at| {
        let answer = super::wire::ecs_at(world, at, "ListClusters", json!({}));
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        answer["clusterArns"].as_array().unwrap().len()
    };
    let create = |world: &mut World, at, name: &str| {
        super::wire::ecs_at(world, at, "CreateCluster", json!({"clusterName": name}));
    };
    // Known from the injection on.
    let mut world = shop(Settings::default());
    create(&mut world, START + 1_000, "a");
    fail(&mut world, "ListClusters", 0, 3, Failure::Stale { age_ms: 5_000 });
    create(&mut world, START + 2_000, "b");
    create(&mut world, START + 6_000, "c");
    assert_eq!(names(&mut world, START + 6_000), 2, "as at the injection");
    assert_eq!(
        names(&mut world, START + 8_000),
        2,
        "just before b and c were made is the newest that is old enough"
    );
    assert_eq!(names(&mut world, START + 20_000), 4);
    assert_eq!(names(&mut world, START + 20_000), 4);
    // Known as long as the settings say.
    let mut world = shop(Settings { history_ms: 60_000, ..Settings::default() });
    create(&mut world, START + 10_000, "a");
    world.advance(START + 10_500);
    fail(&mut world, "*", 0, 1, Failure::Stale { age_ms: 5_000 });
    assert_eq!(names(&mut world, START + 11_000), 1, "as just before a was made, the oldest that is known");
    assert_eq!(names(&mut world, START + 11_000), 2);
}

#[test]
fn a_date_can_be_wrong_without_anything_else_being_so() {
    let mut world = shop(Settings::default());
    let dates = |world: &mut World| {
        let answer = ecs(world, "ListClusters", json!({}));
        let dates = answer.headers.into_iter().filter(|(name, _)| name == "date");
        (answer.status, dates.map(|(_, value)| value).collect::<Vec<_>>())
    };
    fail(&mut world, "ListClusters", 0, 1, Failure::Skewed { seconds: -3_600 });
    fail(&mut world, "ListClusters", 0, 1, Failure::Dated("yesterday".into()));
    fail(&mut world, "ListClusters", 0, 1, Failure::Proxy { seconds: 60 });
    assert_eq!(dates(&mut world), (200, vec!["Sat, 31 Jan 2026 07:05:09 GMT".to_string()]));
    assert_eq!(dates(&mut world), (200, vec!["yesterday".to_string()]));
    assert_eq!(dates(&mut world), (502, vec!["Sat, 31 Jan 2026 08:06:09 GMT".to_string()]));
    assert_eq!(dates(&mut world), (200, vec!["Sat, 31 Jan 2026 08:05:09 GMT".to_string()]));
}
