//! The control plane for tests does what the tests of the program build on.

use crate::kube_support::{Space, dial_address};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::ListParams;
use std::collections::BTreeSet;

fn deployment(name: &str, image: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: app
        image: {image}
        ports: [{{containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: 8080}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{port: 80, targetPort: 8080}}]
"
    )
}

fn job(name: &str, image: &str) -> String {
    format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: app, image: {image}}}]
"
    )
}

fn available(deployment: &Deployment) -> i32 {
    deployment.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

async fn pods(space: &Space) -> Vec<Pod> {
    space.api::<Pod>().list(&ListParams::default()).await.expect("pods").items
}

/// Why the containers of a pod wait.
fn waits(pod: &Pod) -> Vec<String> {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses.filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.clone()).collect()
}

/// Waits until the only pod of a Deployment waits for this reason.
async fn wait_for_reason(space: &Space, reason: &str) -> Pod {
    let name = loop {
        match pods(space).await.first() {
            Some(pod) => break pod.name_any(),
            None => tokio::task::yield_now().await,
        }
    };
    space.wait_for(&name, reason, |pod: &Pod| waits(pod).iter().any(|found| found == reason)).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_deployment_becomes_available_and_its_pods_answer_at_the_addresses_of_their_slice() {
    let space = Space::new("web").await;
    space.apply(&deployment("web", "shop/web:v1-slow2")).await;
    space.wait_for("web", "all pods are available", |web: &Deployment| available(web) == 3).await;

    let known: BTreeSet<String> =
        pods(&space).await.iter().filter_map(|pod| pod.status.as_ref()?.pod_ip.clone()).collect();
    assert_eq!(known.len(), 3, "every pod has an address of its own");
    let slices = space.api::<EndpointSlice>().list(&ListParams::default()).await.expect("slices").items;
    let slice = space
        .wait_for(&slices[0].name_any(), "all pods are ready in it", |slice: &EndpointSlice| {
            let ready = |endpoint: &&k8s_openapi::api::discovery::v1::Endpoint| {
                endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
            };
            slice.endpoints.iter().flatten().filter(ready).count() == 3
        })
        .await;
    let listed: BTreeSet<String> =
        slice.endpoints.iter().flatten().flat_map(|endpoint| endpoint.addresses.clone()).collect();
    assert_eq!(listed, known);

    for address in listed {
        let address = dial_address(address.parse().expect("an IPv4 address"));
        let url = format!("http://{address}:8080/");
        let answer = tokio::task::spawn_blocking(move || ureq::get(&url).call()).await.expect("a thread");
        let image = answer.expect("an answer").headers()["x-image"].clone();
        assert_eq!(image, "shop/web:v1-slow2");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn jobs_complete_and_fail() {
    let space = Space::new("jobs").await;
    space.apply(&format!("{}\n---{}", job("good", "migrate:ok"), job("bad", "migrate:fail2"))).await;
    let good = space
        .wait_for("good", "it completes", |job: &Job| {
            job.status.as_ref().is_some_and(|status| status.completion_time.is_some())
        })
        .await;
    assert_eq!(good.status.and_then(|status| status.succeeded), Some(1));
    let has_failed = |job: &Job| {
        let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.filter(|condition| condition.type_ == "Failed").any(|condition| condition.status == "True")
    };
    space.wait_for("bad", "it fails", has_failed).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_container_that_crashes_is_restarted_and_then_waits() {
    let space = Space::new("crash").await;
    space.apply(&deployment("web", "web:v2-crash1").replace("replicas: 3", "replicas: 1")).await;
    let pod = wait_for_reason(&space, "CrashLoopBackOff").await;
    let status =
        &pod.status.as_ref().and_then(|status| status.container_statuses.clone()).expect("containers")[0];
    assert!(status.restart_count >= 1);
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref()).expect("the crash");
    assert_eq!(last.exit_code, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_image_that_cannot_be_pulled_is_waited_for() {
    let space = Space::new("missing").await;
    space.apply(&deployment("web", "web:missing").replace("replicas: 3", "replicas: 1")).await;
    wait_for_reason(&space, "ImagePullBackOff").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_pod_that_is_deleted_goes_and_its_address_falls_silent() {
    let space = Space::new("gone").await;
    space.apply(&deployment("web", "web:v1")).await;
    space.wait_for("web", "all pods are available", |web: &Deployment| available(web) == 3).await;
    let pod = pods(&space).await.remove(0);
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("an address");
    let address = (dial_address(address.parse().expect("an IPv4 address")), 8080);
    std::net::TcpStream::connect(address).expect("it listens");
    space.api::<Pod>().delete(&pod.name_any(), &Default::default()).await.expect("deleted");
    space.wait_gone::<Pod>(&pod.name_any()).await;
    assert!(std::net::TcpStream::connect(address).is_err());
}
