//! The processes, and the world around them.

use super::gate::Gate;
use super::{on_ecs, on_kubernetes};
use crate::cli_support::{Desk, signal};
use crate::git_servers::{Server, git_daemon};
use crate::kube_support::{Proxy, Space, User};
use cutover::config::application_definition;
use cutover::model::Slot;
use cutover::rollout::{Progress, Record};
use cutover::simulator::load_balancer_controller::{ControllerSettings, PodServers};
use cutover::simulator::shell::{ClusterFollower, Simulator, StartOptions, Traffic, TrafficGenerator};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

const WORLD: &str = "
account: \"123456789012\"
region: eu-central-1
clusters: [{clusterName: prod}]
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

pub const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/5a0c1d2e3f405162/71a2b3c4d5e6f708";

/// Where the application runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Kubernetes,
    Ecs,
}

/// A controller's process.
struct Replica {
    child: Child,
    proxy: Proxy,
    log: PathBuf,
}

/// A slot with its record, how many of its pods or tasks are ready, and their image.
pub type Found = (Slot, Record, i32, String);

/// How far the rollout is.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub record: Option<(Slot, Record)>,
    /// Percent of the requests.
    pub blue: u32,
    pub green: u32,
    /// Of the slot that the record is of.
    pub ready: i32,
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
    on: On,
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
    /// [`Rig::start_on`] Kubernetes.
    pub async fn start(purpose: &str, replicas: usize) -> Rig {
        Rig::start_on(On::Kubernetes, purpose, replicas).await
    }

    /// `replicas` processes, of which the first is the leader, and version 1 of the application live, with requests.
    pub async fn start_on(on: On, purpose: &str, replicas: usize) -> Rig {
        let mut rig = Rig::new_on(on, purpose).await;
        for number in 0..replicas {
            rig.add_replica(&[]).await;
            if number == 0 {
                rig.until_led().await;
            }
        }
        rig.begin().await;
        rig
    }

    /// The world without a process, of an application on Kubernetes.
    pub async fn new(purpose: &str) -> Rig {
        Rig::new_on(On::Kubernetes, purpose).await
    }

    async fn new_on(on: On, purpose: &str) -> Rig {
        let space = Space::new(purpose).await;
        space.apply(include_str!("../../fixtures/target-group-binding-crd.yaml")).await;
        space.apply(&application_definition().to_string()).await;
        let desk = tokio::task::block_in_place(Desk::new);
        let documents = match on {
            On::Kubernetes => on_kubernetes::documents(),
            On::Ecs => on_ecs::documents(),
        };
        desk.write("deploy/web.yaml", &documents);
        tokio::task::block_in_place(|| desk.commit("Version 1"));
        let daemon = tokio::task::block_in_place(|| git_daemon(desk.checkout().parent().expect("a folder")));
        // What the tasks' own time is on ECS, is only the load balancer's on Kubernetes.
        let time_scale = if on == On::Ecs { 1 } else { 10 };
        let options = StartOptions { time_scale, seed: Some(WORLD.into()), ..StartOptions::default() };
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
            on,
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
        let destination = match self.on {
            On::Kubernetes => format!("kubernetes: {{namespace: {}}}", self.space.name),
            On::Ecs => "ecs: {region: eu-central-1, cluster: prod}".to_owned(),
        };
        let application = format!(
            "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  \
             source: {{repoURL: 'git://{}/shop', path: {path}}}\n  \
             destination: {{{destination}}}\n  sync: {{mode: enforce, interval: 1s, timeout: 4m}}\n",
            self.git.address
        );
        self.space.apply(&application).await;
    }

    /// What the condition `Ready` of an Application says.
    pub async fn message(&self, name: &str) -> String {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("cutover.dev", "v1alpha1", "Application"));
        let all: Api<DynamicObject> =
            Api::namespaced_with(self.space.client.clone(), &self.space.name, &kind);
        let application = all.get(name).await.expect("the Application");
        let conditions = application.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
        ready.map(|ready| ready["message"].to_string()).unwrap_or_default()
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
        let found = match self.on {
            On::Kubernetes => on_kubernetes::slots(&self.space).await,
            On::Ecs => on_ecs::slots(&self.simulator),
        };
        let last = found.into_iter().max_by_key(|(_, record, ..)| record.sequence);
        let weights = self.simulator.with_world(|world| world.rules()[0].weights.clone());
        let weight =
            |group: &str| weights.iter().find(|(name, _)| name == group).map_or(0, |(_, weight)| *weight);
        let (ready, image) =
            last.as_ref().map(|(_, _, ready, image)| (*ready, image.clone())).unwrap_or_default();
        let record = last.map(|(slot, record, ..)| (slot, record));
        Seen { record, blue: weight("web-blue"), green: weight("web-green"), ready, image }
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

    /// Waits until another process than this one has the seat.
    pub async fn until_led_by_other(&self, process: usize) {
        let begun = Instant::now();
        while self.leader().await.is_none_or(|leader| leader == process) {
            assert!(begun.elapsed() < PATIENCE, "nobody took the seat over");
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
        assert_eq!((seen.blue, seen.green, seen.ready), (100, 0, 2), "{seen:#?}");
        match self.on {
            On::Kubernetes => on_kubernetes::check_end(&self.space, &self.version).await,
            On::Ecs => on_ecs::check_end(&self.simulator, &self.version).await,
        }
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
