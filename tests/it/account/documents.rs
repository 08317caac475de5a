//! What the repositories of the tests say, as YAML through the program's own reader, and the account before anything
//! was deployed.

use super::{RULE, RULE_2, TEST_LISTENER};
use cutover::engine::Deployment;
use cutover::model::{Application, Destination, Manifests, Origin, PlatformKind, Source, SourceFile, Sync};

/// A web workload shipped by blue/green. The fields are YAML texts.
#[derive(Clone, Debug)]
pub struct Shop {
    pub image: &'static str,
    pub count: u32,
    pub rules: Vec<&'static str>,
    /// `steps` of the BlueGreen.
    pub steps: &'static str,
    /// A test listener with an HTTP gate, and an alarm.
    pub gated: bool,
    pub bake: &'static str,
    pub keep: &'static str,
    pub deadline: &'static str,
    /// More lines of the BlueGreen's `spec`, of the Service's, and of the whole file.
    pub blue_green: &'static str,
    pub service: &'static str,
    pub groups: [&'static str; 2],
    pub launch_type: &'static str,
    pub workers: Vec<Worker>,
    pub prune: bool,
}

/// A rolling worker without a load balancer.
#[derive(Clone, Debug)]
pub struct Worker {
    pub name: &'static str,
    pub image: &'static str,
}

impl Default for Shop {
    fn default() -> Self {
        Shop {
            image: "v1",
            count: 2,
            rules: vec![RULE],
            steps: "[{weight: 100}]",
            gated: false,
            bake: "10s",
            keep: "24h",
            deadline: "10m",
            blue_green: "",
            service: "",
            groups: ["web-blue", "web-green"],
            launch_type: "FARGATE",
            workers: vec![],
            prune: false,
        }
    }
}

impl Shop {
    /// The shop with another image.
    pub fn at(&self, image: &'static str) -> Shop {
        Shop { image, ..self.clone() }
    }

    /// The documents of one commit, named after the image.
    pub fn deployment(&self) -> Deployment {
        let Shop { image, count, steps, bake, keep, deadline, blue_green, service, launch_type, .. } = self;
        let rules = self.rules.join(", ");
        let gates = if self.gated { "    http: [{path: /healthz}]\n    alarms: [web-5xx]\n" } else { "" };
        let [blue, green] = self.groups;
        let mut text = format!(
            "{}---\n\
             apiVersion: ecs.cutover.dev/v1alpha1\nkind: Service\nmetadata: {{name: web}}\nspec:\n  \
             taskDefinition: web\n  desiredCount: {count}\n  launchType: {launch_type}\n  \
             networkConfiguration: {{awsvpcConfiguration: {{subnets: [subnet-a, subnet-b]}}}}\n{service}\
             ---\n\
             apiVersion: cutover.dev/v1alpha1\nkind: BlueGreen\nmetadata: {{name: web}}\nspec:\n  \
             workloadRef: {{kind: Service, name: web}}\n  container: {{name: app, port: 8080}}\n  \
             alb:\n    productionListenerRule: [{rules}]\n    testListener: {TEST_LISTENER}\n    \
             targetGroups: {{blue: {blue}, green: {green}}}\n  steps: {steps}\n  \
             gates:\n    stableFor: 5s\n{gates}  \
             bakeTime: {bake}\n  keepPrevious: {keep}\n  deadline: {deadline}\n{blue_green}",
            task_definition("web", image),
        );
        for worker in &self.workers {
            text.push_str(&worker.text());
        }
        let application = Application {
            sync: Sync { prune: self.prune, prune_limit: "50%".into(), ..Sync::default() },
            ..application()
        };
        let workers = self.workers.iter().map(|worker| worker.image);
        let commit = std::iter::once(*image).chain(workers).collect::<Vec<_>>().join("+");
        Deployment { application, commit, manifests: load_documents(&text) }
    }
}

impl Worker {
    /// Its documents.
    pub fn text(&self) -> String {
        let Worker { name, image } = self;
        format!(
            "---\n{}---\n\
             apiVersion: ecs.cutover.dev/v1alpha1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  \
             taskDefinition: {name}\n  desiredCount: 2\n  launchType: FARGATE\n  \
             deploymentConfiguration: {{deploymentCircuitBreaker: {{enable: true, rollback: true}}}}\n  \
             networkConfiguration: {{awsvpcConfiguration: {{subnets: [subnet-a]}}}}\n",
            task_definition(name, image),
        )
    }
}

fn task_definition(family: &str, image: &str) -> String {
    format!(
        "apiVersion: ecs.cutover.dev/v1alpha1\nkind: TaskDefinition\nmetadata: {{name: {family}}}\nspec:\n  \
         family: {family}\n  networkMode: awsvpc\n  requiresCompatibilities: [FARGATE]\n  cpu: \"256\"\n  memory: \"512\"\n  \
         containerDefinitions: [{{name: app, image: \"registry.example/shop/{family}:{image}\", portMappings: [{{containerPort: 8080}}]}}]\n"
    )
}

/// The application that the documents belong to.
pub fn application() -> Application {
    Application {
        name: "shop".into(),
        origin: Origin::default(),
        source: Source {
            repo_url: "file:///repository".into(),
            target_revision: "main".into(),
            path: ".".into(),
            directory: cutover::model::Directory::default(),
            secret_ref: None,
        },
        destination: Destination::Ecs { region: None, cluster: "prod".into() },
        sync: Sync::default(),
        suspend: false,
        deletion: Default::default(),
        depends_on: vec![],
        service_account_name: None,
        ignore_differences: vec![],
    }
}

/// Reads documents; all problems are a panic.
pub fn load_documents(text: &str) -> Manifests {
    let file = SourceFile { path: "shop.yaml".into(), bytes: text.as_bytes().to_vec() };
    cutover::config::load(&[file], Some(PlatformKind::Ecs)).unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("the test's documents are wrong:\n{}\n{text}", problems.join("\n"))
    })
}

