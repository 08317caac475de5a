use super::*;
use crate::config::{envelope, json_schema, render};
use crate::model::{Origin, Slot};

const TASK: &str = "\
apiVersion: ecs.cutover.dev/v1alpha1
kind: TaskDefinition
metadata: {name: web}
spec:
  containerDefinitions:
    - name: app
      image: web:1
      portMappings: [{containerPort: 8080, name: http}]
";
const SERVICE: &str = "\
apiVersion: ecs.cutover.dev/v1alpha1
kind: Service
metadata: {name: web}
spec:
  taskDefinition: web
  desiredCount: 2
";
const ELB: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012";

fn blue_green() -> String {
    format!(
        "\
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {{name: web}}
spec:
  workloadRef: {{kind: Service, name: web}}
  container: {{name: app, port: 8080}}
  alb:
    productionListenerRule: {ELB}:listener-rule/app/web/1/2/3
    testListenerRule: {ELB}:listener-rule/app/web/1/2/4
    targetGroups: {{blue: web-blue, green: web-green}}
  steps: [{{weight: 10, hold: 2m}}, {{weight: 100}}]
  gates: {{http: [{{path: /healthz}}], alarms: [web-5xx], healthyTargets: 50%}}
  bakeTime: 1h30m
"
    )
}

const APPLICATION: &str = "\
apiVersion: cutover.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  source: {repoURL: https://example.com/deploy.git, path: apps/shop}
  destination: {ecs: {region: eu-central-1, cluster: prod}}
  sync: {pruneLimit: 5}
";

fn file(path: &str, text: impl Into<Vec<u8>>) -> SourceFile {
    SourceFile { path: path.into(), bytes: text.into() }
}

/// With an Application among them as `cutover verify` reads them, without a destination.
fn load_ecs(files: &[SourceFile]) -> Result<Manifests, Vec<Problem>> {
    let has_application = |file: &SourceFile| String::from_utf8_lossy(&file.bytes).contains("Application");
    load(files, (!files.iter().any(has_application)).then_some(PlatformKind::Ecs))
}

fn load_text(text: &str) -> Result<Manifests, Vec<Problem>> {
    load_ecs(&[file("a.yaml", text)])
}

/// The one problem of this text, without the file's name.
fn only_problem(text: &str) -> String {
    let problems = load_text(text).expect_err("no problem found");
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1, "{texts:#?}");
    texts[0].strip_prefix("a.yaml:").expect("the file is named").to_owned()
}

fn all() -> String {
    [TASK, SERVICE, &blue_green(), APPLICATION].join("---\n")
}

