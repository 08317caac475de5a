//! Webhooks, and what is seen from outside.

use super::house::House;
use crate::kube_support::Space;
use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::json;

const SECRET: &str = "It's a Secret to Everybody";

fn settings(level: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{LOG_LEVEL: {level}}}\n")
}

/// Delivers as a Git server does; gives the status of the answer.
fn deliver(house: &House, secret: &str) -> u16 {
    let body = json!({"repository": house.repository()}).to_string();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let signature = format!("sha256={}", HEXLOWER.encode(tag.as_ref()));
    let url = house.url("webhooks", "/generic");
    let sent = tokio::task::block_in_place(|| {
        let config = ureq::post(&url).config().http_status_as_error(false).build();
        config.header("x-hub-signature-256", signature).send(&body)
    });
    sent.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_signed_webhook_makes_a_commit_live_at_once_and_the_controller_is_seen_from_outside() {
    let secrets = tempfile::tempdir().expect("a folder");
    let file = secrets.path().join("generic");
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
    let spec = json!({"webhooks": {"generic": {"secretFiles": [file]}}}).to_string();
    let house = House::start("nudged", &spec, &["--webhooks", "127.0.0.1:0"]).await;
    let shop = Space::new("nudged-shop").await;
    let first = house.ship("deploy/settings.yaml", &settings("info"), "Info");
    house.register("shop", "deploy", &shop.name, "{interval: 1h}");
    house.until_ready("shop", &first).await;

    let second = house.ship("deploy/settings.yaml", &settings("debug"), "Debug");
    assert_eq!(deliver(&house, "guessed"), 401);
    assert_eq!(deliver(&house, SECRET), 202);
    house.until_ready("shop", &second).await;

    let health = ["/healthz", "/readyz"].map(|path| house.get("metrics", path).expect("it is well"));
    assert_eq!(health, ["ok\n"; 2]);
    let metrics = house.get("metrics", "/metrics").expect("an answer");
    for wanted in ["cutover_queue_oldest_seconds", "cutover_commit_to_live_seconds", "cutover_webhooks_total"]
    {
        assert!(metrics.contains(wanted), "{wanted}: {metrics}");
    }
    let page = house.page("shop");
    assert_eq!(
        (&page["key"]["name"], &page["mode"], &page["status"]["sync"], &page["status"]["revision"]),
        (&json!("shop"), &json!("enforce"), &json!("Synced"), &json!(second)),
        "{page:#}"
    );
    assert_eq!(house.warnings(), [""; 0]);
}
