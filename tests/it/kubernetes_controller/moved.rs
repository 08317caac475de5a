//! Objects that move from one Application to another one of the same controller.

use super::house::{House, is};
use crate::kube_support::Space;
use k8s_openapi::api::core::v1::ConfigMap;

const ALL: &str = "{interval: 1s, prune: true, pruneLimit: 100%}";

fn config(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n---\n")
}

async fn found(shop: &Space, name: &str) -> (String, String) {
    let live = shop.api::<ConfigMap>().get(name).await.expect("there");
    let owner = live.metadata.labels.and_then(|labels| labels.get("cutover.dev/application").cloned());
    (live.metadata.uid.unwrap_or_default(), owner.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_moves_is_handed_over_whoever_looks_first_and_is_never_deleted() {
    let house = House::start("moved", "{}", &[]).await;
    let shop = Space::new("moved-shop").await;
    house.desk.write("one/all.yaml", &[config("a"), config("b"), config("stays")].concat());
    let first = house.ship("two/all.yaml", &config("own"), "First");
    for name in ["one", "two"] {
        house.register(name, name, &shop.name, ALL);
        house.until_ready(name, &first).await;
    }
    let before = [found(&shop, "a").await, found(&shop, "b").await];
    assert!(before.iter().all(|(_, owner)| owner == "one"));

    // The old owner lets go and prunes, the new one declares: one commit.
    house.desk.write("one/all.yaml", &[config("b"), config("stays")].concat());
    let second = house.ship("two/all.yaml", &[config("own"), config("a")].concat(), "a moves");
    house.until_ready("two", &second).await;
    assert_eq!(found(&shop, "a").await, (before[0].0.clone(), "two".into()), "made anew");
    house.until_ready("one", &second).await;

    // First both declare it: it stays where it is, which the second one says.
    let third = house.ship("two/all.yaml", &[config("own"), config("a"), config("b")].concat(), "b as well");
    let refused =
        |status: &serde_json::Value| status["revision"] == third && is(status, "False", "SyncFailed");
    let told = house.until("two", "it is told whose it is", refused).await;
    assert!(told.to_string().contains("belongs to application one"), "{told:#}");
    assert_eq!(found(&shop, "b").await, before[1]);
    let fourth = house.ship("one/all.yaml", &config("stays"), "b moves");
    house.until_ready("one", &fourth).await;
    house.until("two", "it is taken over", |status| is(status, "True", "Synced")).await;
    assert_eq!(found(&shop, "b").await, (before[1].0.clone(), "two".into()), "made anew");
    assert_eq!(found(&shop, "stays").await.1, "one");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_renamed_application_takes_over_once_the_old_one_no_longer_declares_and_cascades_nothing() {
    let house = House::start("renamed", "{}", &[]).await;
    let shop = Space::new("renamed-shop").await;
    let first = house.ship("deploy/all.yaml", &config("a"), "First");
    let cascading = |name: &str| {
        let text = house.application(name, "deploy", &shop.name, ALL);
        house.kubectl_with(
            &["apply", "-n", &house.space.name, "-f", "-"],
            &format!("{text}  deletion: cascade\n"),
        );
    };
    cascading("old");
    house.until_ready("old", &first).await;
    let (uid, _) = found(&shop, "a").await;
    cascading("new");
    house.until("new", "it is told", |status| is(status, "False", "SyncFailed")).await;
    // The old one goes, although with a cascade: what the new one declares is handed over.
    house.kubectl(&["delete", "applications.cutover.dev", "old", "-n", &house.space.name, "--timeout=120s"]);
    house.until_ready("new", &first).await;
    assert_eq!(found(&shop, "a").await, (uid, "new".into()), "made anew");
    let left = shop.api::<ConfigMap>().get_opt("cutover-old").await.expect("read");
    assert!(left.is_none(), "the old inventory");
}
