//! The AWS adapters with the real SDK clients, on the simulator and tokio's paused clock.

mod begun;
mod breaker;
mod deletion;
mod evidence;
mod former;
mod gates;
mod inseparable;
mod lock;
mod members;
mod moved;
mod others;
mod pace;
mod patrol;
mod places;
mod proxy;
mod replaced;
mod revisions;
mod services;
mod slots;
mod sockets;
mod tenants;
mod traffic;
mod undeclared;
mod waits;
mod without_lock;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use cutover::aws::{Aws, Connect};
use cutover::engine::{EcsDocuments, Rollout, WorkloadDocuments};
use cutover::model::{
    Alb, BlueGreen, Container, Gates, Listeners, Origin, RevisionId, Seconds, Service, SlotNames, Step,
    TargetGroups, TaskDefinition, TaskDefinitionRef, Timestamp, Turn, WorkloadRef,
};
use cutover::platform::ecs::{Ecs, Stamp};
use cutover::rollout::{Progress, Record};
use cutover::simulator::{Connector, Failure, Fault, Settings, World};
use cutover::traffic::alb::Alb as AlbTraffic;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const START: u64 = 1_700_000_000_000;

/// A cluster, a load balancer with a production rule, a test listener and an alarm.
const SEED: &str = r#"
clusters: [{clusterName: prod}]
targetGroups:
  - {Name: web-blue, Protocol: HTTP, Port: 8080, TargetType: ip, VpcId: vpc-1, HealthCheckPath: /healthz, HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, Attributes: {deregistration_delay.timeout_seconds: "30"}}
  - {Name: web-green, Protocol: HTTP, Port: 8080, TargetType: ip, VpcId: vpc-1, HealthCheckPath: /healthz, HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, Attributes: {deregistration_delay.timeout_seconds: "30"}}
  - {Name: other, Protocol: HTTP, Port: 8080, TargetType: ip, VpcId: vpc-1}
