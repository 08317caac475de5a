//! Requests and answers as bytes.

use super::{LISTENER, RULE, START, shop};
use crate::simulator::{Millis, Settings, WireRequest, WireResponse, World};
use serde_json::{Value, json};

pub(super) fn ecs_at(world: &mut World, at: Millis, operation: &str, body: Value) -> WireResponse {
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    let request = WireRequest {
        method: "POST".into(),
        path: "/".into(),
        headers: vec![
            ("X-Amz-Target".into(), target),
            ("Content-Type".into(), "application/x-amz-json-1.1".into()),
        ],
        body: body.to_string().into_bytes(),
    };
    world.handle(at, &request)
}

pub(super) fn ecs(world: &mut World, operation: &str, body: Value) -> WireResponse {
    ecs_at(world, START, operation, body)
}

fn form(world: &mut World, version: &str, operation: &str, members: &[(&str, &str)]) -> WireResponse {
    let encode =
        |text: &str| text.replace('%', "%25").replace('&', "%26").replace('/', "%2F").replace(':', "%3A");
    let members: String = members.iter().map(|(name, value)| format!("&{name}={}", encode(value))).collect();
    let request = WireRequest {
        method: "POST".into(),
        path: "/".into(),
        headers: vec![("content-type".into(), "application/x-www-form-urlencoded; charset=utf-8".into())],
        body: format!("Action={operation}&Version={version}{members}").into_bytes(),
    };
    world.handle(START, &request)
}

pub(super) fn elb(world: &mut World, operation: &str, members: &[(&str, &str)]) -> WireResponse {
    form(world, "2015-12-01", operation, members)
}

fn text(answer: &WireResponse) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn json_of(answer: &WireResponse) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn answers_carry_the_simulated_date_and_a_request_id() {
    let mut world = shop(Settings::default());
    let answer = ecs(&mut world, "ListClusters", json!({}));
    let header = |name: &str| answer.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(header("date"), Some("Sat, 31 Jan 2026 08:05:09 GMT"));
    assert_eq!(header("x-amzn-requestid").unwrap().len(), 36);
    assert_eq!(header("content-type"), Some("application/x-amz-json-1.1"));
}

