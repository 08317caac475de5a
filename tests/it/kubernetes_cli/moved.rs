//! Objects that pass between applications that do not know each other: runs of two pipelines.

use super::desk::KubeDesk;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::json;

const ALL: &str = "sync: {prune: true, pruneLimit: 100%, timeout: 1m}";

fn config(name: &str, annotations: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{annotations}}}\n---\n")
}

async fn found(shop: &KubeDesk, name: &str) -> (String, String) {
    let live = shop.space.api::<ConfigMap>().get(name).await.expect("there");
    let owner = live.metadata.labels.and_then(|labels| labels.get("cutover.dev/application").cloned());
    (live.metadata.uid.unwrap_or_default(), owner.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_object_passes_by_a_pair_of_words_or_when_the_old_inventory_is_gone_and_never_otherwise() {
    let shop =
        KubeDesk::new("moves", ALL, &[config("a", ""), config("b", ""), config("c", "")].concat()).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    let blog =
        shop.desk.read("shop.yaml").replace("name: shop", "name: blog").replace("path: deploy", "path: blog");
    shop.desk.write("blog.yaml", &blog);
    shop.desk.write("blog/blog.yaml", &[config("a", ""), config("b", "")].concat());
    tokio::task::block_in_place(|| shop.desk.commit("Another application wants them"));
    let (uid, owner) = found(&shop, "a").await;
    assert_eq!(owner, "shop");
    let sync = || shop.run(&["sync", "-f", "blog.yaml"]);

    // Its pipeline may run in an hour: that nobody is at work for it says nothing.
    shop.change(&[(&[config("a", ""), config("b", "")].concat(), "")], "They left the shop");
    let refused = sync();
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    assert!(refused.whole().contains("cutover.dev/release=blog"), "{}", refused.whole());
    assert_eq!(found(&shop, "a").await.1, "shop");

    // One word alone passes nothing.
    let released = Patch::Merge(json!({"metadata": {"annotations": {"cutover.dev/release": "blog"}}}));
    shop.space.api::<ConfigMap>().patch("a", &PatchParams::default(), &released).await.expect("released");
    assert_eq!(sync().code, Some(1));
    assert_eq!(found(&shop, "a").await.1, "shop");
    let adopting = config("a", ", annotations: {cutover.dev/adopt: shop}");
    shop.desk.write("blog/blog.yaml", &adopting);
    tokio::task::block_in_place(|| shop.desk.commit("It is adopted"));
    let adopted = sync();
    assert_eq!(adopted.code, Some(0), "{}", adopted.whole());
    assert_eq!(found(&shop, "a").await, (uid.clone(), "blog".into()));

    // The old side prunes what it still owns, and not what it gave away.
    let pruned = shop.verb("sync", &[]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.whole());
    assert_eq!(found(&shop, "a").await, (uid, "blog".into()));
    assert!(shop.space.api::<ConfigMap>().get_opt("b").await.expect("read").is_none());

    // An application that is gone for good, with its inventory, owns nothing.
    shop.desk.write("blog/blog.yaml", &[config("a", ""), config("c", "")].concat());
    tokio::task::block_in_place(|| shop.desk.commit("What is left"));
    let (uid, _) = found(&shop, "c").await;
    assert_eq!(sync().code, Some(1));
    shop.space.api::<ConfigMap>().delete("cutover-shop", &Default::default()).await.expect("deleted");
    let taken = sync();
    assert_eq!(taken.code, Some(0), "{}", taken.whole());
    assert_eq!(found(&shop, "c").await, (uid, "blog".into()));
    assert_eq!(shop.run(&["plan", "-f", "blog.yaml", "--detailed-exitcode"]).code, Some(0));
}
