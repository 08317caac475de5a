//! What must hold of every document: tables for each rule, and random documents.

use super::noise::{self, Random, change_something};
use super::*;
use crate::model::Kind;
use serde_json::{Value, json};

/// Random documents a property is tried on.
const ROUNDS: u64 = 500;

#[test]
fn a_task_definition_that_aws_describes_is_unchanged() {
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let document = noise::task_definition(&mut random);
        let live = noise::described_task_definition(&document, &mut random);
        let found = compare_task_definition(&document, &live);
        assert!(found.is_unchanged(), "seed {seed}: {:#?}\n{document:#}\n{live:#}", found.changes);
        assert_eq!(content_hash(&document), content_hash(&live), "seed {seed}\n{document:#}\n{live:#}");
    }
}

#[test]
fn a_service_that_aws_describes_is_unchanged() {
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let document = noise::service(&mut random);
        let live = noise::described_service(&document, &mut random);
        let found = compare_service(&document, &live);
        assert!(found.is_unchanged(), "seed {seed}: {found:#?}\n{document:#}\n{live:#}");
    }
}

#[test]
fn a_real_change_of_a_task_definition_always_shows() {
    let mut tried = 0;
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let document = noise::task_definition(&mut random);
        let mut live = noise::described_task_definition(&document, &mut random);
        let mut changed = document.clone();
        let Some(path) = change_something(&mut changed, &mut random) else { continue };
        tried += 1;
        let found = compare_task_definition(&changed, &live);
        assert!(!found.changes.is_empty(), "seed {seed}: {path} is lost\n{changed:#}\n{live:#}");
        assert!(!found.unified("live", "git").unwrap().hunks.is_empty(), "seed {seed}: {path} has no diff");
        assert_ne!(content_hash(&changed), content_hash(&document), "seed {seed}: {path}");

        live["containerDefinitions"][0]["workingDirectory"] = json!("/left/over");
        let found = compare_task_definition(&document, &live);
        assert_eq!(found.changes.len(), 1, "a field that Git does not declare, seed {seed}");
        assert_eq!(found.changes[0].after, None);
    }
    assert!(tried > ROUNDS / 2, "only {tried} changes were tried");
}

#[test]
fn a_real_change_of_a_service_always_shows() {
    let mut tried = 0;
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let document = noise::service(&mut random);
        let live = noise::described_service(&document, &mut random);
        let mut changed = document.clone();
        let Some(path) = change_something(&mut changed, &mut random).filter(|path| path != "/serviceName")
        else {
            continue;
        };
        tried += 1;
        let found = compare_service(&changed, &live);
        assert!(!found.is_unchanged(), "seed {seed}: {path} is lost\n{changed:#}\n{live:#}");
        let top = path[1..].split('/').next().unwrap();
        if top != "desiredCount" {
            assert_eq!(
                found.changed_top_level_fields().into_iter().collect::<Vec<_>>(),
                [top],
                "seed {seed}: {path}"
            );
        }
        assert!(!found.unified("live", "git").unwrap().hunks.is_empty(), "seed {seed}: {path} has no diff");
    }
    assert!(tried > ROUNDS / 2, "only {tried} changes were tried");
}

#[test]
fn a_service_field_that_git_does_not_declare_is_never_a_difference() {
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let document = noise::service(&mut random);
        let live = noise::described_service(&document, &mut random);
        let mut less = document.clone();
        less.as_object_mut().unwrap().retain(|_, _| random.chance());
        assert!(compare_service(&less, &live).is_unchanged(), "seed {seed}");
    }
}

/// The spec of a task definition with one container that has `fields`.
fn container(fields: Value) -> Value {
    let mut container = json!({"name": "app"});
    container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"family": "web", "containerDefinitions": [container]})
}

