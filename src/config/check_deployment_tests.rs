use crate::config::{Severity, lint, load, load_application, render};
use crate::model::{Manifests, PlatformKind, Problem, SourceFile};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: web:1
          readinessProbe: {httpGet: {path: /, port: 8080}}
          ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: budget}
spec: {selector: {matchLabels: {app: web}}}
---
";
const BLUE_GREEN: &str = "\
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {name: web}
spec:
  workloadRef: {kind: Deployment, name: web}
  container: {name: app, port: 8080}
";
const ALB: &str = concat!(
    "  alb:\n",
    "    productionListenerRule: arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/web/1/2/3\n",
    "    targetGroups: {blue: web-blue, green: web-green}\n",
);
const ROUTE: &str = "\
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {rules: [{backendRefs: [{name: shop, port: 80}]}]}
";

fn load_text(text: &str) -> Result<Manifests, Vec<Problem>> {
    let file = SourceFile { path: "a.yaml".into(), bytes: text.into() };
    load(&[file], Some(PlatformKind::Kubernetes))
}

fn with_alb() -> String {
    [DEPLOYMENT, BLUE_GREEN, ALB].concat()
}

fn with_service() -> String {
    [DEPLOYMENT, BLUE_GREEN, "  traffic: {service: shop}\n"].concat()
}

fn with_route() -> String {
    [DEPLOYMENT, BLUE_GREEN, "  traffic: {httpRoute: web}\n", ROUTE].concat()
}

/// The problems of `text` after a change, without file and line.
fn problems(text: &str, from: &str, to: &str) -> Vec<String> {
    assert!(text.contains(from), "{from}");
    let problems = load_text(&text.replacen(from, to, 1)).expect_err(to);
    let bare = |problem: &Problem| problem.to_string().split_once(": ").map(|(_, rest)| rest.to_owned());
    problems.iter().filter_map(bare).collect()
}

#[test]
fn what_a_blue_green_makes_slots_of_follows_from_how_requests_are_steered() {
    for (text, want) in [
        (
            with_alb(),
            &[
                "Deployment.apps/web",
                "HorizontalPodAutoscaler.autoscaling/web",
                "PodDisruptionBudget.policy/budget",
                "Service/shop",
            ][..],
        ),
        (
            with_service(),
            &[
                "Deployment.apps/web",
                "HorizontalPodAutoscaler.autoscaling/web",
                "PodDisruptionBudget.policy/budget",
            ],
        ),
        (
            with_route(),
            &[
                "Deployment.apps/web",
                "HorizontalPodAutoscaler.autoscaling/web",
                "PodDisruptionBudget.policy/budget",
            ],
        ),
    ] {
        let manifests = load_text(&text).expect("valid");
        let mut steered: Vec<String> = manifests.steered_objects().keys().map(ToString::to_string).collect();
        steered.sort_unstable();
        assert_eq!(steered, want);
        let findings: Vec<String> = lint(&manifests).iter().map(ToString::to_string).collect();
        assert_eq!(findings, Vec::<String>::new());
        let again = load_text(&render(&manifests)).expect("valid");
        assert_eq!(render(&again), render(&manifests));
    }
}

