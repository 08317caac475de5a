//! What people change by hand.

use super::house::{House, is};
use crate::kube_support::Space;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

const SETTINGS: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {LOG_LEVEL: info}\n";

fn level(settings: &ConfigMap) -> &str {
    settings.data.as_ref().and_then(|data| data.get("LOG_LEVEL")).map_or("", String::as_str)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_is_changed_by_hand_is_put_back_at_once_or_only_told() {
    let house = House::start("drifted", "{}", &[]).await;
    let shop = Space::new("drifted-shop").await;
    let first = house.ship("deploy/settings.yaml", SETTINGS, "Info");
    // Nothing of this waits for the interval.
    house.register("shop", "deploy", &shop.name, "{interval: 1h}");
    house.until_ready("shop", &first).await;
    let by_hand = r#"{"data":{"LOG_LEVEL":"trace"}}"#;
    let edit = || house.kubectl(&["patch", "configmap", "settings", "-n", &shop.name, "-p", by_hand]);
    edit();
    shop.wait_for("settings", "it is put back", |settings: &ConfigMap| level(settings) == "info").await;
    house.kubectl(&["delete", "configmap", "settings", "-n", &shop.name]);
    shop.wait_for("settings", "it is made anew", |settings: &ConfigMap| level(settings) == "info").await;

    house.register("shop", "deploy", &shop.name, "{interval: 1h, mode: observe}");
    house.until("shop", "the change is noted", |status| status["observedGeneration"] == 2).await;
    house.until_ready("shop", &first).await;
    edit();
    let told = house.until("shop", "it is told", |status| is(status, "False", "OutOfSync")).await;
    assert_eq!(told["differing"], json!(["ConfigMap/settings"]), "{told:#}");
    assert_eq!(told["changes"]["update"], 1, "{told:#}");
    let page = house.page("shop");
    let diff = page["diff"].as_str().unwrap_or_default();
    assert!(diff.contains("trace") && diff.contains("info"), "{page:#}");
    let left = shop.api::<ConfigMap>().get("settings").await.expect("there");
    assert_eq!(level(&left), "trace", "in observe nothing is changed");

    house.register("shop", "deploy", &shop.name, "{interval: 1h}");
    shop.wait_for("settings", "it is put back", |settings: &ConfigMap| level(settings) == "info").await;
    house.until_ready("shop", &first).await;
    let events =
        house.kubectl(&["get", "events", "-n", &house.space.name, "-o", "jsonpath={.items[*].reason}"]);
    for reason in ["DriftFound", "DriftRepaired"] {
        assert!(events.contains(reason), "{reason}: {events}");
    }
    let metrics = house.get("metrics", "/metrics").expect("an answer");
    for result in ["found", "repaired"] {
        let head = format!("cutover_drift_total{{result=\"{result}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&head)?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count >= 2), "{result}: {metrics}");
    }
    let others: Vec<String> =
        house.warnings().into_iter().filter(|line| !line.contains("\"event\":\"DriftFound\"")).collect();
    assert_eq!(others, [""; 0]);
}
