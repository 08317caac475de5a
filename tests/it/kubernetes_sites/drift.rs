use super::yard::{Yard, planned, sync};
use crate::kube_support::User;
use cutover::engine::Verdict;
use cutover::model::SyncMode;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'web:v1'}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
";

/// As `kubectl edit` does it.
async fn edit(yard: &Yard, manager: &str, patch: Value) {
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let edited = yard.space.api::<Deployment>().patch("web", &params, &Patch::Strategic(patch)).await;
    edited.expect("edited");
}

async fn scale(yard: &Yard, replicas: u32) {
    let params = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    yard.space.api::<Deployment>().patch_scale("web", &params, &patch).await.expect("scaled");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_people_change_by_hand_is_told_and_taken_back() {
    let mut yard = Yard::new("drift", User::Admin).await;
    let shop = yard.commit("shop", SHOP);
    let site = yard.open(&shop).await;
    let first = sync(&site, &shop).await;
    assert_eq!((first.report.verdict, first.status.in_sync), (Verdict::Done, true), "{:?}", first.status);
    yard.told_until_quiet(std::time::Duration::from_secs(2)).await;

    scale(&yard, 5).await;
    yard.told("shop").await;
    let synced = sync(&site, &shop).await;
    assert_eq!(planned(&synced), ["update Deployment/web"]);
    assert_eq!((synced.report.verdict, synced.status.in_sync), (Verdict::Done, true));
    let web = yard.space.api::<Deployment>().get("web").await.expect("there");
    assert_eq!(web.spec.expect("a spec").replicas, Some(2));

    let image = |image: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}});
    yard.told_until_quiet(std::time::Duration::from_secs(2)).await;
    edit(&yard, "kubectl-edit", image("web:evil")).await;
    yard.told("shop").await;
    assert_eq!(planned(&sync(&site, &shop).await), ["update Deployment/web"]);
    let web = yard.space.api::<Deployment>().get("web").await.expect("there");
    let template = web.spec.expect("a spec").template.spec.expect("a pod");
    assert_eq!(template.containers[0].image.as_deref(), Some("web:v1"));

    yard.told_until_quiet(std::time::Duration::from_secs(2)).await;
    yard.space.api::<ConfigMap>().delete("settings", &Default::default()).await.expect("deleted");
    yard.told("shop").await;
    assert_eq!(planned(&sync(&site, &shop).await), ["create ConfigMap/settings"]);
    yard.space.api::<ConfigMap>().get("settings").await.expect("there again");
    assert_eq!(planned(&sync(&site, &shop).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn in_observe_drift_is_told_and_left_alone() {
    let mut yard = Yard::new("observe", User::Admin).await;
    let mut shop = yard.commit("shop", SHOP);
    sync(&yard.open(&shop).await, &shop).await;
    shop.application.sync.mode = SyncMode::Observe;
    let site = yard.open(&shop).await;
    assert!(sync(&site, &shop).await.status.in_sync);
    yard.told_until_quiet(std::time::Duration::from_secs(2)).await;
    scale(&yard, 5).await;
    yard.told("shop").await;
    let seen = sync(&site, &shop).await;
    assert_eq!(planned(&seen), ["update Deployment/web"]);
    assert_eq!((seen.report.verdict, seen.status.in_sync), (Verdict::Done, false));
    let web = yard.space.api::<Deployment>().get("web").await.expect("there");
    assert_eq!(web.spec.expect("a spec").replicas, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_was_there_before_is_still_a_conflict() {
    let yard = Yard::new("before", User::Admin).await;
    yard.space
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: red}}")
        .await;
    let shop = yard.commit("shop", SHOP);
    let synced = sync(&yard.open(&shop).await, &shop).await;
    assert_eq!(synced.report.verdict, Verdict::Error);
    let settings = yard.space.api::<ConfigMap>().get("settings").await.expect("there");
    assert_eq!(settings.data.expect("data")["colour"], "red");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn behind_a_closed_fence_nothing_is_written_and_the_lock_is_not_taken() {
    let yard = Yard::new("fence", User::Admin).await;
    let shop = yard.commit("shop", SHOP);
    let site = yard.open(&shop).await;
    yard.fence.0.store(true, std::sync::atomic::Ordering::SeqCst);
    let synced = sync(&site, &shop).await;
    assert_eq!(synced.report.verdict, Verdict::Error, "{:?}", synced.report.results);
    assert!(
        synced.report.results[0].message.contains("the seat is another's"),
        "{:?}",
        synced.report.results
    );
    let leases = yard.space.api::<k8s_openapi::api::coordination::v1::Lease>();
    assert_eq!(leases.list(&Default::default()).await.expect("a list").items.len(), 0);
    assert!(yard.space.api::<ConfigMap>().get_opt("settings").await.expect("an answer").is_none());
}
