//! The processes, and the world around them.

use super::gate::Gate;
use crate::cli_support::{Desk, signal};
use crate::git_servers::{Server, git_daemon};
use crate::kube_support::{Proxy, Space, User};
use cutover::config::application_definition;
use cutover::model::Slot;
use cutover::rollout::{Progress, Record};
use cutover::simulator::load_balancer_controller::{ControllerSettings, PodServers};
use cutover::simulator::shell::{ClusterFollower, Simulator, StartOptions, Traffic, TrafficGenerator};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(240);

const WORLD: &str = "
account: \"123456789012\"
region: eu-central-1
targetGroups:
  - &web {Name: web-blue, Id: 1b2c3d4e5f607182, Protocol: HTTP, Port: 8080, TargetType: ip,
    HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, HealthyThresholdCount: 2}
  - {<<: *web, Name: web-green, Id: 2c3d4e5f60718293}
loadBalancers:
  - Name: shop
    Id: 5a0c1d2e3f405162
    Subnets: [subnet-0a, subnet-0b]
    listeners:
      - Port: 8820
        Protocol: HTTP
        Id: 71a2b3c4d5e6f708
        DefaultActions: [{Type: forward, forward: {web-blue: 100, web-green: 0}}]
";

const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/5a0c1d2e3f405162/71a2b3c4d5e6f708";

/// Everything waits as short as it can, but so long that a process can be caught at it.
const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: registry.example/web:v1
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /healthz, port: 8080}}
---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {name: web}
spec:
  workloadRef: {kind: Deployment, name: web}
  container: {name: app, port: 8080}
  alb:
    productionListener: [LISTENER]
    targetGroups: {blue: web-blue, green: web-green}
  steps: [{weight: 25, hold: 4s}, {weight: 100}]
  gates: {stableFor: 1s}
  bakeTime: 4s
  keepPrevious: 1h
  deadline: 10m
";

/// A controller's process.
struct Replica {
    child: Child,
    proxy: Proxy,
    log: PathBuf,
}

/// How far the rollout is.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub record: Option<(Slot, Record)>,
    /// Percent of the requests.
    pub blue: u32,
    pub green: u32,
    /// Of the slot that the record is of.
    pub ready_pods: i32,
    pub image: String,
}

impl Seen {
    pub fn progress(&self) -> Option<&Progress> {
        self.record.as_ref().map(|(_, record)| &record.progress)
    }

    /// What the slot of the record gets.
    pub fn share(&self) -> u32 {
        match &self.record {
            Some((Slot::Blue, _)) => self.blue,
            Some((Slot::Green, _)) => self.green,
            None => 0,
        }
    }

    fn is_done(&self, version: &str) -> bool {
        let done = matches!(self.progress(), Some(Progress::Done(_)));
        done && self.share() == 100 && self.image.ends_with(version)
    }
}

pub struct Rig {
    pub space: Space,
    pub simulator: Simulator,
    pub aws: Gate,
    pub git: Gate,
    /// Flags of processes that are started from now on.
    pub flags: Vec<String>,
    desk: Desk,
    replicas: Vec<Replica>,
    traffic: Option<TrafficGenerator>,
    version: String,
    _follower: ClusterFollower,
    _daemon: Server,
}

impl Rig {
    /// `replicas` processes, of which the first is the leader, and version 1 of the application live, with requests.
    pub async fn start(purpose: &str, replicas: usize) -> Rig {
        let mut rig = Rig::new(purpose).await;
        for number in 0..replicas {
            rig.add_replica(&[]).await;
            if number == 0 {
                rig.until_led().await;
            }
        }
        rig.begin().await;
        rig
    }

    /// The world without a process.
    pub async fn new(purpose: &str) -> Rig {
        let space = Space::new(purpose).await;
        space.apply(include_str!("../../fixtures/target-group-binding-crd.yaml")).await;
        space.apply(&application_definition().to_string()).await;
        let desk = tokio::task::block_in_place(Desk::new);
        desk.write("deploy/web.yaml", &WEB.replace("[LISTENER]", LISTENER));
        tokio::task::block_in_place(|| desk.commit("Version 1"));
        let daemon = tokio::task::block_in_place(|| git_daemon(desk.checkout().parent().expect("a folder")));
        let options = StartOptions { time_scale: 10, seed: Some(WORLD.into()), ..StartOptions::default() };
        let simulator = Simulator::start(options).expect("a simulator");
        let settings = ControllerSettings { pods: PodServers::AtLoopback, ..ControllerSettings::default() };
        for kind in
            [("elbv2.k8s.aws", "v1beta1", "TargetGroupBinding"), ("cutover.dev", "v1alpha1", "Application")]
        {
            served(&space, kind).await;
        }
        let follower = simulator.follow_cluster(space.client.clone(), Some(&space.name), settings);
        let endpoint = simulator.endpoint().trim_start_matches("http://").trim_end_matches('/').to_owned();
        Rig {
            aws: Gate::before(endpoint).await,
            git: Gate::before(format!("127.0.0.1:{}", daemon.port)).await,
            space,
            simulator,
            flags: vec![],
            desk,
            replicas: vec![],
            traffic: None,
            version: "v1".into(),
            _follower: follower,
            _daemon: daemon,
        }
    }

