//! Random use of the whole world: whatever is called in whatever order, it stays consistent and comes to rest.

use super::{RULE, shop, task_definition};
use crate::simulator::random::Random;
use crate::simulator::{Fault, Settings, TargetFault, World};
use serde_json::{Value, json};
use std::sync::LazyLock;

const SERVICES: [&str; 3] = ["a", "b", "c"];
const TAGS: [&str; 7] = ["v1", "v2", "crash7", "unhealthy", "missing", "slow20", "flaky30"];
const GROUPS: [&str; 3] = ["web-blue", "web-green", "idle"];

/// One random thing that a person, a program or fate does; refusals are fine.
fn disturb(world: &mut World, random: &mut Random) {
    let mut pick = |of: &[&'static str]| of[random.below(of.len() as u64) as usize];
    let (name, tag, group) = (pick(&SERVICES), pick(&TAGS), pick(&GROUPS));
    let number = random.below(5) as u32;
    let arn = |world: &World, group: &str| world.target_group_arn(group).unwrap_or_default();
    let on_service = |more: Value| {
        let mut request = json!({"cluster": "prod", "service": name});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let (service, operation, input) = match random.below(14) {
        0 => ("ecs", "RegisterTaskDefinition", task_definition("web", tag)),
        1 | 2 => ("ecs", "CreateService", super::service(world, name, "web", Some(group), number)),
        3 => ("ecs", "UpdateService", on_service(json!({"desiredCount": number}))),
        4 | 5 => ("ecs", "UpdateService", on_service(json!({"taskDefinition": "web"}))),
        6 => (
            "ecs",
            "UpdateService",
            on_service(json!({"forceNewDeployment": true, "deploymentConfiguration":
            {"minimumHealthyPercent": 20 * number, "deploymentCircuitBreaker": {"enable": true, "rollback": number > 2}}})),
        ),
        7 => ("ecs", "DeleteService", on_service(json!({"force": true}))),
        8 => {
            let groups = json!([{"TargetGroupArn": arn(world, "web-blue"), "Weight": number},
                {"TargetGroupArn": arn(world, group), "Weight": 4 - number}]);
            let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]);
            ("elbv2", "ModifyRule", json!({"RuleArn": RULE, "Actions": actions}))
        }
        9 => (
            "elbv2",
            "ModifyTargetGroupAttributes",
            json!({"TargetGroupArn": arn(world, group),
            "Attributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": (number * 20).to_string()}]}),
        ),
        10 => (
            "elbv2",
            "DeregisterTargets",
            json!({"TargetGroupArn": arn(world, group),
            "Targets": world.target_health(group).iter().take(1).map(|t| json!({"Id": t.ip, "Port": t.port})).collect::<Vec<_>>()}),
        ),
        11 => {
            let fault = [TargetFault::None, TargetFault::Unhealthy, TargetFault::Flapping(30_000)]
                [number as usize % 3];
            return world.inject(Fault::Targets { target_group: group.into(), fault });
        }
        12 => return world.inject(Fault::Capacity { tasks: number as usize * 3 }),
        _ => {
            let task = world.tasks().first().map(|task| task.id);
            return task
                .into_iter()
                .for_each(|task| world.inject(Fault::StopTask { task, reason: "chance".into() }));
        }
    };
    let _refused = world.call(service, operation, &input);
}

fn check(world: &World, seed: u64) {
    let state = &world.state;
    let alive = state.tasks.values().filter(|task| task.stopped_at.is_none()).count();
    assert_eq!(alive, state.tasks_alive, "seed {seed}");
    for service in state.services.values() {
        for id in &service.tasks {
            let task = &state.tasks[id];
            assert_eq!(task.service, Some(service.id), "seed {seed}");
            assert!(task.stopped_at.is_none(), "seed {seed}");
            let known = service.deployments.iter().any(|d| Some(&d.id) == task.deployment.as_ref());
            assert!(known || service.is_inactive(), "seed {seed}: a task without its deployment");
        }
        let started = service.tasks.iter().filter(|id| !state.tasks[*id].stopping).count();
        assert!(started <= 20, "seed {seed}: {started} tasks");
    }
    for group in state.target_groups.values() {
        let used = state.listeners.values().any(|listener| {
            listener.rules.iter().any(|rule| {
                crate::simulator::elb::forward_weights(&rule.actions).iter().any(|(arn, _)| *arn == group.arn)
            })
        });
        assert_eq!(used, group.load_balancer.is_some(), "seed {seed}");
    }
}

#[test]
fn a_world_used_at_random_stays_consistent_and_comes_to_rest() {
    for seed in 0..30 {
        let mut world = shop(Settings { seed, ..Settings::default() });
        world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "v1")).unwrap();
        let mut random = Random::new(seed, 3);
        for _ in 0..200 {
            disturb(&mut world, &mut random);
            let pause = random.below(15_000);
            world.advance(world.now() + pause);
            check(&world, seed);
        }
        // Everything is made good again: each service comes to what it should be.
        for group in GROUPS {
            world.inject(Fault::Targets { target_group: group.into(), fault: TargetFault::None });
        }
        world.inject(Fault::Capacity { tasks: 100 });
        world.call("ecs", "RegisterTaskDefinition", &task_definition("web", "v9")).unwrap();
        for service in world.services().iter().filter(|service| service.status == "ACTIVE") {
            let request = json!({"cluster": "prod", "service": service.name, "taskDefinition": "web"});
            world.call("ecs", "UpdateService", &request).unwrap();
        }
        let at_rest = world.run_until(3_600_000, |world| {
            let mut services = world.services().into_iter();
            services.all(|s| {
                s.rollout_state == "COMPLETED"
                    && s.running == s.desired
                    && s.deployments == 1
                    && s.release == "v9"
            })
        });
        assert!(at_rest.is_some(), "seed {seed}: {:#?}", world.services());
        check(&world, seed);
        let wanted: usize = world.services().iter().map(|service| service.desired).sum();
        assert_eq!(world.tasks_alive(), wanted, "seed {seed}");
        world.advance(world.now() + 2 * 3_600_000);
        assert_eq!(world.next_event(), None, "seed {seed}");
    }
}

