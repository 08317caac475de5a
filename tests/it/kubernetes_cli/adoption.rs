//! What runs already: documents from it, and taking it over.

use super::desk::KubeDesk;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use std::collections::BTreeSet;

const RUNNING: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: registry.example/web:v1
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /healthz, port: http}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
";

async fn pods(shop: &KubeDesk) -> BTreeSet<String> {
    let pods = shop.space.api::<Pod>().list(&Default::default()).await.expect("pods");
    pods.iter().map(|pod| pod.uid().expect("a uid")).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn documents_written_by_init_adopt_what_runs_without_a_new_pod_and_ship_the_next_version() {
    let shop = KubeDesk::new("init", "sync: {timeout: 4m}", "# nothing yet\n").await;
    shop.space.apply(RUNNING).await;
    let available =
        |web: &Deployment| web.status.as_ref().is_some_and(|status| status.available_replicas == Some(2));
    shop.space.wait_for("web", "its pods are available", available).await;
    let namespace = shop.space.name.clone();
    let init = ["init", "--namespace", &namespace, "--deployment", "web"];
    insta::assert_snapshot!("init", shop.run(&init).whole());
    let written = shop.run(&[&init[..], &["--dir", "deploy"]].concat());
    assert_eq!(written.code, Some(0), "{}", written.whole());
    tokio::task::block_in_place(|| shop.desk.commit("What runs"));

    let before = pods(&shop).await;
    let planned = shop.verb("plan", &[]);
    assert_eq!(planned.code, Some(0), "{}", planned.whole());
    for line in
        ["* adopt Service/[namespace]/web: is as declared", "* adopt Deployment.apps/[namespace]/web: exists"]
    {
        assert!(planned.stdout.contains(line), "{}", planned.whole());
    }
    // Whoever applied it before has to let go of it, or it is taken.
    let adopted = shop.verb("sync", &["--force-conflicts"]);
    assert_eq!(adopted.code, Some(0), "{}", adopted.whole());
    assert_eq!(pods(&shop).await, before, "the adoption started or ended a pod");
    let idle = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(idle.code, Some(0), "{}", idle.whole());

    // Nobody needs to wait here as long as production does.
    let soon = "  gates: {stableFor: 1s}\n  bakeTime: 1s\n  traffic:\n";
    let text = shop.desk.read("deploy/web.yaml").replace("web:v1", "web:v2").replace("  traffic:\n", soon);
    shop.desk.write("deploy/web.yaml", &text);
    tokio::task::block_in_place(|| shop.desk.commit("Version 2"));
    let shipped = shop.verb("sync", &["--force-conflicts"]);
    assert_eq!(shipped.code, Some(0), "{}", shipped.whole());
    let service = shop.space.api::<Service>().get("web").await.expect("the Service");
    let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
    assert_eq!(selector.get("app").map(String::as_str), Some("web-green"));
    assert!(before.is_subset(&pods(&shop).await), "the old version is not warm any more");
}
