//! The simulated load balancer controller follows a real API server, and its load balancer sends requests to pods.

use crate::kube_support::Space;
use cutover::simulator::load_balancer_controller::{ControllerFault, ControllerSettings, PodServers};
use cutover::simulator::shell::{ClusterFollower, Simulator, StartOptions, Traffic, TrafficGenerator};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

const SEED: &str = "
targetGroups:
  - {Name: web, Protocol: HTTP, Port: 8080, TargetType: ip, HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2,
     Attributes: {deregistration_delay.timeout_seconds: 20}}
loadBalancers:
  - {Name: shop, Subnets: [a, b], listeners: [{Port: 8003, Protocol: HTTP, DefaultActions: [{Type: forward, TargetGroupArn: web}]}]}
";

/// A namespace with Deployment, Service and TargetGroupBinding `web`, and a simulator that follows it.
struct Rig {
    space: Space,
    simulator: Simulator,
    follower: ClusterFollower,
}

impl Rig {
    async fn start(purpose: &str, image: &str) -> Rig {
        let space = Space::new(purpose).await;
        space.apply(include_str!("../fixtures/target-group-binding-crd.yaml")).await;
        let bindings = bindings(&space);
        let end = Instant::now() + PATIENCE;
        while let Err(error) = bindings.list(&Default::default()).await {
            assert!(Instant::now() < end, "the API server does not serve the new kind: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let options = StartOptions { time_scale: 10, seed: Some(SEED.into()), ..StartOptions::default() };
        let simulator = Simulator::start(options).expect("a simulator");
        let settings = ControllerSettings { pods: PodServers::AtLoopback, ..ControllerSettings::default() };
        let follower = simulator.follow_cluster(space.client.clone(), Some(&space.name), settings);
        let rig = Rig { space, simulator, follower };
        rig.deploy(image, 2).await;
        rig.space
            .apply(
                "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: elbv2.k8s.aws/v1beta1
kind: TargetGroupBinding
metadata: {name: web}
spec: {serviceRef: {name: web, port: http}, targetGroupName: web, targetType: ip}
",
            )
            .await;
        rig
    }

    /// Pods that answer for ten more seconds of their own after they were deleted.
    async fn deploy(&self, image: &str, replicas: usize) {
        let deployment = format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
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
        );
        self.space.apply(&deployment).await;
        let available = |web: &Deployment| {
            let status = web.status.as_ref();
            status.and_then(|status| status.available_replicas) == i32::try_from(replicas).ok()
        };
        self.space.wait_for("web", "its pods are available", available).await;
    }

    fn states(&self) -> Vec<String> {
        let targets = self.simulator.with_world(|world| world.target_health("web"));
        targets.into_iter().map(|target| target.state).collect()
    }

    async fn until(&self, what: &str, test: impl Fn(&[String]) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !test(&self.states()) {
            assert!(Instant::now() < end, "waited in vain until {what}: {:?}", self.states());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn url(&self) -> String {
        let listener = self.simulator.with_world(|world| world.listeners()[0].arn.clone());
        format!("http://{}/", self.simulator.listener_address(&listener).expect("it listens"))
    }
}

fn bindings(space: &Space) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("elbv2.k8s.aws", "v1beta1", "TargetGroupBinding");
    Api::namespaced_with(space.client.clone(), &space.name, &ApiResource::from_gvk(&kind))
}

fn count(states: &[String], state: &str) -> usize {
    states.iter().filter(|found| *found == state).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn pods_become_healthy_targets_and_drain_when_they_go_and_no_request_is_lost() {
    let rig = Rig::start("targets", "shop/web:v1").await;
    rig.until("both pods are healthy targets", |states| count(states, "healthy") == 2).await;
    let end = Instant::now() + PATIENCE;
    loop {
        let binding = bindings(&rig.space).get("web").await.expect("the binding");
        let observed = binding.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
        if observed == binding.metadata.generation {
            break;
        }
        assert!(Instant::now() < end, "the binding is not acknowledged: {binding:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let traffic = Traffic { url: rig.url(), per_second: 100, connections: 4 };
    let traffic = TrafficGenerator::start(&traffic).expect("traffic");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let pods = rig.space.api::<Pod>().list(&Default::default()).await.expect("pods").items;
    rig.space.api::<Pod>().delete(&pods[0].name_any(), &Default::default()).await.expect("deleted");
    rig.until("the deleted pod drains", |states| count(states, "draining") == 1).await;
    rig.until("another took its place", |states| states == ["healthy", "healthy"]).await;
    let report = traffic.stop().await;
    assert_eq!((report.failed, report.failures.as_slice()), (0, &[] as &[String]));
    assert_eq!(report.by_release()["v1"], report.sent);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn with_a_stuck_controller_ready_pods_are_no_targets() {
    let rig = Rig::start("stuck", "shop/web:v1").await;
    rig.until("both pods are healthy targets", |states| count(states, "healthy") == 2).await;
    rig.follower.inject("web", ControllerFault::Stuck);
    rig.deploy("shop/web:v1", 3).await;
    // Twice the time the controller would have needed.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(rig.states(), ["healthy", "healthy"], "Kubernetes says three");
    rig.follower.inject("web", ControllerFault::None);
    rig.until("all three are healthy targets", |states| count(states, "healthy") == 3).await;
}
