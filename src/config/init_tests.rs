use super::*;
use crate::config::load;
use crate::model::{Manifests, PlatformKind, SourceFile};

const ELB: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012";

fn live_service() -> Value {
    json!({
        "serviceArn": "arn:aws:ecs:eu-central-1:123456789012:service/prod/My_Web",
        "serviceName": "My_Web",
        "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/prod",
        "loadBalancers": [
            {"targetGroupArn": format!("{ELB}:targetgroup/web-tg/1"), "containerName": "app", "containerPort": 8080},
            {"targetGroupArn": format!("{ELB}:targetgroup/admin/1"), "containerName": "app", "containerPort": 9000},
        ],
        "serviceRegistries": [], "status": "ACTIVE", "desiredCount": 3, "runningCount": 3, "pendingCount": 0,
        "launchType": "FARGATE", "platformVersion": "LATEST", "platformFamily": "Linux",
        "taskDefinition": "arn:aws:ecs:eu-central-1:123456789012:task-definition/My_Web:7",
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true},
            "maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING", "bakeTimeInMinutes": 0,
            "alarms": {"alarmNames": [], "rollback": false, "enable": false}, "lifecycleHooks": []},
        "deployments": [{"status": "PRIMARY", "serviceConnectConfiguration": {"enabled": true, "namespace": "shop",
            "services": []}}],
        "roleArn": "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        "events": [], "createdAt": 1.7e9, "placementConstraints": [], "placementStrategy": [],
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": [], "assignPublicIp": "DISABLED"}},
        "healthCheckGracePeriodSeconds": 0, "schedulingStrategy": "REPLICA", "deploymentController": {"type": "ECS"},
        "createdBy": "arn:aws:iam::123456789012:role/x", "enableECSManagedTags": true, "propagateTags": "NONE",
        "enableExecuteCommand": false, "availabilityZoneRebalancing": "ENABLED",
        "tags": [{"key": "team", "value": "shop"}, {"key": "aws:cloudformation:stack-name", "value": "x"},
            {"key": "cutover.dev/application", "value": "shop"}],
    })
}

fn live_task_definition() -> Value {
    json!({
        "taskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/My_Web:7",
        "containerDefinitions": [{"name": "app", "image": "web:1", "cpu": 0, "essential": true, "environment": [
                {"name": "ON", "value": "yes"}], "mountPoints": [], "volumesFrom": [], "systemControls": [],
            "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"},
                {"containerPort": 9000, "hostPort": 9000, "protocol": "udp"}],
            "command": ["sh", "-c", "true\nfalse\n"]}],
        "family": "My_Web", "networkMode": "awsvpc", "revision": 7, "volumes": [], "status": "ACTIVE",
        "requiresAttributes": [{"name": "x"}], "placementConstraints": [], "compatibilities": ["EC2", "FARGATE"],
        "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512", "registeredAt": 1.7e9,
        "registeredBy": "x", "enableFaultInjection": false, "runtimePlatform": null,
    })
}

fn traffic(second: Option<&str>) -> LiveTraffic {
    LiveTraffic {
        production: vec![format!("{ELB}:listener-rule/app/web/1/2/3"), format!("{ELB}:listener/app/web/1/9")],
        test: Some(format!("{ELB}:listener/app/web/1/8")),
        target_group: format!("{ELB}:targetgroup/web-tg/1"),
        second_target_group: second.map(ToOwned::to_owned),
    }
}

fn write(traffic: Option<LiveTraffic>, is_scaled: bool) -> (String, Manifests) {
    write_service(&live_service(), traffic, is_scaled)
}

fn write_service(service: &Value, traffic: Option<LiveTraffic>, is_scaled: bool) -> (String, Manifests) {
    let task_definition = live_task_definition();
    let tags = json!([{"key": "team", "value": "shop"}]);
    let live = LiveService {
        service,
        task_definition: &task_definition,
        task_definition_tags: &tags,
        is_scaled,
        traffic,
    };
    let text = documents_from_live(&live);
    let file = SourceFile { path: "web.yaml".into(), bytes: text.clone().into_bytes() };
    let manifests =
        load(&[file], Some(PlatformKind::Ecs)).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    (text, manifests)
}

