//! A namespace on a real API server, pods that answer, and a simulated load balancer in front of them. Time runs ten
//! times as fast for all but the API server's own clock.

use crate::kube_support::{Space, User};
use aws_credential_types::Credentials;
use cutover::aws::{Aws, Connect as ConnectAws};
use cutover::config::load;
use cutover::engine::{
    Deployment, Event, Gating, Guard, Obstacles, Platform, Ports, Registered, Rollout, Run, RunEnd, Settled,
    Signal, Signalling, SlotsReading, StopSignal, TimeSource, Traffic, TrafficReading, Trouble, Watcher,
    Workloads,
};
use cutover::gates::Gates;
use cutover::kubernetes::{Cluster, Connect, KubeconfigSource};
use cutover::model::{
    Application, Destination, Origin, PlatformKind, RevisionId, Slot, Source, SourceFile, Sync, Timestamp,
};
use cutover::plan::{Live, Owned, PlanItem};
use cutover::platform::Owner;
use cutover::platform::kubernetes::{Kubernetes, Writer};
use cutover::rollout::{Action, Alarm, Hindrance, HttpAnswer, RuleObservation};
use cutover::simulator::load_balancer_controller::{ControllerSettings, PodServers};
use cutover::simulator::shell::{
    ClusterFollower, Simulator, StartOptions, Traffic as Requests, TrafficGenerator,
};
use cutover::traffic::alb::Alb;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(300);
const SCALE: u32 = 10;

const SEED: &str = "
targetGroups:
  - {Name: web-blue, Protocol: HTTP, Port: 8080, TargetType: ip, HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2,
     HealthyThresholdCount: 2, Attributes: {deregistration_delay.timeout_seconds: 10}}
  - {Name: web-green, Protocol: HTTP, Port: 8080, TargetType: ip, HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2,
     HealthyThresholdCount: 2, Attributes: {deregistration_delay.timeout_seconds: 10}}
loadBalancers:
  - Name: shop
    Subnets: [a, b]
    listeners:
      - {Port: 8003, Protocol: HTTP, DefaultActions: [{Type: forward, ForwardConfig: {TargetGroups: [
          {TargetGroupArn: web-blue, Weight: 100}, {TargetGroupArn: web-green, Weight: 0}]}}]}
";

pub struct Rig {
    pub space: Space,
    pub simulator: Simulator,
    pub follower: ClusterFollower,
}

impl Rig {
    pub async fn start(purpose: &str) -> Rig {
        let space = Space::new(purpose).await;
        space.apply(include_str!("../../fixtures/target-group-binding-crd.yaml")).await;
        let kind = GroupVersionKind::gvk("elbv2.k8s.aws", "v1beta1", "TargetGroupBinding");
        let bindings: Api<DynamicObject> =
            Api::namespaced_with(space.client.clone(), &space.name, &ApiResource::from_gvk(&kind));
        let end = Instant::now() + PATIENCE;
        while let Err(error) = bindings.list(&ListParams::default()).await {
            assert!(Instant::now() < end, "the API server does not serve the new kind: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let options = StartOptions { time_scale: SCALE, seed: Some(SEED.into()), ..StartOptions::default() };
        let simulator = Simulator::start(options).expect("a simulator");
        let settings = ControllerSettings {
            delay_ms: 1_000,
            pods: PodServers::AtLoopback,
            ..ControllerSettings::default()
        };
        let follower = simulator.follow_cluster(space.client.clone(), Some(&space.name), settings);
        Rig { space, simulator, follower }
    }

    fn listener(&self) -> String {
        self.simulator.with_world(|world| world.listeners()[0].arn.clone())
    }

    /// The Deployment with this image, its Service and its BlueGreen, and other documents behind them. `spec` is the rest
    /// of the BlueGreen's, in the flow style.
    pub fn commit(&self, image: &str, spec: &str, more: &str) -> Deployment {
        let spec = if spec.is_empty() { String::new() } else { format!("{spec},") };
        // Time passes ten times as fast there, and a slow machine needs much of it.
        let deadline = if spec.contains("deadline:") { "" } else { "deadline: 1h," };
        let text = format!(
            "{}---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {{name: web}}
spec: {{workloadRef: {{kind: Deployment, name: web}}, container: {{name: app, port: 8080}}, {spec}
  gates: {{stableFor: 1s}}, bakeTime: 2s, {deadline}
  alb: {{productionListener: '{}', targetGroups: {{blue: web-blue, green: web-green}}}}}}
{more}",
            web(image),
            self.listener()
        );
        self.deployment(&text)
    }

    pub fn deployment(&self, text: &str) -> Deployment {
        let file = SourceFile { path: "web.yaml".into(), bytes: text.as_bytes().to_vec() };
        let manifests = load(&[file], Some(PlatformKind::Kubernetes));
        let manifests = manifests.unwrap_or_else(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}\n{text}", problems.join("\n"))
        });
        Deployment {
            application: Application {
                name: "shop".into(),
                origin: Origin::default(),
                source: Source {
                    repo_url: String::new(),
                    target_revision: String::new(),
                    path: ".".into(),
                    directory: cutover::model::Directory::default(),
                    secret_ref: None,
                },
                destination: Destination::Kubernetes {
                    namespace: self.space.name.clone(),
                    context: None,
                    region: None,
                    kubeconfig_secret_ref: None,
                },
                sync: Sync { prune: true, prune_limit: "100%".into(), ..Sync::default() },
                ignore_differences: vec![],
                suspend: false,
                deletion: Default::default(),
                depends_on: vec![],
                service_account_name: None,
            },
            commit: "c0ffee".into(),
            manifests,
        }
    }

