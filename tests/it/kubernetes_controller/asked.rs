//! Steps by hand: people ask a controller with the program, by the Application's name.

use super::house::{House, WEB, condition, is};
use serde_json::Value;

fn version(number: u32) -> String {
    WEB.replace("web:v1", &format!("web:v{number}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn people_promote_abort_retry_suspend_and_resume() {
    let house = House::start("asked", "{}", &[]).await;
    let shop = crate::kube_support::Space::new("asked-shop").await;
    let image = || house.live_image(&shop.name);
    let awaits = |commit: String| {
        move |status: &Value| status["revision"] == commit && is(status, "False", "AwaitingApproval")
    };
    let first = house.ship("deploy/web.yaml", &WEB.replace("approval: true", "approval: false"), "Version 1");
    house.register("shop", "deploy", &shop.name, "{interval: 1s}");
    house.until_ready("shop", &first).await;

    let second = house.ship("deploy/web.yaml", &version(2), "Version 2");
    // How long the gates take is not for this test to know.
    let is_under_way = |status: &Value| {
        ["gating", "awaiting-approval"].iter().any(|p| status["workloads"][0]["phase"] == *p)
    };
    house.until("shop", "the rollout is under way", is_under_way).await;
    assert!(house.ask("abort", "shop").contains("aborted BlueGreen/web"));
    house.until("shop", "it is given up", |status| is(status, "False", "RolloutFailed")).await;
    assert_eq!(image().await, "registry.example/web:v1");
    assert!(house.ask("retry", "shop").contains("removed the notes of BlueGreen/web"));
    house.until("shop", "it waits for approval", awaits(second.clone())).await;
    assert_eq!(image().await, "registry.example/web:v1");
    assert!(house.ask("promote", "shop").contains("promoted BlueGreen/web"));
    house.until_ready("shop", &second).await;
    let log = house.log();
    let (answered, live) = (log.rfind("\"RequestHandled\""), log.rfind("\"Synced\""));
    assert!(answered < live, "the answer waited for the end of the rollout: {log}");
    assert_eq!(image().await, "registry.example/web:v2");

    assert_eq!(house.ask("suspend", "shop"), "[cutover]/shop: suspended\n");
    let third = house.ship("deploy/web.yaml", &version(3), "Version 3");
    let is_seen =
        |status: &Value| status["revision"] == third && condition(status, "Ready")["reason"] == "Suspended";
    let status = house.until("shop", "the commit is seen", is_seen).await;
    assert_eq!(
        (&status["sync"], &status["health"]),
        (&"OutOfSync".into(), &"Suspended".into()),
        "{status:#}"
    );
    let refused = house.cutover(&["promote", "--app", "shop", "--app-namespace", &house.space.name]);
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    assert_eq!(image().await, "registry.example/web:v2", "nothing of a suspended application is touched");
    assert_eq!(house.ask("resume", "shop"), "[cutover]/shop: resumed\n");
    house.until("shop", "the rollout is under way", is_under_way).await;
}
