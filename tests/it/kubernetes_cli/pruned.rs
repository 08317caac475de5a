//! What goes, what waits, what stays, and what is said of it.

use super::desk::KubeDesk;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

const ALL: &str = "sync: {prune: true, pruneLimit: 100%, timeout: 2m}";

fn config(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n---\n")
}

const BALANCED: &str = "\
apiVersion: v1
kind: Service
metadata: {name: lb}
spec: {type: LoadBalancer, ports: [{port: 80}]}
";

const BROKEN: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'web:missing'}]}
";

async fn patch_config(shop: &KubeDesk, name: &str, patch: serde_json::Value) {
    let configs = shop.space.api::<ConfigMap>();
    configs.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
}

async fn has_config(shop: &KubeDesk, name: &str) -> bool {
    shop.space.api::<ConfigMap>().get_opt(name).await.expect("read").is_some()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_prune_waits_for_workloads_of_its_namespace_and_for_nothing_else_and_is_done_when_it_is_gone() {
    let begin = [config("a"), config("b"), config("c")].concat();
    let shop = KubeDesk::new("prunes", ALL, &begin).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    // Nobody gives the Service an address, and nobody lets go of b.
    patch_config(&shop, "b", json!({"metadata": {"finalizers": ["example.com/nobody"]}})).await;
    shop.change(&[(&[config("a"), config("b")].concat(), &format!("{BALANCED}---\n"))], "Two go");
    let synced = shop.verb("sync", &["--timeout", "8s"]);
    assert_eq!(synced.code, Some(4), "{}", synced.whole());
    assert!(!has_config(&shop, "a").await, "it waited for a load balancer: {}", synced.whole());
    assert!(synced.whole().contains("example.com/nobody"), "{}", synced.whole());
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(2), "it is not gone: {}", planned.whole());
    assert!(planned.stdout.contains("example.com/nobody"), "{}", planned.whole());
    patch_config(&shop, "b", json!({"metadata": {"finalizers": null}})).await;
    shop.space.wait_gone::<ConfigMap>("b").await;

    let text = format!("{BROKEN}---\n{BALANCED}");
    shop.desk.write("deploy/shop.yaml", &text);
    tokio::task::block_in_place(|| shop.desk.commit("One goes, and what may use it does not stand"));
    for _ in 0..2 {
        let held = shop.verb("sync", &["--timeout", "6s"]);
        assert_ne!(held.code, Some(0), "{}", held.whole());
        assert!(
            held.whole().contains("is not pruned yet: it waits until Deployment/web"),
            "{}",
            held.whole()
        );
        assert!(has_config(&shop, "c").await, "{}", held.whole());
    }
    shop.change(&[("web:missing", "web:v1")], "Mended");
    let mended = shop.verb("sync", &["--timeout", "20s"]);
    assert!(!has_config(&shop, "c").await, "{}", mended.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_prune_that_the_limit_withholds_is_not_done_by_any_verb_and_the_rest_is() {
    let spec = "sync: {prune: true, pruneLimit: 1, timeout: 2m}";
    let shop = KubeDesk::new("withheld", spec, &["a", "b", "c"].map(config).concat()).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    shop.change(&[(&[config("a"), config("b")].concat(), &config("d"))], "Two go, one comes");
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(2), "{}", planned.whole());
    let synced = shop.verb("sync", &[]);
    assert_eq!(synced.code, Some(1), "{}", synced.whole());
    assert!(synced.whole().contains("raise the limit for this commit"), "{}", synced.whole());
    assert!(has_config(&shop, "a").await && has_config(&shop, "d").await, "{}", synced.whole());
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(2));
    let status = shop.verb("status", &[]);
    assert!(
        !status.stdout.contains("in sync") || status.stdout.contains("not in sync"),
        "{}",
        status.whole()
    );
}

const CLAIM: &str = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn data_is_kept_and_told_until_its_annotation_says_that_it_may_go() {
    let shop = KubeDesk::new("data", ALL, &[CLAIM, &config("a")].concat()).await;
    shop.verb("sync", &["--timeout", "3s"]);
    shop.change(&[(CLAIM, "")], "Without the claim");
    for verb in ["plan", "sync", "status"] {
        let said = shop.verb(verb, &[]);
        assert_eq!(said.code, Some(0), "{}", said.whole());
        let word = "kubectl annotate persistentvolumeclaim -n [namespace] data cutover.dev/prune=allowed";
        assert!(said.whole().contains(word), "{verb}: {}", said.whole());
    }
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0), "it is not out of sync for ever");
    let claims = shop.space.api::<PersistentVolumeClaim>();
    let allowed = json!({"metadata": {"annotations": {"cutover.dev/prune": "allowed"}}});
    claims.patch("data", &PatchParams::default(), &Patch::Merge(allowed)).await.expect("patched");
    let pruned = shop.verb("sync", &[]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.whole());
    assert!(claims.get_opt("data").await.expect("read").is_none(), "{}", pruned.whole());
}

const WEB: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_inventory_that_is_missing_is_uncertain_and_not_empty() {
    let shop = KubeDesk::new("lost", ALL, &[config("a"), config("b"), WEB.into()].concat()).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    let configs = shop.space.api::<ConfigMap>();
    configs.delete("cutover-shop", &DeleteParams::default()).await.expect("deleted");
    shop.change(&[(&[config("b"), WEB.into()].concat(), "")], "One is left");
    for (verb, code) in [("plan", 0), ("sync", 1)] {
        let said = shop.verb(verb, &[]);
        assert_eq!(said.code, Some(code), "{}", said.whole());
        assert!(said.whole().contains("is missing although objects bear its label"), "{}", said.whole());
    }
    assert!(has_config(&shop, "b").await);
    // It is made anew with what comes, and leads to what it led to before, kinds that Git does not have included.
    shop.change(&[("{name: a}", "{name: a, labels: {new: 'yes'}}")], "Something to apply");
    assert_eq!(shop.verb("sync", &[]).code, Some(1), "what left Git is not known yet");
    let found = shop.verb("sync", &[]);
    assert_eq!(found.code, Some(0), "{}", found.whole());
    assert!(!has_config(&shop, "b").await, "{}", found.whole());
    assert!(shop.space.api::<Service>().get_opt("web").await.expect("read").is_none(), "{}", found.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn bookkeeping_is_neither_declared_by_documents_nor_taken_from_somebody_else() {
    let declared = [config("a"), config("cutover-shop")].concat();
    let shop = KubeDesk::new("books", ALL, &declared).await;
    for verb in ["plan", "sync"] {
        let refused = shop.verb(verb, &[]);
        assert_eq!(refused.code, Some(1), "{}", refused.whole());
        assert!(
            refused.stderr.contains("shop.yaml:7: ConfigMap/cutover-shop: the inventory"),
            "{}",
            refused.whole()
        );
    }
    assert!(!has_config(&shop, "a").await, "nothing is applied");
    shop.change(&[(&config("cutover-shop"), "")], "Without it");
    shop.space
        .apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cutover-shop}\ndata: {of: somebody}")
        .await;
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(2));
    let refused = shop.verb("sync", &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    assert!(refused.whole().contains("was made by somebody else"), "{}", refused.whole());
    let theirs = shop.space.api::<ConfigMap>().get("cutover-shop").await.expect("theirs");
    assert_eq!(theirs.data.expect("data")["of"], "somebody");
}
