//! The README's way from nothing to a rollout and back.

use super::house::{House, history, is};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::Value;
use std::collections::BTreeSet;

/// The repository's example, with only its pace changed and a namespace of the test's own.
fn example(house: &House, namespace: &str) {
    let shop = include_str!("../../../examples/cluster/shop.yaml");
    let web = include_str!("../../../examples/cluster/web.yaml");
    let pace = "gates: {stableFor: 30s}\n  bakeTime: 10m";
    assert!(shop.contains("metadata: {name: shop}") && web.contains(pace), "the example has changed");
    let shop = shop.replace("metadata: {name: shop}", &format!("metadata: {{name: {namespace}}}"));
    house.desk.write("examples/cluster/shop.yaml", &shop);
    let web = web.replace(pace, "gates: {stableFor: 1s}\n  bakeTime: 1s");
    house.ship("examples/cluster/web.yaml", &web, "Version 1.4.0");
}

fn registration(house: &House, namespace: &str) -> String {
    let application = include_str!("../../../examples/cluster.yaml");
    let changes = [
        ("repoURL: .", format!("repoURL: \"{}\"", house.repository())),
        ("{namespace: shop}", format!("{{namespace: {namespace}}}")),
        ("sync: {", "sync: {interval: 1s, ".to_owned()),
    ];
    changes.iter().fold(application.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the example does not have {from}");
        text.replace(from, to)
    })
}

async fn pods(house: &House, namespace: &str) -> BTreeSet<String> {
    let pods: Api<Pod> = Api::namespaced(house.space.client.clone(), namespace);
    let all = pods.list(&ListParams::default()).await.expect("pods");
    all.iter().filter(|pod| pod.name_any().starts_with("web-")).map(|pod| pod.uid().expect("a uid")).collect()
}

/// As `kubectl get` prints it, without the ages.
fn got(house: &House) -> String {
    let table = house.kubectl(&["get", "-n", &house.space.name, "applications.cutover.dev"]);
    let without_age = |line: &str| line.rsplit_once(' ').map_or("", |(line, _)| line).trim_end().to_owned();
    table.lines().map(without_age).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_is_installed_ships_the_example_by_commits_and_takes_it_back_by_a_revert() {
    let (mut house, said) = House::install("installed").await;
    let own = house.space.name.clone();
    insta::assert_snapshot!("installed", said.replace(&own, "[cutover]"));
    house.kubectl(&["rollout", "status", "deployment/cutover", "-n", &own, "--timeout", "240s"]);
    for (verb, kind) in [
        ("list", "applications.cutover.dev"),
        ("watch", "applications.cutover.dev"),
        ("create", "events.events.k8s.io"),
    ] {
        house.until_allowed(&[verb, kind, "--all-namespaces"]).await;
    }
    // The example makes its namespace, so these rights are needed as well.
    house.kubectl_with(&["apply", "-f", "-"], include_str!("../../../manifests/rbac/cluster.yaml"));
    let subject = format!("--serviceaccount={own}:cutover");
    house.kubectl(&["create", "clusterrolebinding", &own, "--clusterrole=cutover", &subject]);
    house.until_allowed(&["patch", "namespaces"]).await;
    house.run("{}", &[], &[]).await;

    let namespace = format!("{own}-shop");
    house.others.push(namespace.clone());
    example(&house, &namespace);
    let first = house.head();
    house.kubectl_with(&["apply", "-n", &own, "-f", "-"], &registration(&house, &namespace));
    let wait = [
        "wait",
        "--for=condition=Ready",
        "application.cutover.dev/cluster-shop",
        "-n",
        &own,
        "--timeout=240s",
    ];
    house.kubectl(&wait);
    house.until_ready("cluster-shop", &first).await;
    assert_eq!(
        got(&house),
        "NAME           SYNC     HEALTH    READY\ncluster-shop   Synced   Healthy   Synced"
    );
    assert_eq!(house.live_image(&namespace).await, "registry.example/shop/web:1.4.0");

    let web = house.desk.read("examples/cluster/web.yaml").replace("web:1.4.0", "web:1.5.0");
    let second = house.ship("examples/cluster/web.yaml", &web, "Version 1.5.0");
    house.until_ready("cluster-shop", &second).await;
    assert_eq!(house.live_image(&namespace).await, "registry.example/shop/web:1.5.0");

    let before = pods(&house, &namespace).await;
    tokio::task::block_in_place(|| house.desk.git(&["revert", "--no-edit", "HEAD"]));
    let third = house.head();
    let status = house.until_ready("cluster-shop", &third).await;
    assert_eq!(house.live_image(&namespace).await, "registry.example/shop/web:1.4.0");
    assert_eq!(pods(&house, &namespace).await, before, "a pod was started for a warm revert");
    let told =
        [("Revert \"Version 1.5.0\"", "Synced"), ("Version 1.5.0", "Synced"), ("Version 1.4.0", "Synced")];
    assert_eq!(history(&status), told.map(|(summary, result)| (summary.to_owned(), result.to_owned())));
    assert!(is(&status, "True", "Synced") && status["lastError"] == Value::Null, "{status:#}");

    let described = house.kubectl(&["describe", "-n", &own, "application.cutover.dev/cluster-shop"]);
    let events = described.split_once("\nEvents:").map(|(_, events)| events).unwrap_or_default();
    for reason in ["SyncStarted", "RolloutProgressed", "Synced"] {
        assert!(events.contains(reason), "{reason} is not among the Events:\n{described}");
    }
    assert_eq!(house.warnings(), [""; 0]);
}