const OPERATIONS: &str = "CreateCluster DescribeClusters ListClusters DeleteCluster RegisterTaskDefinition \
    DescribeTaskDefinition ListTaskDefinitions DeregisterTaskDefinition CreateService UpdateService DeleteService \
    DescribeServices ListServices ListTasks DescribeTasks RunTask StopTask TagResource UntagResource \
    ListTagsForResource CreateLoadBalancer DescribeLoadBalancers DeleteLoadBalancer CreateTargetGroup \
    ModifyTargetGroup DescribeTargetGroups DeleteTargetGroup ModifyTargetGroupAttributes \
    DescribeTargetGroupAttributes CreateListener ModifyListener DescribeListeners DeleteListener CreateRule \
    ModifyRule DescribeRules SetRulePriorities DescribeTargetHealth RegisterTargets DeregisterTargets AddTags \
    RemoveTags DescribeTags DescribeAlarms PutMetricAlarm SetAlarmState";
const MEMBERS: &str = "cluster clusters clusterName service services serviceName taskDefinition family \
    containerDefinitions name image cpu memory portMappings containerPort environment value networkMode \
    requiresCompatibilities loadBalancers targetGroupArn containerName desiredCount launchType networkConfiguration \
    awsvpcConfiguration subnets deploymentConfiguration maximumPercent minimumHealthyPercent strategy \
    bakeTimeInMinutes deploymentCircuitBreaker enable healthCheckGracePeriodSeconds force forceNewDeployment tags key \
    tagKeys resourceArn include nextToken maxResults tasks task count Name Type Subnets Protocol Port TargetType \
    HealthCheckIntervalSeconds HealthCheckPath Matcher HttpCode LoadBalancerArn LoadBalancerArns TargetGroupArn \
    TargetGroupArns ListenerArn ListenerArns RuleArn RuleArns Actions DefaultActions ForwardConfig TargetGroups Weight \
    TargetGroupStickinessConfig Enabled DurationSeconds FixedResponseConfig StatusCode RedirectConfig Conditions Field \
    Values PathPatternConfig Priority RulePriorities Targets Id Attributes Key Value ResourceArns Tags TagKeys Marker \
    PageSize AlarmName AlarmNames StateValue StateReason Threshold Dimensions NextToken MaxRecords";

/// A random value that looks like something now and then.
fn noise(world: &World, random: &mut Random, depth: u32) -> Value {
    let texts = [
        "",
        "prod",
        "web",
        "web:1",
        "a",
        "app",
        "awsvpc",
        "FARGATE",
        "forward",
        "HTTP",
        "/x",
        "999999999999",
        "ü\0%",
        RULE,
        super::LISTENER,
        "TAGS",
        "fixed-response",
        "path-pattern",
        "10.0.0.1",
        "CANARY",
        "arn:aws:ecs:r:a:service/prod/web",
    ];
    let pick = |random: &mut Random| texts[random.below(texts.len() as u64) as usize];
    match random.below(if depth > 4 { 8 } else { 16 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.below(3)),
        3 => json!([i64::MAX, i64::MIN, -1, 80, 65_536][random.below(5) as usize]),
        4 => json!(1e300),
        5 => json!(world.target_group_arn(GROUPS[random.below(3) as usize])),
        6 | 7 => json!(pick(random)),
        8..12 => (0..random.below(4)).map(|_| noise(world, random, depth + 1)).collect(),
        _ => structure(world, random, depth + 1),
    }
}

fn structure(world: &World, random: &mut Random, depth: u32) -> Value {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| MEMBERS.split_whitespace().collect());
    let mut made = json!({});
    for _ in 0..random.below(8) {
        made[NAMES[random.below(NAMES.len() as u64) as usize]] = noise(world, random, depth);
    }
    made
}

#[test]
fn any_input_is_answered_and_leaves_the_world_consistent() {
    let mut random = Random::new(11, 4);
    let mut world = shop(Settings::default());
    super::deploy(&mut world, "web", "v1", Some("web-blue"), 2);
    let operations: Vec<&str> = OPERATIONS.split_whitespace().collect();
    for i in 0..8_000_u64 {
        let operation = operations[random.below(operations.len() as u64) as usize];
        let input = structure(&world, &mut random, 0);
        for service in ["ecs", "elbv2", "cloudwatch"] {
            let _refused = world.call(service, operation, &input);
        }
        if i % 400 == 0 {
            world.advance(world.now() + 1_000);
            check(&world, i);
        }
    }
    assert!(world.service("web").is_some());
}
