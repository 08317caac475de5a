//! Objects that are no part of a slot.

use super::desk::KubeDesk;
use crate::kube_support::User;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams};
use serde_json::json;

const SHOP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG_LEVEL: info}
---
apiVersion: v1
kind: Secret
metadata: {name: database}
stringData: {PASSWORD: hunter2}
---
apiVersion: v1
kind: Service
metadata: {name: worker}
spec:
  selector: {app: worker}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  replicas: 2
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      containers:
        - name: app
          image: registry.example/worker:v1
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: database}}]
";

/// What is applied side by side is told in the order in which the server answered.
fn with_writes_in_order(told: &str) -> String {
    let mut lines: Vec<&str> = told.lines().collect();
    lines.chunk_by_mut(|one, other| is_write(one) && is_write(other)).for_each(|run| run.sort_unstable());
    lines.join("\n")
}

fn is_write(line: &str) -> bool {
    line.contains(": create ")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_application_is_planned_synced_found_in_sync_repaired_and_pruned() {
    let shop = KubeDesk::new("cli", "sync: {prune: true, pruneLimit: 100%, timeout: 3m}", SHOP).await;
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    insta::assert_snapshot!("plan", planned.whole());
    let synced = shop.verb("sync", &[]);
    insta::assert_snapshot!("sync", with_writes_in_order(&synced.whole_but_waits()));
    let idle = shop.verb("sync", &["-o", "json"]);
    assert_eq!(idle.code, Some(0), "{}", idle.whole());
    let report = idle.json_lines().pop().expect("a report");
    let calls = report["calls"]["operations"].as_object().expect("calls");
    let writes: Vec<&String> =
        calls.iter().filter(|(_, tally)| tally["write"] == true).map(|(name, _)| name).collect();
    assert_eq!(writes, Vec::<&String>::new(), "a sync with nothing to do wrote something");
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0));
    insta::assert_snapshot!("status", shop.verb("status", &[]).whole());
    insta::assert_snapshot!("wait", shop.verb("wait", &[]).whole_but_waits());

    // Somebody changes something by hand.
    let by_hand = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry.example/worker:v0"}]}}}});
    let patch = Patch::Strategic(patch);
    shop.space.api::<Deployment>().patch("worker", &by_hand, &patch).await.expect("a patch");
    shop.space.api::<ConfigMap>().delete("settings", &Default::default()).await.expect("a deletion");
    insta::assert_snapshot!("drift", shop.verb("plan", &["--detailed-exitcode"]).whole());
    let refused = shop.verb("sync", &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    assert!(refused.whole().contains("kubectl-edit"), "{}", refused.whole());
    let repaired = shop.verb("sync", &["--force-conflicts"]);
    assert_eq!(repaired.code, Some(0), "{}", repaired.whole());
    let worker = shop.space.api::<Deployment>().get("worker").await.expect("the Deployment");
    let image =
        worker.spec.and_then(|spec| spec.template.spec).and_then(|spec| spec.containers[0].image.clone());
    assert_eq!(image.as_deref(), Some("registry.example/worker:v1"));

    // What is no longer in Git goes.
    let documents = SHOP.split_once("---\n").expect("two documents").1;
    let documents = documents.replace("{configMapRef: {name: settings}}, ", "");
    shop.desk.write("deploy/shop.yaml", &documents);
    tokio::task::block_in_place(|| shop.desk.commit("No settings"));
    let pruned = shop.verb("sync", &[]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.whole());
    assert!(pruned.whole().contains("prune ConfigMap/[namespace]/settings"), "{}", pruned.whole());
    shop.space.wait_gone::<ConfigMap>("settings").await;
    assert!(shop.space.api::<Secret>().get_opt("database").await.expect("a read").is_some());
    for ran in [planned, synced, pruned] {
        assert!(!ran.whole().contains("hunter2"), "{}", ran.whole());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn who_may_do_nothing_is_told_what_is_missing() {
    let shop = KubeDesk::new("denied", "suspend: false", SHOP).await;
    let denied = shop.run_as(User::Restricted, &["sync", "-f", "shop.yaml"]);
    insta::assert_snapshot!("denied", denied.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn flags_name_a_namespace_as_a_file_does() {
    let shop = KubeDesk::new("flags", "suspend: false", SHOP).await;
    let namespace = shop.space.name.clone();
    let by_flags = ["plan", "--path", "deploy", "--namespace", &namespace, "--name", "shop"];
    let by_file = shop.verb("plan", &[]);
    assert_eq!(shop.run(&by_flags).stdout, by_file.stdout);
    let both = shop.run(&[&by_flags[..], &["--cluster", "prod"]].concat());
    assert_eq!(both.code, Some(64), "{}", both.whole());
    let verified = shop.verb("verify", &["--live"]);
    assert_eq!(verified.code, Some(0), "{}", verified.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_the_server_refuses_is_found_before_a_deploy_with_its_line() {
    let wrong = SHOP.replace("replicas: 2", "replicsa: 2");
    let shop = KubeDesk::new("refused", "suspend: false", &wrong).await;
    insta::assert_snapshot!("verify_live", shop.verb("verify", &["--live"]).whole());
    let refused = shop.verb("sync", &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_can_not_come_up_ends_with_the_reason() {
    let broken = SHOP.replace("worker:v1", "worker:v1-missing");
    let shop = KubeDesk::new("broken", "sync: {timeout: 3m}", &broken).await;
    let failed = shop.verb("sync", &[]);
    assert_eq!(failed.code, Some(3), "{}", failed.whole());
    assert!(failed.whole().contains("image"), "{}", failed.whole());
}
