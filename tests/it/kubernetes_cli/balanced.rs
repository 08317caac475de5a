//! Blue/green through a load balancer, played by `cutover simulate --kubeconfig` as people run it.

use super::desk::KubeDesk;
use crate::kube_support::User;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

const WORLD: &str = "
account: \"123456789012\"
region: eu-central-1
targetGroups:
  - &web {Name: cli-web-blue, Id: 1b2c3d4e5f607182, Protocol: HTTP, Port: 8080, TargetType: ip,
    HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, HealthyThresholdCount: 2}
  - {<<: *web, Name: cli-web-green, Id: 2c3d4e5f60718293}
loadBalancers:
  - Name: shop
    Id: 5a0c1d2e3f405162
    Subnets: [subnet-0a, subnet-0b]
    listeners:
      - Port: 8810
        Protocol: HTTP
        Id: 71a2b3c4d5e6f708
        DefaultActions: [{Type: forward, forward: {cli-web-blue: 100, cli-web-green: 0}}]
";

const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/5a0c1d2e3f405162/71a2b3c4d5e6f708";

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
    targetGroups: {blue: cli-web-blue, green: cli-web-green}
  steps: [{weight: 25, hold: 1s}, {weight: 100}]
  gates: {stableFor: 1s}
  bakeTime: 1s
  keepPrevious: 1h
";

/// The simulator's process; ends with this value.
struct Simulated(Child);

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn pods_are_shipped_through_a_load_balancer_that_is_told_of_them() {
    let documents = WEB.replace("[LISTENER]", LISTENER);
    let shop = KubeDesk::new("balanced", "sync: {timeout: 4m}", &documents).await;
    shop.space.apply(include_str!("../../fixtures/target-group-binding-crd.yaml")).await;
    shop.desk.write("../world.yaml", WORLD);
    let kubeconfig = shop.space.cluster.kubeconfig(User::Admin);
    let mut command = shop.command(
        User::Admin,
        &[
            "simulate",
            "--listen",
            "127.0.0.1:0",
            "--seed-file",
            "../world.yaml",
            "--time-scale",
            "10",
            "-o",
            "json",
        ],
    );
    command.arg("--kubeconfig").arg(&kubeconfig).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut simulated = Simulated(command.spawn().expect("the simulator"));
    let mut lines = BufReader::new(simulated.0.stdout.take().expect("its output")).lines();
    let first = tokio::task::block_in_place(|| lines.next()).expect("a line").expect("text");
    let endpoint = serde_json::from_str::<Value>(&first).expect("JSON")["endpoint"].clone();
    let endpoint = endpoint.as_str().expect("an endpoint").to_owned();
    // Whoever does not read its output stops it.
    std::thread::spawn(move || lines.for_each(drop));
    let verb = |verb: &str, flags: &[&str]| {
        let mut command = shop.command(User::Admin, &[&[verb, "-f", "shop.yaml"], flags].concat());
        command.env("AWS_ENDPOINT_URL", &endpoint).env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "simulator").env("AWS_SECRET_ACCESS_KEY", "simulator");
        tokio::task::block_in_place(|| shop.desk.ran(command))
    };
    let verified = verb("verify", &["--live"]);
    assert_eq!(verified.code, Some(0), "{}", verified.whole());
    let first = verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    let idle = verb("plan", &["--detailed-exitcode"]);
    assert_eq!(idle.code, Some(0), "{}", idle.whole());

    shop.change(&[("web:v1", "web:v2")], "Version 2");
    let second = verb("sync", &["-o", "json"]);
    assert_eq!(second.code, Some(0), "{}", second.whole());
    let shifts: Vec<String> = second
        .json_lines()
        .iter()
        .filter_map(|event| {
            event["text"].as_str().filter(|text| text.starts_with("set rule")).map(str::to_owned)
        })
        .collect();
    assert_eq!(shifts, ["set rule 1 to blue 25 / green 75", "set rule 1 to blue 100 / green 0"]);
    let status = verb("status", &["-o", "json"]).json();
    let slots = &status["workloads"][0]["slots"];
    assert_eq!(
        (&slots["blue"]["role"], &slots["blue"]["targets"]["healthy"]),
        (&"live".into(), &2.into()),
        "{status}"
    );
    let old: Deployment = shop.space.api().get("web-green").await.expect("the old side");
    assert_eq!(old.spec.and_then(|spec| spec.replicas), Some(2), "it is warm");
}