#[test]
fn ecs_refuses_with_its_own_codes() {
    let mut world = shop(Settings::default());
    super::deploy(&mut world, "web", "v1", Some("web-blue"), 1);
    let idle = world.target_group_arn("idle").unwrap();
    let good = super::service(&world, "other", "web", Some("web-blue"), 1);
    let with = |field: &str, value: Value| {
        let mut request = good.clone();
        request[field] = value;
        request
    };
    let balancer = |group: &str, container: &str, port: u32| json!([{"targetGroupArn": group, "containerName": container, "containerPort": port}]);
    let blue = world.target_group_arn("web-blue").unwrap();
    for (operation, body, code, says) in [
        ("Nonsense", json!({}), "UnknownOperationException", "Nonsense"),
        ("ListServices", json!({"cluster": "none"}), "ClusterNotFoundException", "Cluster not found."),
        (
            "UpdateService",
            json!({"cluster": "prod", "service": "none"}),
            "ServiceNotFoundException",
            "Service not found.",
        ),
        (
            "DescribeTaskDefinition",
            json!({"taskDefinition": "none"}),
            "ClientException",
            "Unable to describe",
        ),
        (
            "DescribeServices",
            json!({"cluster": "prod", "services": vec!["a"; 11]}),
            "InvalidParameterException",
            "10",
        ),
        (
            "CreateService",
            with("loadBalancers", balancer(&idle, "app", 8080)),
            "InvalidParameterException",
            "does not have an associated load balancer",
        ),
        (
            "CreateService",
            with("loadBalancers", balancer(&blue, "app", 9)),
            "InvalidParameterException",
            "did not have a container port 9",
        ),
        (
            "CreateService",
            with("loadBalancers", balancer(&blue, "no", 9)),
            "InvalidParameterException",
            "container no does not exist",
        ),
        (
            "CreateService",
            with("networkConfiguration", Value::Null),
            "InvalidParameterException",
            "Network Configuration must be provided",
        ),
        (
            "CreateService",
            with("taskDefinition", json!("web:9")),
            "ClientException",
            "TaskDefinition not found",
        ),
        ("CreateService", with("desiredCount", Value::Null), "InvalidParameterException", "desiredCount"),
        ("CreateService", with("desiredCount", json!("2")), "SerializationException", "STRING_VALUE"),
        ("CreateService", with("serviceName", json!("web")), "InvalidParameterException", "not idempotent"),
        ("CreateService", with("clientToken", json!("x".repeat(37))), "InvalidParameterException", "36"),
        (
            "RegisterTaskDefinition",
            json!({"family": "x"}),
            "ClientException",
            "Container list cannot be empty",
        ),
        (
            "TagResource",
            json!({"resourceArn": "arn:aws:ecs:r:0:cluster/prod", "tags": [{"key": "aws:x"}]}),
            "InvalidParameterException",
            "aws:",
        ),
        (
            "TagResource",
            json!({"resourceArn": "arn:aws:ecs:r:0:cluster/prod", "tags": [{"key": "a#b"}]}),
            "InvalidParameterException",
            "not allowed",
        ),
        (
            "TagResource",
            json!({"resourceArn": "arn:aws:ecs:r:0:service/prod/none", "tags": []}),
            "ResourceNotFoundException",
            "not found",
        ),
    ] {
        let answer = ecs(&mut world, operation, body);
        let said = json_of(&answer);
        assert_eq!((answer.status, said["__type"].as_str()), (400, Some(code)), "{operation}: {said}");
        assert!(said["message"].as_str().unwrap().contains(says), "{operation}: {said}");
    }
    let missing = json_of(&ecs(
        &mut world,
        "DescribeServices",
        json!({"cluster": "prod", "services": ["web", "none"]}),
    ));
    assert_eq!(missing["services"].as_array().unwrap().len(), 1);
    assert_eq!(missing["failures"][0]["reason"], "MISSING");
}

#[test]
fn a_client_token_makes_creation_idempotent() {
    let mut world = shop(Settings::default());
    world.call("ecs", "RegisterTaskDefinition", &super::task_definition("web", "v1")).unwrap();
    let mut request = super::service(&world, "web", "web", None, 1);
    request["clientToken"] = json!("token");
    let first = json_of(&ecs(&mut world, "CreateService", request.clone()));
    let again = json_of(&ecs(&mut world, "CreateService", request.clone()));
    assert_eq!(first["service"]["serviceArn"], again["service"]["serviceArn"]);
    assert_eq!(world.services().len(), 1);
    request["clientToken"] = json!("other");
    assert_eq!(ecs(&mut world, "CreateService", request).status, 400);
}

#[test]
fn a_task_definition_is_answered_with_what_ecs_adds() {
    let mut world = shop(Settings::default());
    let mut sent = super::task_definition("web", "v1");
    sent["unknown"] = json!(1);
    sent["containerDefinitions"][0]["enviroment"] = json!([{"name": "a", "value": "b"}]);
    sent["tags"] = json!([{"key": "team", "value": "shop"}]);
    let registered = json_of(&ecs(&mut world, "RegisterTaskDefinition", sent));
    assert_eq!(registered["tags"], json!([{"key": "team", "value": "shop"}]));
    let shown = &registered["taskDefinition"];
    assert_eq!((shown["revision"].as_u64(), shown["memory"].as_str()), (Some(1), Some("512")));
    assert_eq!(shown["status"], "ACTIVE");
    assert_eq!(
        shown["containerDefinitions"][0],
        json!({"name": "app", "image": "registry.example/web:v1",
            "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}],
            "cpu": 0, "essential": true, "environment": [], "mountPoints": [], "volumesFrom": [], "systemControls": []})
    );
    assert!(shown.get("unknown").is_none() && shown.get("tags").is_none());
    let listed = json_of(&ecs(&mut world, "ListTaskDefinitions", json!({"familyPrefix": "web"})));
    assert!(listed["taskDefinitionArns"][0].as_str().unwrap().ends_with(":task-definition/web:1"));
    ecs(&mut world, "DeregisterTaskDefinition", json!({"taskDefinition": "web:1"}));
    assert_eq!(json_of(&ecs(&mut world, "ListTaskDefinitions", json!({})))["taskDefinitionArns"], json!([]));
    let inactive = json_of(&ecs(&mut world, "DescribeTaskDefinition", json!({"taskDefinition": "web:1"})));
    assert_eq!(inactive["taskDefinition"]["status"], "INACTIVE");
}