    /// The program, started anew.
    pub async fn process(&self) -> Process {
        let kubeconfig = KubeconfigSource::Files(vec![self.space.cluster.kubeconfig(User::Admin)]);
        let cluster =
            Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await.expect("a connection");
        let aws = Aws::connect(ConnectAws {
            region: Some("eu-central-1".into()),
            endpoint_url: Some(self.simulator.endpoint().to_owned()),
            time_scale: SCALE,
            credentials: Some(Credentials::new("simulator", "simulator", None, None, "test")),
            ..ConnectAws::default()
        });
        let aws = aws.await.expect("the simulated AWS");
        let platform = Kubernetes::new(cluster, "shop", &self.space.name);
        let writer = platform.writer(Owner::new("test", std::process::id()));
        Process {
            alb: Alb::new(aws.clone()),
            gates: Gates::new(aws.clone()),
            aws,
            writer,
            platform,
            said: RefCell::default(),
        }
    }

    /// Runs the rollout of `commit` to its end.
    pub async fn run(&self, commit: &Deployment) -> RunEnd {
        let process = self.process().await;
        let end = process.run(commit).await;
        // Shown if the test fails.
        println!("{end:?}\n  {}", process.said.borrow().join("\n  "));
        end
    }

    /// The weights of blue and green.
    pub fn weights(&self) -> Vec<u32> {
        self.simulator
            .with_world(|world| world.rules()[0].weights.iter().map(|(_, weight)| *weight).collect())
    }

    pub fn healthy(&self, group: &str) -> usize {
        self.simulator.with_world(|world| world.healthy_targets(group))
    }

    /// Requests to production, until they are stopped.
    pub fn requests(&self) -> TrafficGenerator {
        let address = self.simulator.listener_address(&self.listener()).expect("it listens");
        let requests = Requests { url: format!("http://{address}/"), per_second: 100, connections: 4 };
        TrafficGenerator::start(&requests).expect("traffic")
    }

    /// The uids of the pods that are there and stay.
    pub async fn pods(&self, selector: &str) -> BTreeSet<String> {
        let listed =
            self.space.api::<Pod>().list(&ListParams::default().labels(selector)).await.expect("pods");
        let staying = listed.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        staying.filter_map(|pod| pod.uid()).collect()
    }