/// `all` with one text replaced.
fn with(from: &str, to: &str) -> String {
    let text = all();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn a_whole_repository_becomes_typed_documents() {
    let manifests = load_text(&all()).expect("valid");
    assert_eq!(manifests.len(), 4);
    let service = &manifests.services["web"];
    assert_eq!(service.task_definition, TaskDefinitionRef::Document("web".into()));
    assert_eq!(service.spec, serde_json::json!({"serviceName": "web", "desiredCount": 2}));
    assert_eq!(service.desired_count(), Some(2));
    assert_eq!(service.origin, Origin { file: "a.yaml".into(), line: 10 });
    assert_eq!(manifests.task_definitions["web"].spec["family"], "web");
    let blue_green = &manifests.blue_greens["web"];
    assert_eq!((blue_green.bake_time, blue_green.gates.healthy_targets), (5_400, 50));
    assert_eq!(blue_green.slot_workload(Slot::Green, "web"), "web-green");
    assert_eq!(manifests.blue_green_of("web"), Some(blue_green));
    assert_eq!(manifests.applications["shop"].sync.prune_limit, "5");
    assert_eq!(load_ecs(&[]), Ok(Manifests::default()));
}

#[test]
fn a_misspelt_field_is_named_with_its_line_and_what_was_meant() {
    let text = with("image: web:1", "image: web:1\n      enviroment: []");
    let want = "8: TaskDefinition/web: containerDefinitions[0].enviroment: unknown field, did you mean \"environment\"?";
    assert_eq!(only_problem(&text), want);
}

#[test]
fn wrong_values_are_explained() {
    for (from, to, want) in [
        (
            "desiredCount: 2",
            "desiredCount: '2'",
            "desiredCount: expected a whole number of 32 bits, found the text \"2\"; write it without quotes",
        ),
        (
            "desiredCount: 2",
            "desiredCount: 2.5",
            "desiredCount: expected a whole number of 32 bits, found the number 2.5",
        ),
        (
            "desiredCount: 2",
            "desiredCount: 5000000000",
            "desiredCount: expected a whole number of 32 bits, found the number 5000000000",
        ),
        ("desiredCount: 2", "desiredCount: -1", "desiredCount: must be 0 or more"),
        (
            "desiredCount: 2",
            "desiredCount:",
            "desiredCount: has no value; expected a whole number of 32 bits, or leave the field out",
        ),
        (
            "desiredCount: 2",
            "launchType: fargate",
            "launchType: \"fargate\" is not one of EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES, did you mean \"FARGATE\"?",
        ),
        (
            "desiredCount: 2",
            "cluster: prod",
            "cluster: the cluster is that of the Application's destination; remove this field",
        ),
        (
            "desiredCount: 2",
            "runningCount: 2",
            "runningCount: AWS reports this field and takes it in no request; remove it",
        ),
        (
            "desiredCount: 2",
            "enableExecuteCommand: 'true'",
            "enableExecuteCommand: expected true or false, found the text \"true\"; write it without quotes",
        ),
        (
            "desiredCount: 2",
            "platformVersion: 1.4",
            "platformVersion: expected text, found the number 1.4; write \"1.4\" in quotes",
        ),
        (
            "desiredCount: 2",
            "capacityProviderStrategy: [{capacityProvider: x, weight: 2000}]",
            "capacityProviderStrategy[0].weight: 2000 is out of range; it must be from 0 to 1000",
        ),
        (
            "desiredCount: 2",
            "networkConfiguration: {awsvpcConfiguration: {}}",
            "networkConfiguration.awsvpcConfiguration: the field \"subnets\" is missing",
        ),
        (
            "desiredCount: 2",
            "loadBalancers: {containerName: app}",
            "loadBalancers: expected a list, found a map; begin each entry with \"- \"",
        ),
    ] {
        assert_eq!(only_problem(&with(from, to)), format!("15: Service/web: {want}"), "{to}");
    }
}

#[test]
fn values_that_may_be_secret_are_not_printed() {
    let text = with(
        "image: web:1",
        "image: web:1\n      environment: [{name: PIN, value: 9876543}]\n      dockerLabels: {x: 9876543}",
    );
    let problems = load_text(&text).expect_err("numbers are no text");
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    for text in texts {
        assert!(text.contains("found a number; write it in quotes") && !text.contains("987"), "{text}");
    }
    let text = with("https://example.com", "https://me:9876543@example.com");
    let problem = only_problem(&text);
    assert!(problem.contains("password") && !problem.contains("987"), "{problem}");
}

#[test]
fn fields_that_aws_has_since_added_can_be_let_through_by_name() {
    let annotated = TASK.replace(
        "{name: web}",
        "{name: web, annotations: {cutover.dev/unchecked-fields: 'containerDefinitions.newThing, futureMode'}}",
    );
    let text =
        annotated.replace("image: web:1", "image: web:1\n      newThing: {a: 1}") + "  futureMode: [1]\n";
    let manifests = load_text(&text).expect("let through");
    assert_eq!(manifests.task_definitions["web"].spec["futureMode"][0], 1);
    let wrong = TASK.replace("{name: web}", "{name: web, annotations: {cutover.dev/uncheked: x}}");
    assert!(only_problem(&wrong).contains("metadata.annotations.cutover.dev/uncheked: is not known"));
}

#[test]
fn the_envelope_is_checked() {
    for (text, want) in [
        ("image:\n  tag: 1\n", "1: this is not a document of cutover: it has neither apiVersion nor kind"),
        ("- a\n", "1: a document is a map with apiVersion, kind, metadata and spec; this is a list"),
        ("hello\n", "1: a document is a map"),
        (
            "apiVersion: apps/v1\nkind: Deployment\n",
            "2: kind: \"Deployment\" of \"apps/v1\" is not known; known are Application (cutover.dev/v1alpha1), BlueGreen",
        ),
        (
            "apiVersion: cutover.dev/v1alpha1\nkind: BlueGren\n",
            "2: kind: \"BlueGren\" of \"cutover.dev/v1alpha1\" is not known, did you mean \"BlueGreen\"?",
        ),
        (
            "apiVersion: v1\nkind: Service\n",
            "1: apiVersion: Service is of \"ecs.cutover.dev/v1alpha1\", found \"v1\"",
        ),
        ("kind: Service\n", "1: the field \"apiVersion\" is missing"),
    ] {
        let problem = only_problem(text);
        assert!(problem.starts_with(want), "{problem}");
    }
    for (from, to, want) in [
        (
            "metadata: {name: web}",
            "metadata: {name: Web_1}",
            "3: TaskDefinition: metadata.name: \"Web_1\" is not a name",
        ),
        (
            "metadata: {name: web}",
            "metadata: {name: 12}",
            "3: TaskDefinition: metadata.name: expected text, found the number 12",
        ),
        (
            "metadata: {name: web}",
            "metadata: {nam: web}",
            "3: TaskDefinition: metadata: the field \"name\" is missing",
        ),
        (
            "metadata: {name: web}",
            "metadata: {name: web, namespace: x}",
            "3: TaskDefinition/web: metadata.namespace: unknown field",
        ),
        (
            "metadata: {name: web}",
            "metadata: {name: web}\nstatus: {}",
            "4: TaskDefinition/web: status: unknown field",
        ),
        ("spec:", "specs:", "4: TaskDefinition/web: specs: unknown field, did you mean \"spec\"?"),
    ] {
        let problems = load_text(&TASK.replacen(from, to, 1)).expect_err("wrong envelope");
        let first =
            problems.iter().map(|p| p.to_string().replace("a.yaml:", "")).find(|p| p.starts_with(want));
        assert!(first.is_some(), "{want}: {problems:?}");
    }
}

#[test]
fn duplicate_documents_name_both_places() {
    let other = TASK.replace("image: web:1", "image: web:2");
    assert_ne!(other, TASK);
    let files = [file("b/x.yml", other), file("a.yaml", TASK), file("c.json", b"".to_vec())];
    let problems = load_ecs(&files).expect_err("duplicate");
    let want = "b/x.yml:1: TaskDefinition/web: is already at a.yaml:1, with another content; only one of the two can be meant";
    assert_eq!(problems[0].to_string(), want);
    assert_eq!(problems.len(), 1);
    let same = [file("b/x.yml", TASK), file("a.yaml", TASK)];
    let manifests = load_ecs(&same).expect("a warning");
    let want = "b/x.yml:1: TaskDefinition/web: says the same as the one at a.yaml:1, which is the one that counts; remove one of the two";
    assert_eq!(manifests.left_out.iter().map(ToString::to_string).collect::<Vec<_>>(), [want]);
}

#[test]
fn dangling_references_are_found() {
    for (from, to, want) in [
        (
            "taskDefinition: web",
            "taskDefinition: wep",
            "14: Service/web: taskDefinition: there is no TaskDefinition document \"wep\", did you mean \"web\"?",
        ),
        (
            "taskDefinition: web",
            "taskDefinition: a b",
            "14: Service/web: taskDefinition: is neither the name",
        ),
        (
            "kind: Service, name: web",
            "kind: Service, name: wbe",
            "21: BlueGreen/web: workloadRef.name: there is no Service document \"wbe\", did you mean \"web\"?",
        ),
        (
            "kind: Service, name: web",
            "kind: Deployment, name: web",
            "21: BlueGreen/web: workloadRef.kind: a Deployment is shipped on Kubernetes, and this application goes to ECS",
        ),
        (
            "name: app, port: 8080",
            "name: ap, port: 8080",
            "22: BlueGreen/web: container.name: the task definition has no container \"ap\", did you mean \"app\"?",
        ),
        (
            "name: app, port: 8080",
            "name: app, port: 80",
            "22: BlueGreen/web: container.port: the container \"app\" has no port mapping for 80; it has only 8080",
        ),
    ] {
        let problem = only_problem(&with(from, to));
        assert!(problem.starts_with(want), "{problem}");
    }
    for external in ["web:7", "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:7"] {
        let manifests =
            load_text(&SERVICE.replace("taskDefinition: web", &format!("taskDefinition: {external}")))
                .expect("valid");
        assert_eq!(manifests.services["web"].task_definition, TaskDefinitionRef::External(external.into()));
    }
}

#[test]
fn a_broken_document_does_not_make_references_to_it_dangle() {
    let text = with("image: web:1", "imag: web:1");
    let problems = load_text(&text).expect_err("a misspelt field");
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_blue_green_that_cannot_work_is_refused() {
    let rule = format!("{ELB}:listener-rule/app/web/1/2/3");
    for (from, to, want) in [
        ("weight: 10, hold: 2m", "weight: 0", "steps[0].weight: 0 is out of range; it must be from 1 to 100"),
        (
            "{weight: 100}",
            "{weight: 5}, {weight: 100}",
            "steps[1].weight: 5 does not follow 10: weights must grow",
        ),
        (", {weight: 100}]", "]", "steps[0].weight: the last step must be 100, not 10; add `- weight: 100`"),
        (
            "{weight: 100}",
            "{weight: 100, hold: 1m}",
            "steps[1].hold: there is nothing to hold after the last step",
        ),
        ("hold: 2m", "hold: 2x", "steps[0].hold: `2x` is not a duration"),
        (
            "healthyTargets: 50%",
            "healthyTargets: 0%",
            "gates.healthyTargets: `0%` is not a share from 1% to 100%",
        ),
        (
            "healthyTargets: 50%",
            "healthyTargets: 50",
            "gates.healthyTargets: expected text, found the number 50; write \"50\" in quotes",
        ),
        (
            "healthyTargets: 50%",
            "stableFor: 20m",
            "deadline: 900s is not longer than gates.stableFor (1200s)",
        ),
        (
            "healthyTargets: 50%}",
            "healthyTargets: 50%, stableFor: 895s}",
            "deadline: 900s is too short: the load balancer takes 10s",
        ),
        (
            "path: /healthz",
            "path: /healthz, headers: {host: a}",
            "gates.http[0].headers.host: is sent by `host`",
        ),
        (
            "path: /healthz",
            "path: /healthz, headers: {a b: c}",
            "gates.http[0].headers.a b: is not the name of a header",
        ),
        (
            "path: /healthz",
            "path: /healthz, headers: {X-A: b, x-a: c}",
            "gates.http[0].headers.x-a: is named twice",
        ),
        (
            "path: /healthz",
            "path: /healthz, headers: {X-A: ä}",
            "gates.http[0].headers.X-A: must have a value",
        ),
        (
            "path: /healthz",
            "path: /healthz, headers: {Upgrade: b}",
            "gates.http[0].headers.Upgrade: is set by the",
        ),
        ("path: /healthz", "path: healthz", "gates.http[0].path: must begin with \"/\""),
        (
            "green: web-green",
            "green: web-blue",
            "alb.targetGroups.green: the target group \"web-blue\" is named twice",
        ),
        ("green: web-green", "green: web_green", "alb.targetGroups.green: is neither a target group's name"),
        (", green: web-green", "", "alb.targetGroups: the field \"green\" is missing"),
        (
            "    productionListenerRule",
            "    productionListener",
            "alb.productionListener: is the ARN of a rule, not of a listener",
        ),
        (
            &format!("    productionListenerRule: {rule}\n"),
            "",
            "alb: names neither productionListenerRule nor productionListener",
        ),
        (
            "    testListenerRule",
            "    # testListenerRule",
            "gates.http: is asked through the test rule, but there is neither",
        ),
        ("/1/2/4", "/1/2/3", "alb.testListenerRule: the rule or listener"),
        (
            "bakeTime: 1h30m",
            "slots: {blue: {service: web}, green: {service: web}}",
            "slots.green: the ECS service \"web\" is named twice",
        ),
    ] {
        let problem = only_problem(&with(from, to));
        let (_, problem) = problem.split_once(": BlueGreen/web: ").expect("the document is named");
        assert!(problem.starts_with(want), "{problem}");
    }
}

#[test]
fn a_service_must_leave_its_traffic_to_the_blue_green() {
    let group = format!("{ELB}:targetgroup/other/1");
    let balancer =
        format!("loadBalancers: [{{targetGroupArn: '{group}', containerName: app, containerPort: 8080}}]");
    let second =
        format!("loadBalancers: [{{targetGroupArn: '{group}', containerName: app, containerPort: 9090}}]");
    for (to, want) in [
        (balancer.as_str(), "loadBalancers[0]: BlueGreen/web gives each slot its own target group"),
        (
            "serviceRegistries: [{registryArn: a}]",
            "serviceRegistries: Cloud Map would tell clients the addresses",
        ),
        (
            "serviceConnectConfiguration: {enabled: true, services: [{portName: http}]}",
            "serviceConnectConfiguration.services: Service Connect would send requests to both slots",
        ),
        (
            "vpcLatticeConfigurations: [{roleArn: a, targetGroupArn: b, portName: http}]",
            "vpcLatticeConfigurations: VPC Lattice would send requests to both slots",
        ),
        (
            "deploymentConfiguration: {strategy: CANARY}",
            "deploymentConfiguration.strategy: BlueGreen/web shifts the traffic of this service",
        ),
        ("schedulingStrategy: DAEMON", "schedulingStrategy: a DAEMON service cannot have two sides"),
        (
            "deploymentController: {type: CODE_DEPLOY}",
            "deploymentController.type: a service with the deployment controller CODE_DEPLOY",
        ),
    ] {
        let problem = only_problem(&with("desiredCount: 2", to));
        assert!(problem.starts_with(&format!("15: Service/web: {want}")), "{problem}");
    }
    let two_ports =
        with("desiredCount: 2", &second).replace("name: http}]", "name: http}, {containerPort: 9090}]");
    let problem = only_problem(&two_ports);
    let want = "15: Service/web: loadBalancers[0]: BlueGreen/web would register both slots here";
    assert!(problem.starts_with(want), "{problem}");
    let long = format!("serviceName: {}", "a".repeat(250));
    assert!(
        only_problem(&with("desiredCount: 2", &long)).contains("serviceName: with \"-green\" for its slot")
    );
}

#[test]
fn nothing_has_two_masters() {
    let second = |kind: &str, from: &str, to: &str| {
        let text = match kind {
            "Service" => SERVICE.to_owned(),
            "TaskDefinition" => TASK.to_owned(),
            _ => blue_green(),
        };
        all() + "---\n" + &text.replace("metadata: {name: web}", "metadata: {name: two}").replace(from, to)
    };
    let same_name = second("Service", "desiredCount: 2", "serviceName: web");
    let problem = only_problem(&same_name);
    assert!(
        problem.ends_with("serviceName: the serviceName \"web\" belongs to Service/two (a.yaml:39) already"),
        "{problem}"
    );
    let slot_name = second("Service", "desiredCount: 2", "serviceName: web-green");
    assert!(
        only_problem(&slot_name).contains("the ECS service \"web-green\" belongs to Service/two"),
        "{}",
        only_problem(&slot_name)
    );
    let family = second("TaskDefinition", "  containerDefinitions", "  family: web\n  containerDefinitions");
    assert!(only_problem(&family).contains("the family \"web\" belongs to TaskDefinition/two"));
    let steered = second("BlueGreen", "x", "x");
    assert!(only_problem(&steered).contains("Service/web is already steered by BlueGreen/two"));
    let other_service = SERVICE.replace("{name: web}", "{name: two}");
    let problems = load_text(
        &(second("BlueGreen", "Service, name: web", "Service, name: two") + "---\n" + &other_service),
    );
    let problems = problems.expect_err("target groups and rules are shared");
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[test]
fn a_task_definition_that_ecs_would_refuse_is_found() {
    for (from, to, want) in [
        ("image: web:1", "cpu: 1", "containerDefinitions[0]: the field \"image\" is missing"),
        (
            "image: web:1",
            "image: web:1\n      mountPoints: [{sourceVolume: data}]",
            "containerDefinitions[0].mountPoints[0].sourceVolume: there is no volume \"data\"",
        ),
        (
            "image: web:1",
            "image: web:1\n      dependsOn: [{containerName: ap, condition: START}]",
            "containerDefinitions[0].dependsOn[0].containerName: there is no container \"ap\"",
        ),
        (
            "image: web:1",
            "image: web:1\n      essential: no",
            "containerDefinitions: at least one container must be essential",
        ),
        (
            "image: web:1",
            "image: web:1\n      cpu: 1\n    - name: app\n      image: b",
            "containerDefinitions[1].name: there are two containers \"app\"",
        ),
        (
            "spec:",
            "spec:\n  tags: [{key: cutover.dev/application, value: x}]",
            "tags[0].key: tags that begin with cutover.dev/",
        ),
        ("spec:", "spec:\n  cpu: 256", "cpu: expected text, found the number 256; write \"256\" in quotes"),
        ("spec:", "spec:\n  revision: 7", "revision: AWS reports this field"),
    ] {
        let problem = load_text(&TASK.replacen(from, to, 1)).expect_err(to)[0].to_string();
        assert!(problem.contains(&format!("TaskDefinition/web: {want}")), "{problem}");
    }
}

#[test]
fn all_problems_of_all_files_are_reported_together_by_file_and_line() {
    let files = [
        file("b.yaml", with("desiredCount: 2", "desiredCount: x\n  foo: 1")),
        file("a.yaml", "a: [\n"),
        file("c/d.json", "{\"apiVersion\": \"x\"}"),
        file("README.md", "not: [looked at"),
        file(".github/workflows/x.yaml", "on: push"),
    ];
    let problems = load_ecs(&files).expect_err("broken");
    let places: Vec<String> = problems.iter().map(|p| p.origin.to_string()).collect();
    assert_eq!(places, ["a.yaml:1", "b.yaml:15", "b.yaml:16", "c/d.json:1"]);
}

#[test]
fn an_application_file_holds_one_application() {
    let application = load_application(&file("app.yaml", APPLICATION)).expect("valid");
    assert_eq!((application.name.as_str(), application.source.target_revision.as_str()), ("shop", "HEAD"));
    for text in [
        String::new(),
        format!("{APPLICATION}---\n{TASK}"),
        format!("{APPLICATION}---\n{APPLICATION}"),
        "a: [".into(),
    ] {
        assert!(load_application(&file("app.yaml", text.clone())).is_err(), "{text}");
    }
    for (from, to, want) in [
        ("path: apps/shop", "path: ../x", "source.path: must be a folder in the repository"),
        (
            "pruneLimit: 5",
            "pruneLimit: lots",
            "sync.pruneLimit: `lots` is neither a share like 30% nor a number",
        ),
        ("pruneLimit: 5", "mode: dry", "sync.mode: \"dry\" is not one of enforce, observe"),
        ("pruneLimit: 5", "interval: 0", "sync.interval: expected text"),
        ("pruneLimit: 5", "interval: 0s", "sync.interval: must be longer than 0"),
        (
            "cluster: prod",
            "clutser: prod",
            "destination.ecs.clutser: unknown field, did you mean \"cluster\"?",
        ),
        (
            "destination:",
            "dependsOn: [shop]\n  destination:",
            "dependsOn[0]: an application cannot wait for itself",
        ),
    ] {
        let problems = load_application(&file("app.yaml", APPLICATION.replace(from, to))).expect_err(to);
        assert!(problems.iter().any(|p| p.to_string().contains(want)), "{problems:?}");
    }
}

#[test]
fn folders_with_a_dot_are_left_alone_unless_the_application_lives_in_one() {
    let broken = file(".github/workflows/x.yaml", "on: push");
    assert_eq!(load_ecs(&[file("web.yaml", TASK), broken.clone()]).map(|m| m.len()), Ok(1));
    assert_eq!(
        load_ecs(&[file(".deploy/a/web.yaml", TASK), file(".deploy/b.yaml", SERVICE)]).map(|m| m.len()),
        Ok(2)
    );
    assert_eq!(load_ecs(&[file(".deploy/web.yaml", TASK)]).map(|m| m.len()), Ok(1));
    assert!(load_ecs(&[broken]).is_err());
}

/// The documents without the places they came from.
fn anywhere(mut manifests: Manifests) -> Manifests {
    manifests.applications.values_mut().for_each(|d| d.origin = Origin::default());
    manifests.task_definitions.values_mut().for_each(|d| d.origin = Origin::default());
    manifests.services.values_mut().for_each(|d| d.origin = Origin::default());
    manifests.blue_greens.values_mut().for_each(|d| d.origin = Origin::default());
    manifests
}

#[test]
fn rendered_documents_read_back_as_the_same() {
    let odd = with(
        "image: web:1",
        "image: web:1\n      environment:\n        - {name: A, value: 'yes'}\n        - {name: B, value: '0644'}\n        - {name: C, value: '2001-01-01'}\n        - {name: D, value: \"é\\n日本: #\\n\"}\n        - name: E\n          value: |\n            two\n              lines",
    );
    let slots = with("green: web-green", "green: x")
        .replace("blue: web-blue, green: x", "blue: web-blue")
        .replace("bakeTime: 1h30m", "slots: {blue: {service: web}, green: {targetGroup: web-2}}");
    let external = SERVICE.replace("taskDefinition: web", "taskDefinition: web:7");
    for text in [all(), odd, slots, external] {
        let first = anywhere(load_text(&text).expect("valid"));
        let rendered = render(&first);
        let second =
            anywhere(load_text(&rendered).unwrap_or_else(|problems| panic!("{problems:?}\n{rendered}")));
        assert_eq!(first, second, "{rendered}");
        assert_eq!(render(&second), rendered);
    }
}

#[test]
fn kinds_of_the_schema_are_those_that_load() {
    for (kind, api) in envelope::KINDS {
        assert_eq!(json_schema(kind)["properties"]["apiVersion"]["const"], api);
    }
}

/// A small generator of numbers that looks random and is the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap_or(0)
    }
}

#[test]
fn random_damage_never_panics_or_hangs() {
    let text = all();
    let rendered = render(&load_text(&text).expect("valid"));
    let json = serde_json::json!({"apiVersion": "x", "kind": "y", "list": [1, {"a": null}], "s": "\u{e9}"})
        .to_string();
    let pieces = [
        "\t",
        "\0",
        "\u{feff}",
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "&a",
        "*a",
        "<<: ",
        "!!",
        "|",
        ">",
        "'",
        "\"",
        "\\",
        "#",
        "---\n",
        "...\n",
        "\r",
        "%YAML 1.1\n",
        "\u{2028}",
        "? ",
        ",",
        "~",
        "0x",
        "9".repeat(400).leak(),
        "é",
    ];
    let mut valid = 0;
    for seed in 1..3_000_u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = [&text, &rendered, &json][numbers.below(3)].clone().into_bytes();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(bytes.len());
            match numbers.below(5) {
                0 => bytes[at] = u8::try_from(numbers.below(256)).unwrap_or(0),
                1 => drop(bytes.drain(at..(at + 1 + numbers.below(20)).min(bytes.len()))),
                2 => bytes.truncate(at.max(1)),
                3 => {
                    let piece = pieces[numbers.below(pieces.len())];
                    bytes.splice(at..at, piece.bytes());
                }
                _ => {
                    let end = (at + 1 + numbers.below(200)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
            if bytes.is_empty() {
                bytes.push(b'a');
            }
        }
        match load_ecs(&[file("a.yaml", bytes)]) {
            // So damaged that it is for Kubernetes.
            Ok(manifests) if !manifests.objects.is_empty() => {}
            Ok(manifests) => {
                valid += 1;
                let again = load_text(&render(&manifests)).expect("what is rendered is valid");
                assert_eq!(anywhere(again), anywhere(manifests), "seed {seed}");
            }
            Err(problems) => assert!(!problems.is_empty(), "seed {seed}"),
        }
    }
    assert!(valid > 20, "the damage is not so great that nothing is ever valid: {valid}");
}

#[test]
fn ten_thousand_documents_are_no_trouble() {
    let many: Vec<SourceFile> = (0..5_000)
        .map(|i| {
            let text = format!("{TASK}---\n{SERVICE}").replace("name: web}", &format!("name: web-{i}}}"));
            file(
                &format!("{i}.yaml"),
                text.replace("taskDefinition: web", &format!("taskDefinition: web-{i}")),
            )
        })
        .collect();
    assert_eq!(load_ecs(&many).expect("valid").len(), 10_000);
    // The worst case for guesses: every reference dangles.
    let dangling: Vec<SourceFile> = many
        .iter()
        .map(|f| {
            file(
                &f.path,
                String::from_utf8_lossy(&f.bytes).replace("taskDefinition: web", "taskDefinition: wab"),
            )
        })
        .collect();
    let problems = load_ecs(&dangling).expect_err("all dangle");
    assert!(problems.last().expect("many").message.starts_with("there are more problems"));
}