#[test]
fn a_blue_green_needs_its_deployment_and_one_way_of_traffic() {
    let (alb, service, route) = (with_alb(), with_service(), with_route());
    for (text, from, to, want) in [
        (
            &alb,
            "kind: Deployment, name: web}\n  container",
            "kind: Deployment, name: wep}\n  container",
            "BlueGreen/web: workloadRef.name: there is no Deployment document \"wep\", did you mean \"web\"?",
        ),
        (
            &alb,
            "kind: Deployment, name: web}\n  container",
            "kind: Service, name: web}\n  container",
            "BlueGreen/web: workloadRef.kind: on Kubernetes a Deployment is shipped; name it here, its Service is found by its selector",
        ),
        (
            &alb,
            "name: app, port",
            "name: ap, port",
            "BlueGreen/web: container.name: Deployment/web has no container \"ap\", did you mean \"app\"?",
        ),
        (
            &alb,
            "app, port: 8080",
            "app, port: 80",
            "BlueGreen/web: container.port: the container \"app\" of Deployment/web has no containerPort 80 for TCP; it has only 8080",
        ),
        (
            &service,
            "  traffic: {service: shop}\n",
            "",
            "BlueGreen/web: has neither alb nor traffic: nothing says how requests are steered",
        ),
        (
            &alb,
            "  alb:\n",
            "  traffic: {service: shop}\n  alb:\n",
            "BlueGreen/web: traffic: there can be alb or traffic, not both",
        ),
        (
            &service,
            "{service: shop}",
            "{service: shop, httpRoute: web}",
            "BlueGreen/web: traffic: there can be only one of httpRoute, service",
        ),
        (&service, "{service: shop}", "{}", "BlueGreen/web: traffic: one of httpRoute, service is missing"),
        (
            &service,
            "{service: shop}",
            "{service: shp}",
            "BlueGreen/web: traffic.service: there is no Service document \"shp\", did you mean \"shop\"?",
        ),
        (
            &service,
            "spec: {selector: {app: web}, ports",
            "spec: {selector: {app: other}, ports",
            "BlueGreen/web: traffic.service: the selector of Service/shop (a.yaml:15) does not take the pods of Deployment/web",
        ),
        (
            &route,
            "{name: shop, port: 80}",
            "{name: other, port: 80}",
            "BlueGreen/web: traffic.httpRoute: no backendRefs of HTTPRoute/web (a.yaml:38) name the Service that stands for the slots; name shop there",
        ),
        (
            &route,
            "httpRoute: web",
            "httpRoute: wb",
            "BlueGreen/web: traffic.httpRoute: there is no HTTPRoute document \"wb\", did you mean \"web\"?",
        ),
        (
            &service,
            "{service: shop}\n",
            "{service: shop}\n  gates: {http: [{path: /}]}\n",
            "BlueGreen/web: gates.http: is asked through the test rule of an alb, and traffic has none; a readinessProbe asks the same of each pod",
        ),
        (
            &service,
            "{service: shop}\n",
            "{service: shop}\n  steps: [{weight: 10}, {weight: 100}]\n",
            "BlueGreen/web: steps: a Service sends all requests to one slot or to the other and knows no shares; leave steps out, or use traffic.httpRoute or alb",
        ),
        (
            &service,
            "{service: shop}\n",
            "{service: shop}\n  slots: {blue: {targetGroup: x}}\n",
            "BlueGreen/web: slots.blue.targetGroup: a target group belongs to an alb; with traffic there is none",
        ),
        (
            &alb,
            "  alb:\n",
            "  slots: {blue: {service: x}}\n  alb:\n",
            "BlueGreen/web: slots.blue.service: is not for this platform; here a slot is named with slots.blue.deployment",
        ),
        (&alb, ", green: web-green", "", "BlueGreen/web: alb.targetGroups: the field \"green\" is missing"),
    ] {
        assert_eq!(problems(text, from, to), [want], "{to}");
    }
}