    /// Registers the application, waits until version 1 of it is live, and sends requests from then on.
    pub async fn begin(&mut self) {
        self.register("shop", "deploy").await;
        self.until("version 1 is live", |seen| seen.is_done("v1")).await;
        let listener = self.simulator.with_world(|world| world.listeners()[0].arn.clone());
        let url = format!("http://{}/", self.simulator.listener_address(&listener).expect("it listens"));
        let traffic = Traffic { url, per_second: 40, connections: 4 };
        self.traffic = Some(TrafficGenerator::start(&traffic).expect("traffic"));
    }

    /// Starts one more process, with this added to its environment.
    pub async fn add_replica(&mut self, environment: &[(&str, &str)]) -> usize {
        let number = self.replicas.len();
        let proxy = Proxy::start(self.space.cluster, User::Admin).await;
        let log = self.desk.checkout().join(format!("../replica-{number}.log"));
        let file = File::create(&log).expect("a log");
        let mut command = self.desk.command(&[
            "controller",
            "--watch-namespace",
            &self.space.name,
            "--listen",
            "127.0.0.1:0",
            "--web",
            "off",
            "--log-format",
            "json",
        ]);
        command.args(&self.flags);
        command.env("KUBECONFIG", proxy.kubeconfig()).env("POD_NAMESPACE", &self.space.name);
        // Replicas share no mirror of the repository.
        command.env("HOME", self.desk.checkout().join(format!("../home-{number}")));
        command
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.aws.address))
            .env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "simulator").env("AWS_SECRET_ACCESS_KEY", "simulator");
        command.envs(environment.iter().copied());
        command.stdout(Stdio::from(file.try_clone().expect("a file"))).stderr(Stdio::from(file));
        let child = command.spawn().expect("the program");
        self.replicas.push(Replica { child, proxy, log });
        number
    }

    /// Registers an application whose documents are in `path` of the repository.
    pub async fn register(&self, name: &str, path: &str) {
        let application = format!(
            "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  \
             source: {{repoURL: 'git://{}/shop', path: {path}}}\n  \
             destination: {{kubernetes: {{namespace: {}}}}}\n  sync: {{mode: enforce, interval: 1s, timeout: 4m}}\n",
            self.git.address, self.space.name
        );
        self.space.apply(&application).await;
    }

    /// Commits another version.
    pub fn ship(&mut self, version: &str) {
        let text = self.desk.read("deploy/web.yaml");
        let text = text.replace(&format!("web:{}\n", self.version), &format!("web:{version}\n"));
        self.version = version.to_owned();
        self.write("deploy/web.yaml", &text);
        self.commit(&format!("Version {version}"));
    }

    /// Writes a file of the checkout.
    pub fn write(&self, file: &str, text: &str) {
        self.desk.write(file, text);
    }

    /// Commits what was written; gives the commit's id.
    pub fn commit(&self, message: &str) -> String {
        tokio::task::block_in_place(|| {
            self.desk.commit(message);
            self.desk.git(&["rev-parse", "HEAD"])
        })
    }

    /// How far it is now.
    pub async fn seen(&self) -> Seen {
        let mut found: Vec<(Slot, Record, i32, String)> = vec![];
        for slot in Slot::BOTH {
            let name = format!("web-{}", slot.name());
            let Some(web) = self.space.api::<Deployment>().get_opt(&name).await.expect("a read") else {
                continue;
            };
            let record = web.metadata.annotations.as_ref().and_then(|all| all.get("cutover.dev/record"));
            let Some(record) = record.and_then(|text| Record::from_tag(text)) else { continue };
            let ready = web.status.and_then(|status| status.ready_replicas).unwrap_or_default();
            let containers = web.spec.and_then(|spec| spec.template.spec).map(|pod| pod.containers);
            let image = containers.and_then(|mut all| all.pop()?.image).unwrap_or_default();
            found.push((slot, record, ready, image));
        }
        let last = found.into_iter().max_by_key(|(_, record, ..)| record.sequence);
        let weights = self.simulator.with_world(|world| world.rules()[0].weights.clone());
        let weight =
            |group: &str| weights.iter().find(|(name, _)| name == group).map_or(0, |(_, weight)| *weight);
        let (ready_pods, image) =
            last.as_ref().map(|(_, _, ready, image)| (*ready, image.clone())).unwrap_or_default();
        let record = last.map(|(slot, record, ..)| (slot, record));
        Seen { record, blue: weight("web-blue"), green: weight("web-green"), ready_pods, image }
    }

    /// Waits until it is that far; gives how long that took.
    pub async fn until(&self, what: &str, test: impl Fn(&Seen) -> bool) -> Duration {
        let begun = Instant::now();
        loop {
            let seen = self.seen().await;
            if test(&seen) {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until the version that was shipped last serves and nothing is left to do.
    pub async fn until_done(&self) -> Duration {
        self.until(&format!("{} is live", self.version), |seen| seen.is_done(&self.version)).await
    }

    async fn until_led(&self) {
        let begun = Instant::now();
        while self.leader().await.is_none() {
            assert!(begun.elapsed() < PATIENCE, "nobody took the seat");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The process that has the seat.
    pub async fn leader(&self) -> Option<usize> {
        self.holder(0).await
    }

    /// The process that has this seat.
    pub async fn holder(&self, seat: u32) -> Option<usize> {
        let seat =
            self.space.api::<Lease>().get_opt(&format!("cutover.seat-{seat}")).await.expect("a read")?;
        let holder = seat.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        let process = holder.split('_').nth(1)?.parse::<u32>().ok()?;
        self.replicas.iter().position(|replica| replica.child.id() == process)
    }

    pub async fn leading(&self) -> usize {
        self.leader().await.expect("a leader")
    }

    /// How many processes were started.
    pub fn processes(&self) -> usize {
        self.replicas.len()
    }

    /// The whole lines that a process has logged.
    pub fn log(&self, replica: usize) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.replicas[replica].log).unwrap_or_default();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub fn proxy(&self, replica: usize) -> &Proxy {
        &self.replicas[replica].proxy
    }

    /// `KILL`, `STOP`, `CONT`, `TERM`.
    pub fn signal(&self, replica: usize, name: &str) {
        signal(&self.replicas[replica].child, name);
    }

    /// Waits for the end of a process that was told to end.
    pub fn ended(&mut self, replica: usize) -> Option<i32> {
        tokio::task::block_in_place(|| self.replicas[replica].child.wait()).expect("its end").code()
    }

    /// The changes that AWS was asked for.
    pub fn aws_writes(&self) -> usize {
        self.simulator.with_world(|world| world.calls().writes().count())
    }

    /// Checks that no request has failed, and that everything is as after a rollout that nothing disturbed.
    pub async fn check_end(mut self) {
        let report = self.traffic.take().expect("traffic").stop().await;
        assert_eq!((report.failed, report.failures.as_slice()), (0, &[] as &[String]), "of {}", report.sent);
        let seen = self.seen().await;
        assert_eq!((seen.blue, seen.green, seen.ready_pods), (100, 0, 2), "{seen:#?}");
        let sets = self.space.api::<ReplicaSet>().list(&Default::default()).await.expect("ReplicaSets");
        let mut images: Vec<(String, i32)> = sets
            .iter()
            .map(|set| {
                let spec = set.spec.clone().expect("a spec");
                let pod = spec.template.and_then(|template| template.spec).expect("a template");
                (pod.containers[0].image.clone().unwrap_or_default(), spec.replicas.unwrap_or_default())
            })
            .collect();
        images.sort();
        let image = |version: &str| format!("registry.example/web:{version}");
        let mut wanted = [(image("v1"), 2), (image(&self.version), 2)];
        wanted.sort();
        assert_eq!(images, wanted, "a slot was rolled out more than once");
        let lock = self.space.api::<Lease>().get("cutover-shop").await.expect("the lock");
        let begun = Instant::now();
        let is_free = |lock: &Lease| {
            lock.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default().is_empty()
        };
        if !is_free(&lock) {
            self.space.wait_for("cutover-shop", "the lock is free", is_free).await;
        }
        println!("the lock was free after {:?}", begun.elapsed());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for replica in &mut self.replicas {
            let _ = replica.child.kill();
            let _ = replica.child.wait();
        }
        if std::thread::panicking() {
            for (number, replica) in self.replicas.iter().enumerate() {
                let log = std::fs::read_to_string(&replica.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                println!("--- replica {number}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            }
        }
    }
}

/// Waits until the API server serves a kind.
async fn served(space: &Space, (group, version, kind): (&str, &str, &str)) {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let objects: Api<DynamicObject> = Api::namespaced_with(space.client.clone(), &space.name, &kind);
    let begun = Instant::now();
    while let Err(error) = objects.list(&Default::default()).await {
        assert!(begun.elapsed() < PATIENCE, "the API server does not serve {kind:?}: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