#[test]
fn every_rule_for_a_container_holds() {
    let same = [
        (json!({}), json!({"essential": true, "cpu": 0})),
        (json!({}), json!({"portMappings": [], "environment": null, "dockerLabels": {}})),
        (
            json!({"essential": "true", "cpu": "128", "memory": 256.0}),
            json!({"essential": true, "cpu": 128, "memory": 256}),
        ),
        (
            json!({"environment": [{"name": "PORT", "value": 80}]}),
            json!({"environment": [{"value": "80", "name": "PORT"}]}),
        ),
        (
            json!({"environment": [{"name": "ON", "value": true}, {"name": "E"}]}),
            json!({"environment": [{"name": "E", "value": ""}, {"name": "ON", "value": "true"}]}),
        ),
        (
            json!({"portMappings": [{"containerPort": 53}, {"containerPort": 53, "protocol": "udp"}]}),
            json!({"portMappings": [{"containerPort": 53, "protocol": "udp", "hostPort": 0}, {"containerPort": 53, "protocol": "tcp"}]}),
        ),
        (
            json!({"secrets": [{"name": "A", "valueFrom": "a"}, {"name": "B", "valueFrom": "b"}]}),
            json!({"secrets": [{"name": "B", "valueFrom": "b"}, {"name": "A", "valueFrom": "a"}]}),
        ),
        (
            json!({"healthCheck": {"command": ["CMD", "x"]}}),
            json!({"healthCheck": {"command": ["CMD", "x"], "interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0}}),
        ),
        (
            json!({"linuxParameters": {"capabilities": {"add": ["A", "B"]}}}),
            json!({"linuxParameters": {"capabilities": {"add": ["B", "A"], "drop": []}, "initProcessEnabled": false}}),
        ),
        (
            json!({"restartPolicy": {"enabled": true}}),
            json!({"restartPolicy": {"enabled": true, "restartAttemptPeriod": 300, "ignoredExitCodes": []}}),
        ),
        (json!({"links": ["a", "b"]}), json!({"links": ["b", "a"]})),
        (json!({"dockerLabels": {"n": 1}}), json!({"dockerLabels": {"n": "1"}})),
        (
            json!({"ulimits": [{"name": "a", "softLimit": "1", "hardLimit": 2}, {"name": "b", "softLimit": 1, "hardLimit": 2}]}),
            json!({"ulimits": [{"name": "b", "softLimit": 1, "hardLimit": 2}, {"name": "a", "softLimit": 1, "hardLimit": 2}]}),
        ),
    ];
    for (declared, live) in same {
        let (declared, live) = (container(declared), container(live));
        assert!(compare_task_definition(&declared, &live).is_unchanged(), "{declared}\n{live}");
        assert_eq!(content_hash(&declared), content_hash(&live), "{declared}\n{live}");
    }
    let other = [
        (json!({"command": ["a", "b"]}), json!({"command": ["b", "a"]})),
        (json!({"dnsServers": ["a", "b"]}), json!({"dnsServers": ["b", "a"]})),
        (
            json!({"environment": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
            json!({"environment": [{"name": "A", "value": "2"}, {"name": "A", "value": "1"}]}),
        ),
        (
            json!({"portMappings": [{"containerPort": 80, "hostPort": 80}]}),
            json!({"portMappings": [{"containerPort": 80, "hostPort": 0}]}),
        ),
        (
            json!({"portMappings": [{"containerPort": 80}]}),
            json!({"portMappings": [{"containerPort": 80, "protocol": "udp"}]}),
        ),
        (json!({"essential": false}), json!({"essential": true})),
        (json!({"dockerLabels": {}}), json!({"dockerLabels": {"a": "1"}})),
        (json!({"dockerLabels": {"a": ""}}), json!({})),
        (json!({"links": ["a", "a"]}), json!({"links": ["a"]})),
        (json!({"newField": [1, 2]}), json!({"newField": [2, 1]})),
        (json!({"interactive": true}), json!({})),
    ];
    for (declared, live) in other {
        let (declared, live) = (container(declared), container(live));
        assert!(!compare_task_definition(&declared, &live).changes.is_empty(), "{declared}\n{live}");
        assert_ne!(content_hash(&declared), content_hash(&live), "{declared}\n{live}");
    }
}

#[test]
fn every_rule_for_a_task_holds() {
    let task = |fields: Value| {
        let mut spec = json!({"family": "web"});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        spec
    };
    let ports = |mode: &str, host: u16| json!({"networkMode": mode, "containerDefinitions": [{"name": "a", "portMappings": [{"containerPort": 80, "hostPort": host}]}]});
    let bare = |mode: &str| json!({"networkMode": mode, "containerDefinitions": [{"name": "a", "portMappings": [{"containerPort": 80}]}]});
    let same = [
        (json!({"cpu": "1 vCPU", "memory": "2 GB"}), json!({"cpu": "1024", "memory": "2048"})),
        (json!({"cpu": ".25 vcpu", "memory": "0.5GB"}), json!({"cpu": 256, "memory": 512})),
        (json!({"cpu": 1024, "memory": "512 MB"}), json!({"cpu": "1 VCPU", "memory": "512"})),
        (
            json!({}),
            json!({"networkMode": "bridge", "requiresCompatibilities": [], "volumes": [], "status": "ACTIVE", "revision": 9}),
        ),
        (
            json!({"requiresCompatibilities": ["EC2", "FARGATE"]}),
            json!({"requiresCompatibilities": ["FARGATE", "EC2"]}),
        ),
        (
            json!({"runtimePlatform": {"cpuArchitecture": "X86_64"}}),
            json!({"runtimePlatform": {"operatingSystemFamily": "LINUX"}}),
        ),
        (
            json!({"volumes": [{"name": "a"}, {"name": "b"}]}),
            json!({"volumes": [{"name": "b", "host": {}}, {"name": "a", "configuredAtLaunch": false}]}),
        ),
        (bare("awsvpc"), ports("awsvpc", 80)),
        (bare("host"), ports("host", 80)),
        (bare("bridge"), ports("bridge", 0)),
    ];
    for (declared, live) in same {
        let (declared, live) = (task(declared), task(live));
        assert!(compare_task_definition(&declared, &live).is_unchanged(), "{declared}\n{live}");
        assert_eq!(content_hash(&declared), content_hash(&live), "{declared}\n{live}");
    }
    let other = [
        (json!({"cpu": "1 vCPU"}), json!({"cpu": "2048"})),
        (bare("bridge"), ports("bridge", 80)),
        (
            json!({"volumes": [{"name": "a"}]}),
            json!({"volumes": [{"name": "a", "dockerVolumeConfiguration": {"driver": "local"}}]}),
        ),
        (
            json!({"volumes": [{"name": "a"}]}),
            json!({"volumes": [{"name": "a", "host": {"sourcePath": "/a"}}]}),
        ),
    ];
    for (declared, live) in other {
        let (declared, live) = (task(declared), task(live));
        assert!(!compare_task_definition(&declared, &live).changes.is_empty(), "{declared}\n{live}");
        assert_ne!(content_hash(&declared), content_hash(&live), "{declared}\n{live}");
    }
    let role = task(json!({"taskRoleArn": "deploy"}));
    let arn = task(json!({"taskRoleArn": "arn:aws:iam::1:role/deploy"}));
    assert!(compare_task_definition(&role, &arn).is_unchanged());
    let elsewhere = task(json!({"taskRoleArn": "arn:aws:iam::2:role/deploy"}));
    assert!(!compare_task_definition(&arn, &elsewhere).is_unchanged());
}

#[test]
fn every_rule_for_a_service_holds() {
    let target_group = "arn:aws:elasticloadbalancing:r:1:targetgroup/web/0a";
    let same = [
        (json!({"loadBalancers": []}), json!({})),
        (
            json!({"platformVersion": "LATEST", "schedulingStrategy": "REPLICA", "propagateTags": "NONE"}),
            json!({}),
        ),
        (
            json!({"deploymentConfiguration": {"maximumPercent": 200}}),
            json!({"deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 0}}),
        ),
        (
            json!({"deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100}}),
            json!({}),
        ),
        (json!({"deploymentController": {"type": "ECS"}, "enableExecuteCommand": "false"}), json!({})),
        (
            json!({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["a", "b"], "assignPublicIp": "DISABLED"}}}),
            json!({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["b", "a"], "securityGroups": ["sg-default"]}}}),
        ),
        (
            json!({"loadBalancers": [{"targetGroupArn": "web", "containerName": "a", "containerPort": "80"}]}),
            json!({"loadBalancers": [{"targetGroupArn": target_group, "containerName": "a", "containerPort": 80}]}),
        ),
        (
            json!({"taskDefinition": "web:3", "role": "elb", "cluster": "prod"}),
            json!({"taskDefinition": "arn:aws:ecs:r:1:task-definition/web:3", "roleArn": "arn:aws:iam::1:role/elb"}),
        ),
        (
            json!({"placementConstraints": [{"type": "distinctInstance"}, {"type": "memberOf", "expression": "x"}]}),
            json!({"placementConstraints": [{"type": "memberOf", "expression": "x"}, {"type": "distinctInstance"}]}),
        ),
        (
            json!({"tags": [{"key": "a", "value": ""}]}),
            json!({"tags": [{"key": "b", "value": "x"}, {"key": "a"}]}),
        ),
        (
            json!({"schedulingStrategy": "DAEMON", "desiredCount": 1}),
            json!({"schedulingStrategy": "DAEMON", "desiredCount": 5}),
        ),
        (
            json!({"serviceConnectConfiguration": {"enabled": false}}),
            json!({"deployments": [{"status": "PRIMARY"}]}),
        ),
    ];
    for (declared, live) in same {
        let found = compare_service(&declared, &live);
        assert!(found.is_unchanged(), "{declared}\n{live}\n{found:#?}");
    }
    let other = [
        (
            json!({"loadBalancers": []}),
            json!({"loadBalancers": [{"targetGroupArn": target_group}]}),
            "loadBalancers[web]",
        ),
        (
            json!({"deploymentConfiguration": {"maximumPercent": 200}}),
            json!({"deploymentConfiguration": {"maximumPercent": 150}}),
            "deploymentConfiguration.maximumPercent",
        ),
        (json!({"platformVersion": "LATEST"}), json!({"platformVersion": "1.3.0"}), "platformVersion"),
        (
            json!({"placementStrategy": [{"type": "spread", "field": "a"}, {"type": "spread", "field": "b"}]}),
            json!({"placementStrategy": [{"type": "spread", "field": "b"}, {"type": "spread", "field": "a"}]}),
            "placementStrategy",
        ),
        (
            json!({"tags": [{"key": "a", "value": "1"}]}),
            json!({"tags": [{"key": "a", "value": "2"}]}),
            "tags[a].value",
        ),
        (
            json!({"serviceConnectConfiguration": {"enabled": true}}),
            json!({"deployments": [{"status": "ACTIVE", "serviceConnectConfiguration": {"enabled": true}}, {"status": "PRIMARY"}]}),
            "serviceConnectConfiguration",
        ),
        (
            json!({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["a"]}}}),
            json!({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["a", "b"]}}}),
            "networkConfiguration.awsvpcConfiguration.subnets",
        ),
    ];
    for (declared, live, path) in other {
        let found = compare_service(&declared, &live);
        let paths: Vec<_> = found.changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, [path], "{declared}\n{live}");
    }
}

