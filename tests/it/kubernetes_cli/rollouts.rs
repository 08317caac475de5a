//! Blue/green without a load balancer of AWS.

use super::desk::KubeDesk;
use crate::cli_support::signal;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Everything waits as short as it can.
pub const WEB: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  progressDeadlineSeconds: 60
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
  traffic: {service: web}
  gates: {stableFor: 1s}
  bakeTime: 1s
  keepPrevious: 1h
  deadline: 90s
";

pub const ROUTE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  hostnames: [shop.example]
  rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      backendRefs: [{name: web, port: 80}]
---
";

/// The HTTPRoutes of the shop's namespace, once the API server serves the kind.
pub async fn routes(shop: &KubeDesk) -> Api<DynamicObject> {
    shop.space.apply(include_str!("../../fixtures/http-route-crd.yaml")).await;
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    let routes: Api<DynamicObject> =
        Api::namespaced_with(shop.space.client.clone(), &shop.space.name, &ApiResource::from_gvk(&kind));
    let end = Instant::now() + Duration::from_secs(60);
    while routes.list(&Default::default()).await.is_err() {
        assert!(Instant::now() < end, "the API server does not serve HTTPRoutes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    routes
}

async fn selector(shop: &KubeDesk) -> String {
    let service = shop.space.api::<Service>().get("web").await.expect("the Service");
    let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
    selector.get("cutover.dev/slot").cloned().unwrap_or_else(|| "none".into())
}

async fn pods(shop: &KubeDesk) -> BTreeSet<String> {
    let pods = shop.space.api::<Pod>().list(&Default::default()).await.expect("pods");
    pods.iter().map(|pod| pod.uid().expect("a uid")).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_service_is_switched_to_a_new_version_and_back_to_the_warm_old_one() {
    let shop = KubeDesk::new("switch", "sync: {timeout: 4m}", WEB).await;
    insta::assert_snapshot!("first_plan", shop.verb("plan", &[]).whole());
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    assert_eq!(selector(&shop).await, "green", "a first deploy goes to the slot that nobody reaches");
    let idle = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(idle.code, Some(0), "{}", idle.whole());
    insta::assert_snapshot!("rollout_status", shop.verb("status", &[]).whole());

    shop.change(&[("web:v1", "web:v2")], "Version 2");
    let second = shop.verb("sync", &[]);
    assert_eq!(second.code, Some(0), "{}", second.whole());
    assert_eq!(selector(&shop).await, "blue");

    let before = pods(&shop).await;
    shop.change(&[("web:v2", "web:v1")], "Back to version 1");
    let reverted = shop.verb("sync", &[]);
    assert_eq!(reverted.code, Some(0), "{}", reverted.whole());
    assert_eq!(selector(&shop).await, "green");
    assert_eq!(pods(&shop).await, before, "a pod was started for a warm revert");
}

/// By memory, in a spelling that the API server changes.
const SCALED: &str = "\
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 3
  metrics:
    - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 0.5Gi}}}
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 75}}}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_slots_autoscaler_is_no_reason_for_a_rollout() {
    let shop = KubeDesk::new("scaled", "sync: {timeout: 4m}", &format!("{WEB}{SCALED}")).await;
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    assert_eq!(first.whole().matches("set rule").count(), 1, "{}", first.whole());
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0));

    let before = pods(&shop).await;
    shop.change(&[("maxReplicas: 3", "maxReplicas: 9")], "More");
    let raised = shop.verb("sync", &[]);
    assert_eq!(raised.code, Some(0), "{}", raised.whole());
    assert!(!raised.whole().contains("set rule"), "{}", raised.whole());
    let scalers = shop.space.api::<HorizontalPodAutoscaler>();
    assert_eq!(scalers.get("web-green").await.expect("the autoscaler").spec.max_replicas, 9);
    assert_eq!((selector(&shop).await.as_str(), pods(&shop).await), ("green", before));
    let idle = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(idle.code, Some(0), "{}", idle.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_version_that_does_not_come_up_gets_no_request_and_is_tried_again_only_when_told() {
    let shop = KubeDesk::new("failed", "sync: {timeout: 4m}", WEB).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    shop.change(&[("web:v1", "web:v2-missing")], "Version 2");
    let failed = shop.verb("sync", &[]);
    assert_eq!(failed.code, Some(3), "{}", failed.whole());
    assert!(failed.whole().contains("image"), "{}", failed.whole());
    assert_eq!(selector(&shop).await, "green");
    let again = shop.verb("sync", &[]);
    assert_eq!(again.code, Some(3), "{}", again.whole());
    let retried = shop.verb("retry", &[]);
    assert_eq!(retried.code, Some(0), "{}", retried.whole());
    shop.change(&[("v2-missing", "v2")], "Version 2 again");
    let mended = shop.verb("sync", &[]);
    assert_eq!(mended.code, Some(0), "{}", mended.whole());
    assert_eq!(selector(&shop).await, "blue");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_rollout_waits_for_approval_and_can_be_given_up() {
    let documents = WEB.replace("gates: {stableFor: 1s}", "gates: {stableFor: 1s, approval: true}");
    let shop = KubeDesk::new("approval", "sync: {timeout: 4m}", &documents).await;
    let awaiting = shop.verb("sync", &[]);
    assert_eq!(awaiting.code, Some(5), "{}", awaiting.whole());
    assert_eq!(selector(&shop).await, "blue", "nobody approved yet");
    let promoted = shop.verb("promote", &[]);
    assert_eq!(promoted.code, Some(0), "{}", promoted.whole());
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    assert_eq!(selector(&shop).await, "green");

    shop.change(&[("web:v1", "web:v2")], "Version 2");
    assert_eq!(shop.verb("sync", &[]).code, Some(5));
    let aborted = shop.verb("abort", &[]);
    assert_eq!(aborted.code, Some(0), "{}", aborted.whole());
    let given_up = shop.verb("sync", &[]);
    assert_eq!(given_up.code, Some(3), "{}", given_up.whole());
    assert_eq!(selector(&shop).await, "green");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_sync_that_is_stopped_or_out_of_time_is_continued_by_the_next_and_two_are_not_at_work_at_once() {
    // The first run has to live until the other has seen it renew the lock.
    let documents = WEB.replace("bakeTime: 1s", "bakeTime: 45s");
    let shop = KubeDesk::new("two", "sync: {timeout: 4m}", &documents).await;
    let timed_out = shop.verb("sync", &["--timeout", "3s"]);
    assert_eq!(timed_out.code, Some(4), "{}", timed_out.whole());
    let one = shop.start("sync", &[]);
    let is_held = |lease: &Lease| {
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        holder.is_some_and(|holder| !holder.is_empty())
    };
    shop.space.wait_for("cutover-shop", "a run has the lock", is_held).await;
    signal(&one, "INT");
    let stopped = shop.end(one);
    assert_eq!(stopped.code, Some(130), "{}", stopped.whole());
    let one = shop.start("sync", &[]);
    shop.space.wait_for("cutover-shop", "a run has the lock", is_held).await;
    // It asks for the lock before its first write or, if it only looks so far, when the other run moves the traffic.
    let other = shop.verb("sync", &[]);
    assert_eq!(other.code, Some(1), "{}", other.whole());
    assert!(other.whole().contains("works on application shop"), "{}", other.whole());
    let first = shop.end(one);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    let done = shop.verb("sync", &[]);
    assert_eq!(done.code, Some(0), "{}", done.whole());
    assert_eq!(selector(&shop).await, "green");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_weights_of_an_http_route_move_step_by_step_and_what_others_changed_is_left_alone() {
    let steps = "steps: [{weight: 25, hold: 1s}, {weight: 100}]\n  traffic: {httpRoute: web}";
    let documents = format!("{ROUTE}{}", WEB.replace("traffic: {service: web}", steps));
    let shop = KubeDesk::new("route", "sync: {timeout: 4m}", &documents).await;
    let routes = routes(&shop).await;
    let backends = async || {
        let route = routes.get("web").await.expect("the HTTPRoute");
        let refs = route.data["spec"]["rules"][0]["backendRefs"].as_array().cloned().unwrap_or_default();
        let shown = refs
            .iter()
            .map(|backend| format!("{} {}", backend["name"].as_str().unwrap_or_default(), backend["weight"]));
        shown.collect::<Vec<_>>().join(", ")
    };
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    assert_eq!(backends().await, "web-blue 0, web-green 100");
    let idle = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(idle.code, Some(0), "{}", idle.whole());

    shop.change(&[("web:v1", "web:v2")], "Version 2");
    let second = shop.verb("sync", &["-o", "json"]);
    assert_eq!(second.code, Some(0), "{}", second.whole());
    assert_eq!(backends().await, "web-blue 100, web-green 0");
    let shifts: Vec<String> = second
        .json_lines()
        .iter()
        .filter_map(|event| {
            event["text"].as_str().filter(|text| text.starts_with("set rule")).map(str::to_owned)
        })
        .collect();
    assert_eq!(shifts, ["set rule 1 to blue 25 / green 75", "set rule 1 to blue 100 / green 0"]);

    // Somebody else sends a share to the old side.
    let patch = json!({"spec": {"rules": [{"backendRefs": [{"name": "web-blue", "port": 80, "weight": 60}, {"name": "web-green", "port": 80, "weight": 40}]}]}});
    routes.patch("web", &PatchParams::default(), &Patch::Merge(patch)).await.expect("a patch");
    shop.change(&[("web:v2", "web:v3")], "Version 3");
    let refused = shop.verb("sync", &["--force-conflicts"]);
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    assert_eq!(backends().await, "web-blue 60, web-green 40");
    let blue: Deployment = shop.space.api().get("web-blue").await.expect("the Deployment");
    assert!(format!("{blue:?}").contains("web:v2"), "a slot with traffic was touched");
}