loadBalancers:
  - Name: shop
    Subnets: [subnet-a, subnet-b]
    listeners:
      - Port: 80
        Protocol: HTTP
        DefaultActions: [{Type: fixed-response, FixedResponseConfig: {StatusCode: "404", ContentType: text/plain, MessageBody: "none & nothing"}}]
        rules:
          - Priority: 10
            Conditions: [{Field: host-header, Values: [shop.example]}]
            Actions: [{Type: forward, ForwardConfig: {TargetGroups: [{TargetGroupArn: web-blue, Weight: 100}, {TargetGroupArn: web-green, Weight: 0}, {TargetGroupArn: other, Weight: 0}], TargetGroupStickinessConfig: {Enabled: true, DurationSeconds: 600}}}]
          - Priority: 20
            Conditions: [{Field: path-pattern, Values: [/plain/*]}]
            Actions: [{Type: forward, TargetGroupArn: web-blue}]
      - Port: 8443
        Protocol: HTTP
        DefaultActions: [{Type: forward, TargetGroupArn: web-green}]
alarms: [{AlarmName: web-5xx, StateValue: OK}]
"#;

/// A world and clients on it.
pub struct Rig {
    pub connector: Connector,
    pub aws: Aws,
}

impl Rig {
    pub async fn new() -> Rig {
        Rig::with(Settings::default(), SEED).await
    }

    pub async fn with(settings: Settings, seed: &str) -> Rig {
        let mut world = World::new(settings, START);
        world.load_seed(seed).unwrap();
        let connector = Connector::new(Arc::new(Mutex::new(world)), START);
        let aws = connect(&connector).await;
        Rig { connector, aws }
    }

    /// Another process on the same world.
    pub async fn another(&self) -> Rig {
        Rig { connector: self.connector.clone(), aws: connect(&self.connector).await }
    }

    pub fn ecs(&self) -> Ecs {
        Ecs::new(self.aws.clone(), "prod")
    }

    pub fn alb(&self) -> AlbTraffic {
        AlbTraffic::new(self.aws.clone())
    }

    /// The ARN of the rule with this priority on port 80; 0: the default rule.
    pub fn rule(&self, priority: u32) -> String {
        let listener = self.listener(80);
        let rules = self.connector.world().rules();
        let wanted = (priority > 0).then_some(priority);
        rules.into_iter().find(|r| r.listener_arn == listener && r.priority == wanted).unwrap().arn
    }

    pub fn listener(&self, port: u16) -> String {
        let mut world = self.connector.world();
        let balancers = world.call("elbv2", "DescribeLoadBalancers", &json!({})).unwrap();
        let arn = &balancers["LoadBalancers"][0]["LoadBalancerArn"];
        let listeners = world.call("elbv2", "DescribeListeners", &json!({"LoadBalancerArn": arn})).unwrap();
        let listeners = listeners["Listeners"].as_array().unwrap().clone();
        let found =
            listeners.into_iter().find(|l| l["Port"].to_string().trim_matches('"') == port.to_string());
        found.unwrap()["ListenerArn"].as_str().unwrap().to_owned()
    }

    /// The weights of a rule or of a listener's default action.
    pub fn weights(&self, arn: &str) -> Vec<(String, u32)> {
        let rules = self.connector.world().rules();
        let of = |r: &&cutover::simulator::RuleView| {
            r.arn == arn || (r.listener_arn == arn && r.priority.is_none())
        };
        rules.iter().find(of).unwrap().weights.clone()
    }

    pub fn inject(&self, operation: &str, failure: Failure, times: u32) {
        let fault = Fault::Call { operation: operation.into(), after: 0, times, failure };
        self.connector.world().inject(fault);
    }

    /// How often the world was asked for an operation since the log was cleared.
    pub fn count(&self, operation: &str) -> usize {
        self.connector.world().calls().count(operation)
    }

    pub fn writes(&self) -> usize {
        self.connector.world().calls().writes().count()
    }

    pub fn clear_log(&self) {
        self.connector.world().calls_mut().clear();
    }

    /// The documents of `web` with this image.
    pub fn rollout(&self, image: &str) -> Rollout {
        Rollout {
            application: "shop".into(),
            commit: "c0ffee".into(),
            blue_green: blue_green(vec![self.rule(10)], Some(self.listener(8443))),
            workload: WorkloadDocuments::Ecs(EcsDocuments {
                service: service("web"),
                task_definition: Some(task_definition("web", image)),
            }),
            turn: Turn::default(),
        }
    }
}

/// The ECS documents of a rollout.
pub fn documents(rollout: &mut Rollout) -> &mut EcsDocuments {
    match &mut rollout.workload {
        WorkloadDocuments::Ecs(documents) => documents,
        WorkloadDocuments::Kubernetes(_) => panic!("a workload of ECS"),
    }
}

async fn connect(connector: &Connector) -> Aws {
    connect_by(SharedHttpClient::new(connector.clone())).await
}

/// Clients of a new process, on this wire.
async fn connect_by(wire: SharedHttpClient) -> Aws {
    let credentials = aws_credential_types::Credentials::new("AKIATEST", "secret", None, None, "test");
    let options = Connect {
        region: Some("eu-central-1".into()),
        endpoint_url: Some("http://simulator.test".into()),
        http_client: Some(wire),
        credentials: Some(credentials),
        ..Connect::default()
    };
    Aws::connect(options).await.unwrap()
}

pub fn blue_green(rules: Vec<String>, test_listener: Option<String>) -> BlueGreen {
    let alb = Alb {
        production_listener_rule: Listeners::Many(rules),
        test_listener,
        target_groups: TargetGroups { blue: "web-blue".into(), green: "web-green".into() },
        ..Alb::default()
    };
    BlueGreen {
        name: "web".into(),
        origin: Origin::default(),
        workload_ref: WorkloadRef { kind: "Service".into(), name: "web".into() },
        container: Container { name: "app".into(), port: 8080 },
        alb,
        traffic: None,
        slots: SlotNames::default(),
        steps: vec![Step { weight: 100, hold: 0 }],
        gates: Gates::default(),
        bake_time: 600 as Seconds,
        keep_previous: 86_400,
        deadline: 900,
    }
}

pub fn service(name: &str) -> Service {
    let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-a"], "securityGroups": ["sg-1"]}});
    let spec = json!({"serviceName": name, "launchType": "FARGATE", "networkConfiguration": network,
        "tags": [{"key": "team", "value": "shop"}]});
    Service {
        name: name.into(),
        origin: Origin::default(),
        spec,
        task_definition: TaskDefinitionRef::Document("web".into()),
    }
}

pub fn task_definition(family: &str, image: &str) -> TaskDefinition {
    let container = json!({"name": "app", "image": image, "portMappings": [{"containerPort": 8080}]});
    let spec = json!({"family": family, "cpu": "0.25 vCPU", "memory": "0.5 GB", "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"], "containerDefinitions": [container]});
    TaskDefinition { name: family.into(), origin: Origin::default(), spec }
}

pub fn stamp() -> Stamp {
    Stamp { application: "shop".into(), commit: "c0ffee".into() }
}

pub fn record(sequence: u64) -> Record {
    Record {
        sequence,
        revision: RevisionId("0123456789abcdef".into()),
        from: None,
        started: Timestamp(START / 1_000),
        progress: Progress::Rolling,
        intent: Default::default(),
    }
}

pub async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

/// The value of one tag of ECS's `[{key, value}]`.
pub fn tag<'a>(tags: &'a Value, key: &str) -> Option<&'a str> {
    tags.as_array()?.iter().find(|t| t["key"] == key)?["value"].as_str()
}