#[test]
fn only_changed_fields_are_sent_and_each_by_its_way() {
    let declared = json!({"serviceName": "web", "desiredCount": 3, "launchType": "FARGATE", "healthCheckGracePeriodSeconds": 9,
        "tags": [{"key": "team", "value": "a"}], "platformVersion": "1.4.0", "enableExecuteCommand": true});
    let live = json!({"serviceName": "web-green", "desiredCount": 2, "launchType": "EC2", "enableExecuteCommand": true});
    let found = compare_service(&declared, &live);
    let fields =
        |set: std::collections::BTreeSet<&str>| set.into_iter().map(String::from).collect::<Vec<_>>();
    assert_eq!(fields(found.update_fields()), ["healthCheckGracePeriodSeconds", "platformVersion"]);
    assert_eq!(fields(found.replace_fields()), ["launchType"]);
    assert!(found.tags_changed() && found.starts_deployment());
    assert_eq!(found.desired_count, Some(CountChange { live: 2, declared: 3 }));
    let quiet = compare_service(&json!({"healthCheckGracePeriodSeconds": 9}), &live);
    assert!(!quiet.starts_deployment() && !quiet.tags_changed());
}

#[test]
fn an_undeclared_count_is_left_alone() {
    assert!(compare_service(&json!({"serviceName": "web"}), &json!({"desiredCount": 7})).is_unchanged());
}

#[test]
fn a_creation_lists_every_field_but_defaults() {
    let declared =
        json!({"serviceName": "web", "desiredCount": 2, "propagateTags": "NONE", "launchType": "FARGATE"});
    let found = Comparison::creation(Kind::Service, &declared);
    let paths: Vec<_> = found.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["desiredCount", "launchType"]);
}

#[test]
fn values_of_any_shape_are_compared_without_a_panic() {
    let shapes = [
        json!(null),
        json!(1),
        json!("x"),
        json!([]),
        json!([[1], {}, null]),
        json!({}),
        json!({"a": [{"b": 1}]}),
    ];
    for one in &shapes {
        for other in &shapes {
            for field in
                ["tags", "containerDefinitions", "loadBalancers", "cpu", "desiredCount", "deployments"]
            {
                let (one, other) = (json!({field: one}), json!({field: other}));
                compare_service(&one, &other);
                let found = compare_task_definition(&one, &other);
                found.unified("a", "b");
                content_hash(&one);
            }
            compare_task_definition(one, other);
            compare_service(one, other);
        }
    }
}