#[test]
fn a_live_service_becomes_documents_without_what_aws_adds() {
    let (_, manifests) = write(None, false);
    let task_definition = &manifests.task_definitions["my-web"];
    let want = json!({
        "family": "My_Web",
        "containerDefinitions": [{"name": "app", "image": "web:1", "environment": [{"name": "ON", "value": "yes"}],
            "portMappings": [{"containerPort": 8080}, {"containerPort": 9000, "protocol": "udp"}],
            "command": ["sh", "-c", "true\nfalse\n"]}],
        "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "tags": [{"key": "team", "value": "shop"}],
    });
    assert_eq!(task_definition.spec, want);
    let service = &manifests.services["my-web"];
    let want = json!({
        "serviceName": "My_Web",
        "loadBalancers": live_service()["loadBalancers"],
        "desiredCount": 3,
        "launchType": "FARGATE",
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}},
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        "enableECSManagedTags": true,
        "availabilityZoneRebalancing": "ENABLED",
        "serviceConnectConfiguration": {"enabled": true, "namespace": "shop"},
        "tags": [{"key": "team", "value": "shop"}],
    });
    assert_eq!(service.spec, want);
    assert!(manifests.blue_greens.is_empty());
}

#[test]
fn a_number_of_tasks_that_something_else_sets_is_left_out() {
    let (_, manifests) = write(None, true);
    assert_eq!(manifests.services["my-web"].desired_count(), None);
}

#[test]
fn a_service_with_two_target_groups_is_adopted_as_the_blue_slot() {
    let mut service = live_service();
    service["loadBalancers"].as_array_mut().unwrap().truncate(1);
    let (_, manifests) = write_service(&service, Some(traffic(Some("web-2"))), false);
    let blue_green = &manifests.blue_greens["my-web"];
    assert_eq!(blue_green.slots.blue.as_ref().and_then(|slot| slot.service.as_deref()), Some("My_Web"));
    assert_eq!((blue_green.container.name.as_str(), blue_green.container.port), ("app", 8080));
    assert_eq!(blue_green.alb.target_groups.green, "web-2");
    assert_eq!(blue_green.alb.production_listener.arns().len(), 1);
    assert_eq!(blue_green.alb.production_listener_rule.arns().len(), 1);
    assert!(items(&manifests.services["my-web"].spec, "loadBalancers").is_empty());
}

#[test]
fn a_service_that_could_be_reached_in_both_slots_is_not_adopted() {
    let mut registered = live_service();
    registered["loadBalancers"].as_array_mut().unwrap().truncate(1);
    registered["serviceRegistries"] =
        json!([{"registryArn": "arn:aws:servicediscovery:eu-central-1:1:service/srv-1"}]);
    for (service, field, balancers) in
        [(live_service(), "another entry of loadBalancers", 2), (registered, "serviceRegistries", 1)]
    {
        let (text, manifests) = write_service(&service, Some(traffic(Some("web-2"))), false);
        assert!(manifests.blue_greens.is_empty());
        assert!(text.contains(&format!("# Requests would reach both of its slots by {field}: ")), "{text}");
        assert_eq!(items(&manifests.services["my-web"].spec, "loadBalancers").len(), balancers);
    }
}

#[test]
fn without_a_second_target_group_the_blue_green_is_a_comment() {
    let (text, manifests) = write(Some(traffic(None)), false);
    assert!(manifests.blue_greens.is_empty());
    assert!(text.contains("# kind: BlueGreen\n"), "{text}");
    assert_eq!(items(&manifests.services["my-web"].spec, "loadBalancers").len(), 2);
}
