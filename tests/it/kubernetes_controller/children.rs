//! Applications among the documents of another one.

use super::house::{House, condition, is};
use crate::kube_support::Space;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

fn settings(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{LOG_LEVEL: info}}\n")
}

/// An Application of a wave, as a document.
fn child(house: &House, name: &str, wave: &str, namespace: &str) -> String {
    let metadata = format!("{{name: {name}, annotations: {{cutover.dev/wave: \"{wave}\"}}}}");
    let text = house.application(name, &format!("deploy/{name}"), namespace, "{interval: 1s, prune: true}");
    text.replace(&format!("{{name: {name}}}"), &metadata)
}

fn annotation(house: &House, namespace: &str, name: &str) -> String {
    let path = "jsonpath={.metadata.annotations.cutover\\.dev/parent}";
    house.kubectl(&["get", "applications.cutover.dev", name, "-n", namespace, "-o", path])
}

async fn until_there(house: &House, namespace: &str, name: &str) {
    let query = ["get", "applications.cutover.dev", name, "-n", namespace];
    let begun = Instant::now();
    while house.try_kubectl(&query, "").code != Some(0) {
        assert!(begun.elapsed() < PATIENCE, "nobody makes {name}: {}", house.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_there(house: &House, name: &str) -> bool {
    let query = ["get", "applications.cutover.dev", name, "-n", &house.space.name];
    house.try_kubectl(&query, "").code == Some(0)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn children_come_wave_after_wave_each_when_the_one_before_is_ready_and_go_alone() {
    let house = House::start("children", "{}", &[]).await;
    let shop = Space::new("children-shop").await;
    // What the first one shall have is not there yet.
    house.ship("deploy/second/settings.yaml", &settings("second"), "Second's folder");
    house.ship("apps/second.yaml", &child(&house, "second", "1", &shop.name), "Second");
    house.ship("apps/first.yaml", &child(&house, "first", "0", &shop.name), "First");
    let namespace = house.space.name.clone();
    house.register("root", "apps", &namespace, "{interval: 1s, prune: true, pruneLimit: 100%}");
    let is_waiting = |s: &Value| is(s, "False", "SourceFailed");
    until_there(&house, &namespace, "first").await;
    house.until("first", "its folder is missed", is_waiting).await;
    let is_failed = |s: &Value| is(s, "False", "Degraded");
    let status = house.until("root", "its first child keeps it up", is_failed).await;
    let told = condition(&status, "Ready")["message"].to_string();
    assert!(told.contains("Application/first") && told.matches("SourceFailed").count() == 1, "{told}");
    assert!(!is_there(&house, "second"), "a later wave did not wait");

    house.ship("deploy/first/settings.yaml", &settings("first"), "First's folder");
    let ready = |s: &Value| is(s, "True", "Synced");
    house.until("first", "it is ready", ready).await;
    until_there(&house, &namespace, "second").await;
    house.until("root", "both are ready", ready).await;
    house.until("second", "it is ready", ready).await;
    for name in ["first", "second"] {
        shop.api::<ConfigMap>().get(name).await.expect("its own documents");
        assert_eq!(annotation(&house, &namespace, name), format!("{namespace}/root"));
    }

    // Its document goes, and with it the Application and nothing else.
    tokio::task::block_in_place(|| house.desk.git(&["rm", "-q", "apps/second.yaml"]));
    tokio::task::block_in_place(|| house.desk.commit("Without the second"));
    let head = house.head();
    house.until_ready("root", &head).await;
    assert!(!is_there(&house, "second"));
    shop.api::<ConfigMap>().get("second").await.expect("what it brought about stays");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_child_has_no_more_than_the_application_that_makes_it() {
    let (mut house, _) = House::install("lineage").await;
    let team = Space::new("lineage-team").await;
    house.run("{}", &[&team.name], &[]).await;
    house.ship("deploy/within/settings.yaml", &settings("within"), "Settings");
    house.ship("apps/within.yaml", &child(&house, "within", "0", &team.name), "Within");
    // One that somebody made by hand is bounded as soon as it is adopted, whatever is to be left alone.
    house.kubectl_with(&["apply", "-n", &team.name, "-f", "-"], &child(&house, "within", "0", &team.name));
    let ignored = "[{group: cutover.dev, kind: Application, jsonPointers: [/metadata/annotations]}]";
    let root = house.application("root", "apps", &team.name, "{interval: 1s, prune: true}")
        + &format!("  ignoreDifferences: {ignored}\n");
    house.kubectl_with(&["apply", "-n", &team.name, "-f", "-"], &root);
    let ready = |s: &Value| is(s, "True", "Synced");
    house.until_in(&team.name, "within", "it is ready", ready).await;
    house.until_in(&team.name, "root", "it is ready", ready).await;
    assert_eq!(annotation(&house, &team.name, "within"), format!("{}/root", team.name));

    // It would be served with everything that the controller's own namespace has.
    let beyond = child(&house, "beyond", "0", &house.space.name);
    house.ship("apps/beyond.yaml", &beyond, "Beyond");
    let refused = |s: &Value| is(s, "False", "NotAllowed");
    let status = house.until_in(&team.name, "root", "its child is refused", refused).await;
    let told = condition(&status, "Ready")["message"].to_string();
    assert!(told.contains("apps/beyond.yaml:1: Application/beyond: "), "{told}");
    assert!(told.contains(&format!("namespace {} is not allowed", house.space.name)), "{told}");
    let elsewhere =
        beyond.replace("{name: beyond,", &format!("{{name: beyond, namespace: {},", house.space.name));
    house.ship("apps/beyond.yaml", &elsewhere, "Elsewhere");
    let names_parent =
        |s: &Value| condition(s, "Ready")["message"].to_string().contains("which it comes from");
    house.until_in(&team.name, "root", "its child is refused for its parent's sake", names_parent).await;
    assert!(!is_there(&house, "beyond"));

    // Each sync asks again: what somebody of the team made elsewhere is bounded by the team's Application for ever.
    let marked = house.application("marked", "deploy/within", &house.space.name, "{interval: 1s}");
    let annotated = format!("{{name: marked, annotations: {{cutover.dev/parent: {}/root}}}}", team.name);
    let marked = marked.replace("{name: marked}", &annotated);
    house.kubectl_with(&["apply", "-n", &house.space.name, "-f", "-"], &marked);
    let status = house.until("marked", "it is refused itself", refused).await;
    assert!(names_parent(&status), "{status:#}");
    let command =
        ["annotate", "applications.cutover.dev", "marked", "-n", &house.space.name, "cutover.dev/parent-"];
    house.kubectl(&command);
    house.until("marked", "it stands by itself", ready).await;
}