    pub async fn until(&self, what: &str, mut test: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !test().await {
            assert!(Instant::now() < end, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A Deployment whose pods answer for a while after they were deleted.
pub fn web(image: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: app
        image: {image}
        ports: [{{containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: 8080}}}}
        lifecycle: {{preStop: {{sleep: {{seconds: 15}}}}}}
"
    )
}

/// One process's adapters.
pub struct Process {
    pub platform: Kubernetes,
    alb: Alb,
    gates: Gates,
    aws: Aws,
    writer: Writer,
    pub said: RefCell<Vec<String>>,
}

impl Process {
    pub async fn run(&self, commit: &Deployment) -> RunEnd {
        self.run_until(commit, |_| false).await
    }

    /// Runs until the end, or until an event that `test` holds for.
    pub async fn run_until(&self, commit: &Deployment, test: impl Fn(&Event) -> bool) -> RunEnd {
        let watcher = Watch { said: &self.said, test: &test, stop: StopSignal::default() };
        let rollout = commit.rollouts().remove(0);
        let mut run = Run::new(Ports { adapter: self, watcher: &watcher }, &rollout);
        let end = run.to_the_end(PATIENCE, &watcher.stop).await;
        self.writer.release().await.expect("the lock is free again");
        end
    }

    /// What was written to the cluster, the lock aside.
    pub fn writes(&self) -> u64 {
        let counts = self.platform.cluster().call_counts();
        let of_verb = counts.by_verb.iter().filter(|(verb, _)| verb.is_write());
        let of_kind = of_verb.flat_map(|(_, kinds)| kinds).filter(|(kind, _)| !kind.starts_with("leases"));
        of_kind.map(|(_, count)| count).sum()
    }
}

struct Watch<'a> {
    said: &'a RefCell<Vec<String>>,
    test: &'a dyn Fn(&Event) -> bool,
    stop: StopSignal,
}

impl Watcher for Watch<'_> {
    fn event(&self, event: Event) {
        if (self.test)(&event) {
            self.stop.set();
        }
        self.said.borrow_mut().push(format!("{event:?}"));
    }
}

impl Workloads for Process {
    async fn desired_revision(&self, rollout: &Rollout) -> Result<RevisionId, Trouble> {
        self.platform.desired_revision(rollout).await
    }

    async fn observe_slots(&self, rollout: &Rollout) -> Result<SlotsReading, Trouble> {
        self.platform.observe_slots(rollout).await
    }

    async fn apply_workload(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble> {
        self.platform.apply_workload(rollout, action).await
    }
}

impl Signalling for Process {
    async fn apply_signal(&self, rollout: &Rollout, slot: Slot, signal: Signal) -> Result<(), Trouble> {
        self.platform.apply_signal(rollout, slot, signal).await
    }
}

impl Traffic for Process {
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        self.alb.observe_traffic(rollout, registered).await
    }

    async fn observe_obstacles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        self.alb.observe_obstacles(rollout, registered).await
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        self.alb.apply_traffic(rollout, registered, observed, action).await
    }

    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble> {
        self.alb.traffic_behind(target_groups, except).await
    }
}

impl Gating for Process {
    async fn read_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        self.gates.read_alarms(names).await
    }

    async fn ask_http(&self, rollout: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        self.gates.ask_http(rollout).await
    }
}

impl Guard for Process {
    async fn check_lease(&self) -> Result<(), Trouble> {
        self.writer.check_lease().await
    }

    fn is_held(&self) -> bool {
        self.writer.is_held()
    }
}

impl TimeSource for Process {
    fn now(&self) -> Timestamp {
        self.aws.clock().now()
    }

    async fn pause(&self, duration: Duration) {
        self.platform.pause(duration / SCALE).await;
    }
}

impl Platform for Process {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.platform.read_live(deployment).await
    }

    async fn read_slots(&self, application: &Application) -> Result<Vec<Owned>, Trouble> {
        self.platform.read_slots(application).await
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        self.writer.check_lease().await?;
        self.platform.apply_item(deployment, item).await
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        self.platform.settled(deployment, item).await
    }

    async fn read_owned(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.platform.read_owned(deployment).await
    }

    async fn has_bookkeeping(&self) -> Result<bool, Trouble> {
        self.platform.has_bookkeeping().await
    }

    async fn remove_bookkeeping(&self) -> Result<(), Trouble> {
        self.platform.remove_bookkeeping().await
    }
}