#[test]
fn lists_are_paged() {
    let mut world = shop(Settings::default());
    world.call("ecs", "RegisterTaskDefinition", &super::task_definition("web", "v1")).unwrap();
    for i in 0..23 {
        let request = super::service(&world, &format!("s{i:02}"), "web", None, 0);
        world.call("ecs", "CreateService", &request).unwrap();
    }
    let mut names = vec![];
    let mut token = Value::Null;
    loop {
        let page = json_of(&ecs(&mut world, "ListServices", json!({"cluster": "prod", "nextToken": token})));
        names.extend(page["serviceArns"].as_array().unwrap().clone());
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(names.len(), 23);
    assert_eq!(world.calls().count("ListServices"), 3);
    let first = text(&elb(&mut world, "DescribeTargetGroups", &[("PageSize", "2")]));
    let marker = first.split("<NextMarker>").nth(1).unwrap().split('<').next().unwrap().to_string();
    let second = text(&elb(&mut world, "DescribeTargetGroups", &[("PageSize", "2"), ("Marker", &marker)]));
    assert_eq!(first.matches("<TargetGroupArn>").count() + second.matches("<TargetGroupArn>").count(), 3);
    assert!(!second.contains("NextMarker"));
}

#[test]
fn elb_refuses_with_its_own_codes() {
    let mut world = shop(Settings::default());
    let arn = |name: &str| world.target_group_arn(name).unwrap();
    let (blue, green) = (arn("web-blue"), arn("web-green"));
    let none = RULE.replace("f2", "ff");
    let default = world.rules().iter().find(|rule| rule.priority.is_none()).unwrap().arn.clone();
    let group = |i: u32| format!("Actions.member.1.ForwardConfig.TargetGroups.member.{i}.TargetGroupArn");
    for (operation, members, code) in [
        ("Nonsense", vec![], "InvalidAction"),
        ("DescribeRules", vec![("RuleArns.member.1", none.as_str())], "RuleNotFound"),
        ("DescribeListeners", vec![("ListenerArns.member.1", "x")], "ListenerNotFound"),
        ("DescribeRules", vec![("ListenerArn", "x")], "ListenerNotFound"),
        ("DescribeTargetGroups", vec![("Names.member.1", "x")], "TargetGroupNotFound"),
        ("DescribeLoadBalancers", vec![("Names.member.1", "x")], "LoadBalancerNotFound"),
        ("DescribeTargetHealth", vec![("TargetGroupArn", "x")], "TargetGroupNotFound"),
        ("DeleteTargetGroup", vec![("TargetGroupArn", blue.as_str())], "ResourceInUse"),
        (
            "CreateTargetGroup",
            vec![("Name", "web-blue"), ("Protocol", "HTTP"), ("Port", "1"), ("TargetType", "ip")],
            "DuplicateTargetGroupName",
        ),
        (
            "CreateTargetGroup",
            vec![("Name", "a-name-with-more-than-32-characters"), ("Protocol", "HTTP"), ("Port", "1")],
            "ValidationError",
        ),
        ("ModifyRule", vec![("RuleArn", default.as_str())], "OperationNotPermitted"),
        ("DeleteRule", vec![("RuleArn", default.as_str())], "OperationNotPermitted"),
        (
            "ModifyRule",
            vec![
                ("RuleArn", RULE),
                ("Actions.member.1.Type", "forward"),
                ("Actions.member.1.TargetGroupArn", "x"),
            ],
            "TargetGroupNotFound",
        ),
        (
            "ModifyRule",
            vec![
                ("RuleArn", RULE),
                ("Actions.member.1.Type", "forward"),
                (&group(1), &blue),
                ("Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight", "1000"),
            ],
            "ValidationError",
        ),
        (
            "ModifyRule",
            vec![
                ("RuleArn", RULE),
                ("Actions.member.1.Type", "forward"),
                (&group(1), &green),
                (&group(2), &green),
            ],
            "ValidationError",
        ),
        (
            "CreateRule",
            vec![
                ("ListenerArn", LISTENER),
                ("Priority", "10"),
                ("Conditions.member.1.Field", "path-pattern"),
                ("Conditions.member.1.Values.member.1", "/x"),
                ("Actions.member.1.Type", "forward"),
                ("Actions.member.1.TargetGroupArn", &blue),
            ],
            "PriorityInUse",
        ),
    ] {
        let answer = elb(&mut world, operation, &members);
        assert_eq!(answer.status, 400, "{operation}");
        assert!(text(&answer).contains(&format!("<Code>{code}</Code>")), "{operation}: {}", text(&answer));
    }
}

#[test]
fn a_group_serves_one_load_balancer_only() {
    let mut world = shop(Settings::default());
    let other = json!({"Name": "other", "Subnets": ["a", "b"]});
    let made = world.call("elbv2", "CreateLoadBalancer", &other).unwrap();
    let blue = world.target_group_arn("web-blue").unwrap();
    let lb = made["LoadBalancers"][0]["LoadBalancerArn"].as_str().unwrap();
    let members = [
        ("LoadBalancerArn", lb),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("DefaultActions.member.1.Type", "forward"),
        ("DefaultActions.member.1.TargetGroupArn", &blue),
    ];
    assert!(text(&elb(&mut world, "CreateListener", &members)).contains("TargetGroupAssociationLimit"));
}

#[test]
fn a_rules_whole_action_list_is_replaced_and_stickiness_is_kept_as_given() {
    let mut world = shop(Settings::default());
    let (blue, green) =
        (world.target_group_arn("web-blue").unwrap(), world.target_group_arn("web-green").unwrap());
    let forward = "Actions.member.1.ForwardConfig";
    let names: Vec<String> = [
        "TargetGroups.member.1.TargetGroupArn",
        "TargetGroups.member.1.Weight",
        "TargetGroups.member.2.TargetGroupArn",
        "TargetGroups.member.2.Weight",
        "TargetGroupStickinessConfig.Enabled",
        "TargetGroupStickinessConfig.DurationSeconds",
    ]
    .iter()
    .map(|name| format!("{forward}.{name}"))
    .collect();
    let values = [blue.as_str(), "1", green.as_str(), "9", "true", "60"];
    let mut members = vec![("RuleArn", RULE), ("Actions.member.1.Type", "forward")];
    members.extend(names.iter().map(String::as_str).zip(values));
    let answer = elb(&mut world, "ModifyRule", &members);
    assert_eq!(answer.status, 200, "{}", text(&answer));
    let read = text(&elb(&mut world, "DescribeRules", &[("RuleArns.member.1", RULE)]));
    assert!(
        read.contains(
            "<TargetGroupStickinessConfig><Enabled>true</Enabled><DurationSeconds>60</DurationSeconds>"
        ),
        "{read}"
    );
    assert!(read.contains("<Weight>9</Weight>") && read.contains("<Priority>10</Priority>"));
    assert!(!read.contains("</Type><TargetGroupArn>"), "two groups: no single ARN");
    elb(
        &mut world,
        "ModifyRule",
        &[
            ("RuleArn", RULE),
            ("Actions.member.1.Type", "forward"),
            ("Actions.member.1.TargetGroupArn", &green),
        ],
    );
    let read = text(&elb(&mut world, "DescribeRules", &[("RuleArns.member.1", RULE)]));
    assert!(read.contains(&format!("<Type>forward</Type><TargetGroupArn>{green}</TargetGroupArn>")));
    assert!(
        read.contains("<TargetGroupStickinessConfig><Enabled>false</Enabled></TargetGroupStickinessConfig>")
    );
    assert!(!read.contains(&blue));
}

#[test]
fn cloudwatch_speaks_all_three_of_its_protocols() {
    let mut world = shop(Settings::default());
    let put = [
        ("AlarmName", "web-5xx"),
        ("EvaluationPeriods", "1"),
        ("Threshold", "5"),
        ("ComparisonOperator", "GreaterThanThreshold"),
    ];
    assert_eq!(form(&mut world, "2010-08-01", "PutMetricAlarm", &put).status, 200);
    let read = text(&form(&mut world, "2010-08-01", "DescribeAlarms", &[("AlarmNames.member.1", "web-5xx")]));
    assert!(read.contains("<StateValue>INSUFFICIENT_DATA</StateValue>"), "{read}");
    assert!(
        read.contains("<StateUpdatedTimestamp>2026-01-31T08:05:09.000Z</StateUpdatedTimestamp>"),
        "{read}"
    );
    let json_request = WireRequest {
        method: "POST".into(),
        path: "/".into(),
        headers: vec![("x-amz-target".into(), "GraniteServiceVersion20100801.SetAlarmState".into())],
        body: json!({"AlarmName": "web-5xx", "StateValue": "ALARM", "StateReason": "test"})
            .to_string()
            .into_bytes(),
    };
    assert_eq!(world.handle(START, &json_request).status, 200);
    let cbor_request = WireRequest {
        method: "POST".into(),
        path: "/service/GraniteServiceVersion20100801/operation/DescribeAlarms".into(),
        headers: vec![("smithy-protocol".into(), "rpc-v2-cbor".into())],
        body: vec![0xa0],
    };
    let answer = world.handle(START, &cbor_request);
    assert!(answer.headers.contains(&("smithy-protocol".into(), "rpc-v2-cbor".into())));
    assert!(answer.body.windows(5).any(|bytes| bytes == b"ALARM"));
    let unknown = form(&mut world, "2010-08-01", "DeleteAlarms", &[("AlarmNames.member.1", "none")]);
    assert_eq!(unknown.status, 404);
}

#[test]
fn hostile_requests_are_refused_and_change_nothing() {
    let mut world = shop(Settings::default());
    let before = format!("{:?}", world.rules());
    let request = |headers: &[(&str, &str)], body: &[u8]| WireRequest {
        method: "POST".into(),
        path: "/".into(),
        headers: headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        body: body.to_vec(),
    };
    let target = ("x-amz-target", "AmazonEC2ContainerServiceV20141113.CreateCluster");
    for (headers, body) in [
        (&[][..], &b""[..]),
        (&[], b"\xff\xfe"),
        (&[], b"Action=%zz"),
        (&[], b"Action=ModifyRule&Version=2000-01-01"),
        (&[target], b"["),
        (&[target], b"[]"),
        (&[target], "[".repeat(100_000).as_bytes()),
        (&[("x-amz-target", "X.Y")], b"{}"),
    ] {
        let answer = world.handle(START, &request(headers, body));
        assert_eq!(answer.status, 400, "{}", text(&answer));
    }
    assert_eq!(format!("{:?}", world.rules()), before);
}