#[test]
fn documents_that_slots_cannot_be_made_of_are_refused() {
    let alb = with_alb();
    let binding = "---\napiVersion: elbv2.k8s.aws/v1beta1\nkind: TargetGroupBinding\nmetadata: {name: mine}\nspec: {targetGroupName: web-blue}\n";
    let other = |kind: &str, api: &str, name: &str| {
        format!(
            "    targetGroups: {{blue: web-blue, green: web-green}}\n---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}}}\n"
        )
    };
    let groups = "    targetGroups: {blue: web-blue, green: web-green}\n";
    for (text, from, to, want) in [
        (
            &alb,
            "selector: {matchLabels: {app: web}}\n  template",
            "selector: {matchLabels: {app: web}, matchExpressions: [{key: a, operator: Exists}]}\n  template",
            "Deployment/web: spec.selector.matchExpressions: BlueGreen/web makes the selectors of its slots from matchLabels; write these as labels",
        ),
        (
            &alb,
            "selector: {matchLabels: {app: web}}\n  template",
            "selector: {matchLabels: {app: wob}}\n  template",
            "Deployment/web: spec.selector.matchLabels: does not select the pods of its own template; put the same labels on both",
        ),
        (
            &alb,
            "spec: {selector: {matchLabels: {app: web}}}",
            "spec: {selector: {matchExpressions: [{key: app, operator: In, values: [web]}]}}",
            "PodDisruptionBudget/budget: spec.selector.matchExpressions: takes the pods of Deployment/web, and is carried to its slots only by matchLabels; write these as labels",
        ),
        (
            &alb,
            groups,
            &other("Service", "v1", "web-green"),
            "Service/web-green: metadata.name: BlueGreen/web makes the Service of its slot green with this name; rename this document, or remove it",
        ),
        (
            &alb,
            groups,
            &other("PodDisruptionBudget", "policy/v1", "budget-blue"),
            "PodDisruptionBudget/budget-blue: metadata.name: BlueGreen/web makes the PodDisruptionBudget of its slot blue with this name; rename this document, or remove it",
        ),
        (
            &alb,
            groups,
            &format!("{groups}{binding}"),
            "TargetGroupBinding/mine: spec.targetGroupName: BlueGreen/web binds this target group itself; remove this document, what runs stays bound",
        ),
        (
            &alb,
            groups,
            &format!("{groups}  slots: {{blue: {{deployment: web}}, green: {{deployment: web}}}}\n"),
            "BlueGreen/web: slots.green: the Deployment \"Deployment/web\" is named twice",
        ),
        (
            &alb,
            groups,
            &format!("{groups}  slots: {{blue: {{deployment: We.b}}}}\n"),
            "BlueGreen/web: slots.blue.deployment: a Service gets this name, too: lower-case letters, digits and \"-\" in between, at most 63 characters",
        ),
    ] {
        assert_eq!(problems(text, from, to), [want], "{to}");
    }
    let long = "x".repeat(58);
    let text = alb.replace("{name: web}\nspec:\n  selector", &format!("{{name: {long}}}\nspec:\n  selector"));
    let text = text.replace("kind: Deployment, name: web}", &format!("kind: Deployment, name: {long}}}"));
    let told = load_text(&text).expect_err("too long");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].message.contains("at most 63 characters"), "{told:?}");
    // An adopted Deployment may have the document's own name.
    let adopted = alb.replace(groups, &format!("{groups}  slots: {{blue: {{deployment: web}}}}\n"));
    assert!(load_text(&adopted).is_ok());
    // Also if the Service that requests come through has that name.
    for text in [with_service(), with_route()] {
        let adopted = text.replace("{name: shop}", "{name: web}").replace("service: shop", "service: web");
        let adopted = adopted.replace("name: shop, port", "name: web, port");
        let adopted = adopted.replace("  traffic", "  slots: {blue: {deployment: web}}\n  traffic");
        assert_eq!(load_text(&adopted).map(|manifests| manifests.blue_greens.len()), Ok(1));
    }
    // A budget that has nothing to do with the pods may have expressions.
    let apart = alb.replace(
        "spec: {selector: {matchLabels: {app: web}}}",
        "spec: {selector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}",
    );
    assert!(load_text(&apart).is_ok());
}

#[test]
fn two_blue_greens_share_nothing() {
    let second = BLUE_GREEN.replace("metadata: {name: web}", "metadata: {name: two}");
    let text = format!("{}---\n{second}  traffic: {{service: shop}}\n", with_service());
    let told: Vec<String> = load_text(&text).expect_err("shared").iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "a.yaml:34: BlueGreen/web: slots.blue: the Deployment \"Deployment/web-blue\" belongs to BlueGreen/two (a.yaml:38) already",
            "a.yaml:34: BlueGreen/web: slots.green: the Deployment \"Deployment/web-green\" belongs to BlueGreen/two (a.yaml:38) already",
            "a.yaml:34: BlueGreen/web: workloadRef.name: Deployment/web is already steered by BlueGreen/two (a.yaml:38)",
            "a.yaml:36: BlueGreen/web: traffic: the Service \"Service/shop\" belongs to BlueGreen/two (a.yaml:38) already",
        ]
    );
}

