//! What `init` writes from a live service, read again and compared with that service, is no change.

use cutover::config::{LiveService, LiveTraffic, documents_from_live, load};
use cutover::diff::{compare_service, compare_task_definition};
use cutover::model::{Manifests, PlatformKind, SourceFile};
use serde_json::{Value, json};

const ELB: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012";

/// What AWS reports of a task definition that has next to everything, in the given network mode.
fn live_task_definition(network_mode: &str) -> Value {
    let host_port = match network_mode {
        "bridge" => 0,
        _ => 8080,
    };
    json!({
        "taskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:7",
        "family": "web", "networkMode": network_mode, "revision": 7, "status": "ACTIVE",
        "taskRoleArn": "arn:aws:iam::123456789012:role/web", "executionRoleArn": "arn:aws:iam::123456789012:role/exec",
        "containerDefinitions": [{
            "name": "app", "image": "registry.example/web:1", "cpu": 0, "memoryReservation": 128, "links": [],
            "portMappings": [{"containerPort": 8080, "hostPort": host_port, "protocol": "tcp", "name": "http", "appProtocol": "http"}],
            "essential": true, "entryPoint": [], "command": ["sh", "-c", "set -e\nexec app\n"],
            "environment": [{"name": "B", "value": "0644"}, {"name": "A", "value": "yes"}, {"name": "E", "value": ""}],
            "environmentFiles": [], "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": false}],
            "volumesFrom": [], "secrets": [{"name": "TOKEN", "valueFrom": "arn:aws:ssm:eu-central-1:123456789012:parameter/t"}],
            "dnsServers": [], "dockerLabels": {"a.b": "1"}, "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 2048}],
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/web"}, "secretOptions": []},
            "healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 30, "timeout": 5, "retries": 3},
            "systemControls": [], "credentialSpecs": []
        }, {
            "name": "side", "image": "side:2", "cpu": 10, "memory": 64, "essential": false, "portMappings": [],
            "environment": [], "mountPoints": [], "volumesFrom": [], "dependsOn": [{"containerName": "app", "condition": "START"}]
        }],
        "volumes": [{"name": "data", "host": {}}], "placementConstraints": [], "requiresAttributes": [{"name": "x"}],
        "compatibilities": ["EXTERNAL", "EC2"], "requiresCompatibilities": ["EC2"], "cpu": "256", "memory": "512",
        "registeredAt": 1.7e9, "registeredBy": "arn:aws:iam::123456789012:user/x", "enableFaultInjection": false,
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}
    })
}

/// What AWS reports of a service.
fn live_service(changes: &Value) -> Value {
    let mut service = json!({
        "serviceArn": "arn:aws:ecs:eu-central-1:123456789012:service/prod/web", "serviceName": "web",
        "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/prod",
        "loadBalancers": [{"targetGroupArn": format!("{ELB}:targetgroup/web/1"), "containerName": "app", "containerPort": 8080}],
        "serviceRegistries": [], "status": "ACTIVE", "desiredCount": 2, "runningCount": 2, "pendingCount": 0,
        "launchType": "EC2", "taskDefinition": "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:7",
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": false, "rollback": false}, "maximumPercent": 200,
            "minimumHealthyPercent": 100, "strategy": "ROLLING", "bakeTimeInMinutes": 0},
        "deployments": [{"status": "PRIMARY", "serviceConnectConfiguration": {"enabled": false}}], "events": [],
        "roleArn": "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        "createdAt": 1.7e9, "createdBy": "x", "placementConstraints": [],
        "placementStrategy": [{"type": "spread", "field": "attribute:ecs.availability-zone"}, {"type": "spread", "field": "instanceId"}],
        "healthCheckGracePeriodSeconds": 0, "schedulingStrategy": "REPLICA", "deploymentController": {"type": "ECS"},
        "enableECSManagedTags": false, "propagateTags": "NONE", "enableExecuteCommand": false,
        "availabilityZoneRebalancing": "DISABLED", "tags": [{"key": "team", "value": "shop"}]
    });
    for (field, value) in changes.as_object().expect("a map") {
        service[field] = value.clone();
    }
    service
}

fn written(service: &Value, task_definition: &Value, traffic: Option<LiveTraffic>) -> Manifests {
    let tags = json!([{"key": "team", "value": "shop"}]);
    let live =
        LiveService { service, task_definition, task_definition_tags: &tags, is_scaled: false, traffic };
    let text = documents_from_live(&live);
    let file = SourceFile { path: "web.yaml".into(), bytes: text.clone().into_bytes() };
    load(&[file], Some(PlatformKind::Ecs)).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

#[test]
fn documents_written_from_a_live_service_are_no_change() {
    let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}});
    let cases = [
        ("bridge", json!({})),
        ("host", json!({"enableECSManagedTags": true, "propagateTags": "SERVICE"})),
        (
            "awsvpc",
            json!({"networkConfiguration": network, "launchType": "FARGATE", "platformVersion": "LATEST", "placementStrategy": []}),
        ),
        (
            "awsvpc",
            json!({"networkConfiguration": network, "launchType": "FARGATE", "platformVersion": "1.4.0", "placementStrategy": [],
            "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}, "maximumPercent": 150,
                "minimumHealthyPercent": 50, "alarms": {"alarmNames": ["a"], "rollback": true, "enable": true}}}),
        ),
        (
            "bridge",
            json!({"schedulingStrategy": "DAEMON", "placementStrategy": [], "deploymentConfiguration": {"maximumPercent": 100,
            "minimumHealthyPercent": 0}}),
        ),
        (
            "bridge",
            json!({"launchType": null, "capacityProviderStrategy": [{"capacityProvider": "own", "weight": 1, "base": 0}]}),
        ),
    ];
    for (network_mode, changes) in cases {
        let (service, mut task_definition) = (live_service(&changes), live_task_definition(network_mode));
        let manifests = written(&service, &task_definition, None);
        task_definition["tags"] = json!([{"key": "team", "value": "shop"}]);
        let comparison = compare_task_definition(&manifests.task_definitions["web"].spec, &task_definition);
        assert!(comparison.is_unchanged(), "{network_mode} {changes}: {:#?}", comparison.changes);
        let comparison = compare_service(&manifests.services["web"].spec, &service);
        assert!(comparison.is_unchanged(), "{network_mode} {changes}: {:#?}", comparison.changes);
    }
}

#[test]
fn an_adopted_service_differs_only_by_the_target_group_that_its_slot_brings() {
    let service = live_service(&json!({}));
    let traffic = LiveTraffic {
        production: vec![format!("{ELB}:listener/app/web/1/2")],
        test: None,
        target_group: format!("{ELB}:targetgroup/web/1"),
        second_target_group: Some("web-2".into()),
    };
    let manifests = written(&service, &live_task_definition("bridge"), Some(traffic));
    assert_eq!(manifests.blue_greens["web"].slot_workload(cutover::model::Slot::Blue, "web"), "web");
    assert!(manifests.services["web"].spec.get("loadBalancers").is_none());
    assert!(compare_service(&manifests.services["web"].spec, &service).is_unchanged());
}
