use super::yard::{Yard, sync};
use crate::kube_support::User;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

const QUIET: Duration = Duration::from_secs(2);

fn map(name: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{colour: blue}}}}\n")
}

async fn paint(yard: &Yard, name: &str, colour: &str) {
    let patch = Patch::Merge(json!({"data": {"colour": colour}}));
    yard.space.api::<ConfigMap>().patch(name, &PatchParams::default(), &patch).await.expect("changed");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn only_the_application_whose_object_changed_is_told_and_only_while_its_site_is_kept() {
    let (mut yard, proxy) = Yard::behind("changes").await;
    let apps = [yard.commit("shop", &map("a")), yard.commit("blog", &map("b"))];
    let mut sites = vec![];
    for app in &apps {
        let site = yard.open(app).await;
        sync(&site, app).await;
        sites.push(site);
    }
    yard.told_until_quiet(QUIET).await;
    let watches = proxy.counts().into_iter().filter(|(verb, _)| verb.starts_with("watch"));
    assert_eq!(
        watches.map(|(_, count)| count).sum::<usize>(),
        1,
        "two applications with one kind: {:?}",
        proxy.counts()
    );
    paint(&yard, "a", "red").await;
    assert_eq!(yard.told_until_quiet(QUIET).await, ["shop"]);
    paint(&yard, "a", "red").await;
    assert_eq!(yard.told_until_quiet(QUIET).await, [""; 0], "nothing changed");
    // What happens while the watch is broken is found by what comes after it.
    proxy.cut_watches();
    paint(&yard, "b", "green").await;
    yard.told("blog").await;
    drop(sites);
    yard.told_until_quiet(QUIET).await;
    paint(&yard, "a", "blue").await;
    assert_eq!(yard.told_until_quiet(QUIET).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_object_that_changes_again_and_again_is_told_ever_more_seldom() {
    let mut yard = Yard::new("storm", User::Admin).await;
    let shop = yard.commit("shop", &map("a"));
    let site = yard.open(&shop).await;
    sync(&site, &shop).await;
    yard.told_until_quiet(QUIET).await;
    for round in 0..60 {
        paint(&yard, "a", &format!("colour {round}")).await;
    }
    // 0.05, 0.1, 0.2, 0.4 … seconds apart, and one at the end.
    let told = yard.told_until_quiet(Duration::from_secs(31)).await;
    assert!((1..=8).contains(&told.len()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn who_may_not_watch_all_namespaces_watches_the_applications_own() {
    let mut yard = Yard::new("narrow", User::Restricted).await;
    yard.space
        .apply(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: all}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: all}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: all}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: restricted}]
",
        )
        .await;
    let shop = yard.commit("shop", &map("a"));
    let site = yard.open(&shop).await;
    sync(&site, &shop).await;
    yard.told("shop").await;
    yard.told_until_quiet(QUIET).await;
    paint(&yard, "a", "red").await;
    yard.told("shop").await;
}
