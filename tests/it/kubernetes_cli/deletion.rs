//! The end of an application: what goes first, what stays, and that a folder without documents is no end.

use super::desk::KubeDesk;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service};
use kube::api::{Patch, PatchParams};
use serde_json::json;

const ALL: &str = "sync: {prune: true, pruneLimit: 100%, timeout: 2m}";
const DOCUMENTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'registry.example/web:v1'}]}
";

async fn hold(shop: &KubeDesk, finalizers: serde_json::Value) {
    let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    shop.space.api::<Service>().patch("web", &PatchParams::default(), &patch).await.expect("patched");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn everything_that_it_owns_goes_requests_first_and_data_and_other_peoples_objects_stay() {
    let shop = KubeDesk::new("deletes", ALL, DOCUMENTS).await;
    shop.verb("sync", &["--timeout", "20s"]);
    let configs = shop.space.api::<ConfigMap>();
    let foreign: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "foreign"}})).expect("a ConfigMap");
    configs.create(&Default::default(), &foreign).await.expect("made");

    let shown = shop.verb("delete", &[]);
    assert_eq!(shown.code, Some(1), "{}", shown.whole());
    assert!(shown.stdout.contains("Deployment.apps/[namespace]/web"), "{}", shown.whole());
    assert!(shown.whole().contains("--yes"), "{}", shown.whole());
    assert!(configs.get_opt("settings").await.expect("read").is_some(), "nothing was meant yet");

    hold(&shop, json!(["example.com/balancer"])).await;
    let stuck = shop.verb("delete", &["--yes", "--timeout", "6s"]);
    assert_eq!(stuck.code, Some(4), "{}", stuck.whole());
    assert!(stuck.whole().contains("example.com/balancer"), "{}", stuck.whole());
    let deployments = shop.space.api::<Deployment>();
    let web = deployments.get("web").await.expect("it waits for the Service");
    assert!(web.metadata.deletion_timestamp.is_none());
    assert!(
        configs.get_opt("cutover-shop").await.expect("read").is_some(),
        "the inventory leads to what is left"
    );

    hold(&shop, json!(null)).await;
    let deleted = shop.verb("delete", &["--yes"]);
    assert_eq!(deleted.code, Some(0), "{}", deleted.whole());
    assert!(deployments.get_opt("web").await.expect("read").is_none(), "{}", deleted.whole());
    for (name, is_left) in [("settings", false), ("cutover-shop", false), ("foreign", true)] {
        assert_eq!(
            configs.get_opt(name).await.expect("read").is_some(),
            is_left,
            "{name}: {}",
            deleted.whole()
        );
    }
    assert!(shop.space.api::<Lease>().get_opt("cutover-shop").await.expect("read").is_none(), "the lock");
    assert!(shop.space.api::<PersistentVolumeClaim>().get_opt("data").await.expect("read").is_some());
    assert!(
        deleted.whole().contains("PersistentVolumeClaim/[namespace]/data is left as it is"),
        "what stays is told: {}",
        deleted.whole()
    );

    let again = shop.verb("delete", &["--yes"]);
    assert_eq!(again.code, Some(0), "{}", again.whole());
    assert!(shop.space.api::<Lease>().get_opt("cutover-shop").await.expect("read").is_none());
    // What stayed is taken in again by the next first sync.
    let synced = shop.verb("sync", &["--timeout", "20s"]);
    assert!(!synced.whole().contains("belongs to"), "{}", synced.whole());
    assert!(configs.get_opt("settings").await.expect("read").is_some(), "{}", synced.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_folder_without_documents_is_not_in_sync_and_deletes_nothing() {
    let shop = KubeDesk::new("emptied", ALL, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n").await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    shop.change(
        &[("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "# nothing\n")],
        "Nothing is left",
    );
    for (verb, code) in [("plan", 2), ("sync", 1)] {
        let flags: &[&str] = if verb == "plan" { &["--detailed-exitcode"] } else { &[] };
        let ran = shop.verb(verb, flags);
        assert_eq!(ran.code, Some(code), "{verb}: {}", ran.whole());
        assert!(ran.whole().contains("no document was found"), "{verb}: {}", ran.whole());
        assert!(ran.whole().contains("cutover delete -f"), "{verb}: {}", ran.whole());
    }
    assert!(!shop.verb("status", &[]).whole().contains("in sync\n"));
    assert!(shop.space.api::<ConfigMap>().get_opt("a").await.expect("read").is_some());
    assert_eq!(shop.verb("delete", &["--yes"]).code, Some(0), "the way out");
    assert!(shop.space.api::<ConfigMap>().get_opt("a").await.expect("read").is_none());
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0));
}