#[test]
fn what_will_hurt_is_a_warning() {
    let text = with_alb()
        .replace("          readinessProbe: {httpGet: {path: /, port: 8080}}\n", "")
        .replace("image: web:1", "image: web:latest")
        + "---\napiVersion: v1\nkind: Service\nmetadata: {name: zoo}\nspec: {selector: {app: web}}\n\
           ---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: k}\nspec: {scaleTargetRef: {name: web}}\n";
    let findings = lint(&load_text(&text).expect("valid"));
    assert!(findings.iter().all(|finding| finding.severity == Severity::Warning));
    let told: Vec<String> = findings.iter().map(|finding| finding.problem.to_string()).collect();
    assert_eq!(
        told,
        [
            "a.yaml:10: Deployment/web: spec.template.spec.containers[0]: has no readinessProbe: its pods count as ready as soon as they run; only the target group's health check guards the shift",
            "a.yaml:11: Deployment/web: spec.template.spec.containers[0].image: \"latest\" moves: a revert cannot bring back what ran before",
            "a.yaml:42: Service/zoo: spec.selector: takes the pods of both slots of BlueGreen/web, so its clients reach a new version before its gates have opened; let them go through the load balancer",
            "a.yaml:47: ScaledObject/k: spec.scaleTargetRef: is not carried to the slots of BlueGreen/web, which are Deployments with names of their own; use a HorizontalPodAutoscaler",
        ]
    );
}

#[test]
fn an_application_for_kubernetes_says_where_and_what_is_ignored() {
    let text = "\
apiVersion: cutover.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  source: {repoURL: https://example.com/deploy.git}
  destination: {kubernetes: {namespace: shop, context: prod, region: eu-central-1}}
  sync: {forceConflicts: true}
  ignoreDifferences:
    - {group: apps, kind: Deployment, name: web, jsonPointers: [/spec/replicas, /metadata/annotations/a~1b]}
    - {kind: ConfigMap, namespace: x, jsonPointers: [/data]}
";
    let read = |text: String| load_application(&SourceFile { path: "app.yaml".into(), bytes: text.into() });
    let application = read(text.into()).expect("valid");
    assert_eq!(application.destination.platform(), PlatformKind::Kubernetes);
    assert!(application.sync.force_conflicts);
    assert_eq!(application.ignore_differences[0].json_pointers[1], "/metadata/annotations/a~1b");
    assert_eq!(application.ignore_differences[1].group, "");
    for (from, to, want) in [
        (
            "namespace: shop,",
            "namespace: Shop,",
            "6: Application/shop: destination.kubernetes.namespace: is not the name of a namespace: lower-case letters, digits and \"-\" in between, at most 63 characters",
        ),
        (
            "{kubernetes: {namespace: shop, context: prod, region: eu-central-1}}",
            "{}",
            "6: Application/shop: destination: one of ecs, kubernetes is missing",
        ),
        (
            "{kubernetes:",
            "{ecs: {cluster: x}, kubernetes:",
            "6: Application/shop: destination: there can be only one of ecs, kubernetes",
        ),
        (
            "{kubernetes:",
            "{kubernets:",
            "6: Application/shop: destination.kubernets: unknown field, did you mean \"kubernetes\"?",
        ),
        (
            "/spec/replicas",
            "spec.replicas",
            "9: Application/shop: ignoreDifferences[0].jsonPointers[0]: is not a JSON pointer; it begins with \"/\", like /spec/replicas",
        ),
        (
            "/spec/replicas",
            "/spec/a~2",
            "9: Application/shop: ignoreDifferences[0].jsonPointers[0]: is not a JSON pointer; \"~\" in a field's name is written ~0, and \"/\" is written ~1",
        ),
        (
            "/spec/replicas",
            "/metadata/name",
            "9: Application/shop: ignoreDifferences[0].jsonPointers[0]: says which object is meant; it can't be ignored",
        ),
        (
            "namespace: x",
            "namespace: X",
            "10: Application/shop: ignoreDifferences[1].namespace: is not the name of a namespace",
        ),
        (
            "{kind: ConfigMap, ",
            "{",
            "10: Application/shop: ignoreDifferences[1]: the field \"kind\" is missing",
        ),
    ] {
        let told: Vec<String> =
            read(text.replacen(from, to, 1)).expect_err(to).iter().map(ToString::to_string).collect();
        assert_eq!(told, [format!("app.yaml:{want}")], "{to}");
    }
    let on_ecs = text.replace(
        "{kubernetes: {namespace: shop, context: prod, region: eu-central-1}}",
        "{ecs: {cluster: x}}",
    );
    assert_eq!(read(on_ecs).expect_err("not on ECS").len(), 2);
}
