//! Applications that are deleted with kubectl, and an installation that is taken away.

use super::house::{House, is};
use crate::kube_support::Space;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::json;

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";

/// The command that docs/controller.md gives for uninstalling.
fn documented() -> String {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/controller.md");
    let text = std::fs::read_to_string(file).expect("the documentation");
    let (_, rest) = text.split_once("## Uninstalling").expect("the chapter");
    let (_, rest) = rest.split_once("```sh\n").expect("a command");
    rest.split("```").next().expect("its end").to_owned()
}

fn finalizers(house: &House, name: &str) -> String {
    let path = "jsonpath={.metadata.finalizers}";
    house.kubectl(&["get", "applications.cutover.dev", name, "-n", &house.space.name, "-o", path])
}

fn is_gone(house: &House, name: &str) -> bool {
    let found = house.kubectl(&[
        "get",
        "applications.cutover.dev",
        name,
        "-n",
        &house.space.name,
        "--ignore-not-found",
    ]);
    found.is_empty()
}

async fn until_gone(house: &House, name: &str) {
    let begun = std::time::Instant::now();
    while !is_gone(house, name) {
        assert!(begun.elapsed().as_secs() < 120, "{name} does not go\n{}", house.log());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

fn application(house: &House, name: &str, shop: &Space, deletion: &str) -> String {
    let text = house.application(name, "deploy", &shop.name, "{interval: 1h}");
    format!("{text}  deletion: {deletion}\n")
}

fn register(house: &House, name: &str, shop: &Space, deletion: &str) {
    house.kubectl_with(
        &["apply", "-n", &house.space.name, "-f", "-"],
        &application(house, name, shop, deletion),
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn orphan_leaves_everything_and_cascade_takes_it_along_and_nothing_is_left_on_board_page_and_metrics() {
    let house = House::start("deleted", "{}", &[]).await;
    let shop = Space::new("deleted-shop").await;
    let first = house.ship("deploy/settings.yaml", SETTINGS, "Settings");
    register(&house, "shop", &shop, "orphan");
    house.until_ready("shop", &first).await;
    assert_eq!(finalizers(&house, "shop"), "", "orphan needs none");
    house.kubectl(&["delete", "applications.cutover.dev", "shop", "-n", &house.space.name, "--timeout=60s"]);
    let configs = shop.api::<ConfigMap>();
    for name in ["settings", "cutover-shop"] {
        assert!(configs.get_opt(name).await.expect("read").is_some(), "{name}");
    }

    // The same name takes in what was left.
    register(&house, "shop", &shop, "cascade");
    house.until_ready("shop", &first).await;
    assert_eq!(finalizers(&house, "shop"), "[\"cutover.dev/cascade\"]");
    let hold = |finalizers| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    configs.patch("settings", &PatchParams::default(), &hold(json!(["example.com/x"]))).await.expect("held");
    house.kubectl(&["delete", "applications.cutover.dev", "shop", "-n", &house.space.name, "--wait=false"]);
    let told = |status: &serde_json::Value| {
        status["waitingFor"].as_str().is_some_and(|text| text.contains("example.com/x"))
    };
    house.until("shop", "it is told what holds it", told).await;
    house.until("shop", "it is stuck", |status| is(status, "False", "Deleting")).await;
    configs.patch("settings", &PatchParams::default(), &hold(json!(null))).await.expect("let go");
    until_gone(&house, "shop").await;
    for name in ["settings", "cutover-shop"] {
        assert!(configs.get_opt(name).await.expect("read").is_none(), "{name}");
    }
    let path = format!("/api/applications/{}/shop", house.space.name);
    let begun = std::time::Instant::now();
    while house.get("web page", &path).is_ok() {
        assert!(begun.elapsed().as_secs() < 30, "the page still has it");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let list = house.get("web page", "/api/applications").expect("an answer");
    assert!(!list.contains("\"shop\""), "{list}");
    let metrics = house.get("metrics", "/metrics").expect("an answer");
    assert!(!metrics.contains("application=\"shop\""), "{metrics}");
    house.until_event(|reason| reason == "Deleted").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_documented_command_takes_all_finalizers_off_before_an_uninstallation() {
    let house = House::start("uninstalled", "{}", &[]).await;
    let shop = Space::new("uninstalled-shop").await;
    let first = house.ship("deploy/settings.yaml", SETTINGS, "Settings");
    register(&house, "shop", &shop, "cascade");
    house.until_ready("shop", &first).await;
    // Of a whole cluster others than this test's Applications would lose theirs.
    let command = documented().replace("-A", &format!("-n {}", house.space.name));
    let loops = command.split("\n\n").next().expect("the first command");
    let ran = house.shell(loops);
    assert_eq!(ran.code, Some(0), "{}", ran.whole());
    let begun = std::time::Instant::now();
    while !finalizers(&house, "shop").is_empty() {
        assert!(begun.elapsed().as_secs() < 60, "{}", house.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    house.kubectl(&["delete", "applications.cutover.dev", "--all", "-n", &house.space.name, "--timeout=60s"]);
    assert!(shop.api::<ConfigMap>().get_opt("settings").await.expect("read").is_some());
}
