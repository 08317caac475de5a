use super::*;
use crate::config::load;
use crate::model::{PlatformKind, SourceFile};

const GOOD: &str = "\
apiVersion: ecs.cutover.dev/v1alpha1
kind: TaskDefinition
metadata: {name: web}
spec:
  networkMode: awsvpc
  requiresCompatibilities: [FARGATE]
  cpu: '256'
  memory: 1 GB
  executionRoleArn: arn:aws:iam::123456789012:role/exec
  containerDefinitions:
    - name: app
      image: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/web:1.2
      portMappings: [{containerPort: 8080, name: http}]
      environment: [{name: A, value: b}]
      secrets: [{name: B, valueFrom: arn}]
      logConfiguration:
        logDriver: awslogs
        options: {awslogs-group: /ecs/web, awslogs-region: eu-central-1, awslogs-stream-prefix: web}
---
apiVersion: ecs.cutover.dev/v1alpha1
kind: Service
metadata: {name: web}
spec:
  taskDefinition: web
  launchType: FARGATE
  networkConfiguration: {awsvpcConfiguration: {subnets: [subnet-1]}}
  serviceConnectConfiguration: {enabled: yes, services: [{portName: http}]}
";

fn findings(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    let manifests =
        load(&[SourceFile { path: "a.yaml".into(), bytes: text.into_bytes() }], Some(PlatformKind::Ecs))
            .expect("valid");
    lint(&manifests).iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_repository_has_no_findings() {
    assert_eq!(findings("", ""), Vec::<String>::new());
}

#[test]
fn what_aws_would_refuse_and_what_will_hurt_is_found() {
    for (from, to, want) in [
        (
            "/web:1.2",
            "/web",
            "warning: a.yaml:1: TaskDefinition/web: containerDefinitions[0].image: has neither tag nor digest: a revert cannot bring back what ran before",
        ),
        (
            "/web:1.2",
            "/web:latest",
            "warning: a.yaml:1: TaskDefinition/web: containerDefinitions[0].image: \"latest\" moves: a revert cannot bring back what ran before",
        ),
        (
            "/web:1.2",
            "/Web:1.2",
            "error: a.yaml:1: TaskDefinition/web: containerDefinitions[0].image: \"123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/Web:1.2\" is not an image reference",
        ),
        (
            "awslogs-group: /ecs/web",
            "awslogs-group: a b",
            "error: a.yaml:1: TaskDefinition/web: containerDefinitions[0].logConfiguration.options.awslogs-group: is not a log group's name: letters, digits and _ - / . #, at most 512",
        ),
        (
            ", awslogs-stream-prefix: web",
            "",
            "error: a.yaml:1: TaskDefinition/web: containerDefinitions[0].logConfiguration.options: the option \"awslogs-stream-prefix\" is missing; Fargate needs it",
        ),
        (
            "arn:aws:iam::123456789012:role/exec",
            "arn:aws:iam::1:role",
            "error: a.yaml:1: TaskDefinition/web: executionRoleArn: is not a role's ARN (arn:aws:iam::123456789012:role/name)",
        ),
        (
            "1 GB",
            "'1536'",
            "error: a.yaml:1: TaskDefinition/web: memory: 1536 MiB does not go with 256 CPU units: 512, 1024 and 2048 do",
        ),
        (
            "cpu: '256'",
            "cpu: '300'",
            "error: a.yaml:1: TaskDefinition/web: cpu: 300 is not one of 256, 512, 1024, 2048, 4096, 8192, 16384",
        ),
        (
            "cpu: '256'",
            "cpu: 2 vCPU",
            "error: a.yaml:1: TaskDefinition/web: memory: 1024 MiB does not go with 2048 CPU units: 4096 to 16384 in steps of 1024 do",
        ),
        (
            "{name: B, valueFrom: arn}",
            "{name: A, valueFrom: arn}",
            "error: a.yaml:1: TaskDefinition/web: containerDefinitions[0].secrets[0].name: \"A\" is given twice",
        ),
        (
            "portName: http",
            "portName: htp",
            "error: a.yaml:20: Service/web: serviceConnectConfiguration.services[0].portName: TaskDefinition/web has no port mapping named \"htp\"",
        ),
        (
            "  networkConfiguration: {awsvpcConfiguration: {subnets: [subnet-1]}}\n",
            "",
            "error: a.yaml:20: Service/web: networkConfiguration: awsvpcConfiguration is needed: the task definition's networkMode is awsvpc",
        ),
    ] {
        assert_eq!(findings(from, to), [want], "{to}");
    }
}

#[test]
fn image_references_are_told_from_nonsense() {
    for (image, tag, has_digest) in [
        ("nginx", None, false),
        ("nginx:1.25", Some("1.25"), false),
        ("localhost:5000/a/b_c:x", Some("x"), false),
        ("localhost:5000/a", None, false),
        (
            "public.ecr.aws/x/y@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            None,
            true,
        ),
    ] {
        let parsed = ImageReference::parse(image).expect(image);
        assert_eq!((parsed.tag, parsed.has_digest), (tag, has_digest), "{image}");
    }
    for image in
        ["", ":x", "a b", "a:", "a@", "a@sha256:xyz", "A", "a//b", "/a", "a/", "${IMAGE}", "a:b:c", "é"]
    {
        assert!(ImageReference::parse(image).is_none(), "{image}");
    }
}

#[test]
fn a_sync_that_ends_before_a_network_load_balancer_has_followed_is_found() {
    let blue_green = "\
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {name: web}
spec:
  workloadRef: {kind: Service, name: web}
  container: {name: app, port: 8080}
  alb:
    productionListener: arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/net/shop/1/2
    targetGroups: {blue: web-blue, green: web-green}
";
    let of = |kind: &str, timeout: u64| {
        let alone =
            GOOD.replace("  serviceConnectConfiguration: {enabled: yes, services: [{portName: http}]}\n", "");
        let text = format!("{alone}---\n{blue_green}").replace("listener/net", &format!("listener/{kind}"));
        let files = [SourceFile { path: "a.yaml".into(), bytes: text.into_bytes() }];
        let manifests = load(&files, Some(PlatformKind::Ecs)).expect("valid");
        let text = "\
apiVersion: cutover.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  source: {repoURL: https://git.example.com/deploy.git}
  destination: {ecs: {region: eu-central-1, cluster: prod}}
  sync: {timeout: SECONDSs}
";
        let text = text.replace("SECONDS", &timeout.to_string());
        let application = crate::config::load_application(&SourceFile {
            path: "shop.yaml".into(),
            bytes: text.into_bytes(),
        })
        .expect("valid");
        lint_timeout(&application, &manifests).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of("net", 601), [""; 0]);
    assert_eq!(of("app", 60), [""; 0]);
    let found = of("net", 600);
    assert!(found[0].contains("sync.timeout: 600s is no longer than the 600s"), "{found:?}");
    assert!(found[0].ends_with("set more than 600s"), "{found:?}");
}