/// The account before the first deploy: cluster, load balancer, two production rules with things that are not ours in
/// them, a test listener, and an alarm that is quiet. A rule that is none of `rules` sends nothing to the slots' groups:
/// what it gave weight to could not be touched.
pub fn seed(rules: &[&str]) -> String {
    let group = |name: &str| {
        format!(
            "  - {{Name: {name}, Protocol: HTTP, Port: 8080, TargetType: ip, HealthCheckPath: /healthz, \
             HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, UnhealthyThresholdCount: 2, \
             Attributes: {{deregistration_delay.timeout_seconds: \"5\"}}}}\n"
        )
    };
    let rule = |priority: u32, id: &str, host: &str, actions: &str| {
        format!(
            "          - {{Priority: {priority}, Id: {id}, Conditions: [{{Field: host-header, Values: [{host}]}}, \
             {{Field: path-pattern, Values: [\"/*\"]}}], Actions: [{actions}], Tags: [{{Key: team, Value: shop}}]}}\n"
        )
    };
    let both = "{Type: forward, ForwardConfig: {TargetGroups: [{TargetGroupArn: web-blue, Weight: 100}, \
                {TargetGroupArn: web-green, Weight: 0}], TargetGroupStickinessConfig: {Enabled: false, DurationSeconds: 60}}}";
    let alone = "{Type: forward, TargetGroupArn: web-blue}";
    let nothing = "{Type: fixed-response, FixedResponseConfig: {StatusCode: \"503\"}}";
    let of = |rule: &str, forward| if rules.contains(&rule) { forward } else { nothing };
    format!(
        "clusters: [{{clusterName: prod, tags: [{{key: team, value: shop}}]}}]\n\
         alarms: [{{AlarmName: web-5xx, StateValue: OK, MetricName: m, Namespace: n, Period: 60, EvaluationPeriods: 1, \
         Threshold: 1, ComparisonOperator: GreaterThanThreshold, Statistic: Sum}}]\n\
         targetGroups:\n{}{}\
         loadBalancers:\n  - Name: shop\n    Subnets: [subnet-a, subnet-b]\n    Id: 00000000000000f0\n    listeners:\n      \
         - Port: 80\n        Protocol: HTTP\n        Id: 00000000000000f1\n        \
         DefaultActions: [{{Type: fixed-response, FixedResponseConfig: {{StatusCode: \"404\"}}}}]\n        rules:\n{}{}      \
         - Port: 8080\n        Protocol: HTTP\n        Id: 00000000000000f2\n        \
         DefaultActions: [{alone}]\n",
        group("web-blue"),
        group("web-green"),
        rule(10, "00000000000000a1", "shop.example", of(RULE, both)),
        rule(20, "00000000000000a2", "www.shop.example", of(RULE_2, alone)),
    )
}
