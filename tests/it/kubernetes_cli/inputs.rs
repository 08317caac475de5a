//! Documents as people have them: exports, large ones, such as the server never takes, and such as move.

use super::desk::KubeDesk;
use crate::kube_support::Space;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

const EMPTY: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {size: small}\n";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_export_is_applied_as_it_is_and_an_address_that_is_taken_is_told_by_the_plan() {
    let shop = KubeDesk::new("export", "sync: {timeout: 1m}", EMPTY).await;
    let other = Space::new("restored").await;
    let front = "apiVersion: v1\nkind: Service\nmetadata: {name: front}\nspec:\n  type: NodePort\n  selector: {app: \
                 front}\n  ports: [{name: http, port: 80, targetPort: http}]\n";
    shop.space.apply(front).await;
    // With its status, its managed fields, its uid and the addresses that it was given.
    let exported = shop.space.api::<Service>().get("front").await.expect("there");
    let list =
        json!({"apiVersion": "v1", "kind": "List", "items": [exported], "metadata": {"resourceVersion": ""}});
    let list = list.to_string();
    shop.change(&[(EMPTY, &list)], "An export");
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(0), "{}", planned.whole());
    let (here, there) =
        (format!("\"namespace\":\"{}\"", shop.space.name), format!("\"namespace\":\"{}\"", other.name));
    shop.change(&[(&here, &there)], "Restored elsewhere");
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(2), "{}", planned.whole());
    assert!(planned.whole().contains("already allocated"), "{}", planned.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_moves_to_another_namespace_is_made_there_and_pruned_here_and_what_lies_in_none_stays() {
    let shop = KubeDesk::new("moves", "sync: {prune: true, pruneLimit: 100%, timeout: 1m}", EMPTY).await;
    let (here, other) = (shop.space.name.clone(), Space::new("moved").await);
    // People write a namespace where none belongs.
    let role = format!("{here}-reader");
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: moved, namespace: {here}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {role}, namespace: {here}}}\nrules: []\n"
    );
    shop.change(&[(EMPTY, &text)], "Two objects");
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    shop.change(&[(&format!("namespace: {here}"), &format!("namespace: {}", other.name))], "Elsewhere");
    let second = shop.verb("sync", &[]);
    assert_eq!(second.code, Some(0), "{}", second.whole());
    assert!(other.api::<ConfigMap>().get_opt("moved").await.expect("read").is_some());
    assert!(shop.space.api::<ConfigMap>().get_opt("moved").await.expect("read").is_none());
    let roles: Api<ClusterRole> = Api::all(shop.space.client.clone());
    assert!(roles.get_opt(&role).await.expect("read").is_some());
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0));
    roles.delete(&role, &DeleteParams::default()).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_namespace_that_is_being_deleted_is_told_in_time() {
    let shop = KubeDesk::new("ending", "sync: {timeout: 1m}", EMPTY).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    let held = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.com/nobody]}\n";
    shop.space.apply(held).await;
    let namespaces: Api<Namespace> = Api::all(shop.space.client.clone());
    namespaces.delete(&shop.space.name, &DeleteParams::default()).await.expect("deleted");
    shop.space.wait_gone::<ConfigMap>("settings").await;
    let late = shop.verb("sync", &["--timeout", "10s"]);
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    shop.space.api::<ConfigMap>().patch("held", &PatchParams::default(), &free).await.expect("freed");
    assert!(matches!(late.code, Some(1 | 4)), "{}", late.whole());
    assert!(
        late.whole().contains("being deleted") || late.whole().contains("being terminated"),
        "{}",
        late.whole()
    );
}

const TWICE: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, release: first}}
    spec:
      containers:
        - name: app
          image: registry.example/web:v1
          env: [{name: LEVEL, value: info}, {name: OTHER, value: x}, {name: LEVEL, value: debug}]
";

/// What plan and sync say of something that is refused, each with this word.
fn refused(shop: &KubeDesk, word: &str) -> [String; 2] {
    [("plan", &["--detailed-exitcode"][..], 2), ("sync", &[], 1)].map(|(verb, flags, code)| {
        let ran = shop.verb(verb, flags);
        let told = ran.whole();
        let start: String = told.chars().take(4_000).collect();
        assert_eq!(ran.code, Some(code), "{verb}: {start}");
        assert!(told.contains(word), "{verb} does not tell of {word}: {start}");
        told
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_the_server_never_takes_is_named_by_plan_and_sync_and_a_large_object_is_none_of_it() {
    let shop = KubeDesk::new("never", "sync: {timeout: 1m}", EMPTY).await;
    // More than an annotation holds, which is what client-side kubectl needs.
    shop.change(&[("small", &"x".repeat(400_000))], "Large");
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0));
    shop.change(&[(&"x".repeat(400_000), &"y".repeat(1_100_000))], "Too large");
    for told in refused(&shop, "1048576") {
        assert!(told.len() < 20_000, "the document is not told with its refusal");
    }
    let text = shop.desk.read("deploy/shop.yaml");
    let locked = "apiVersion: v1\nkind: Secret\nmetadata: {name: basic-auth}\nstringData: {password: 'ENC[AES256_GCM,data:QUJD,\
                  type:str]'}\nsops: {version: 3.9.0, mac: 'ENC[AES256_GCM,data:AAAA,type:str]'}\n";
    shop.change(&[(&text, locked)], "Encrypted");
    refused(&shop, "sops");
    shop.change(&[(locked, TWICE)], "One variable twice");
    refused(&shop, "LEVEL");
    shop.change(&[(", {name: LEVEL, value: debug}", "")], "Once");
    let second = shop.verb("sync", &[]);
    assert_eq!(second.code, Some(0), "{}", second.whole());
    shop.change(&[("matchLabels: {app: web}", "matchLabels: {release: first}")], "Another selector");
    refused(&shop, "selector");
}
