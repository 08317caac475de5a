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
async fn what_a_sync_wrote_and_read_again_is_not_told() {
    let mut yard = Yard::new("own", User::Admin).await;
    let deployment = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: 'web:v1'}]}}}
";
    let [one, two, green] =
        [map("a"), format!("{}---\n{}---{deployment}", map("a"), map("b")), "green".into()];
    let site = yard.open(&yard.commit("shop", &one)).await;
    for text in [&one, &one, &two, &two.replace("blue", &green)] {
        sync(&site, &yard.commit("shop", text)).await;
        assert_eq!(yard.told_until_quiet(QUIET).await, [""; 0], "after {text}");
    }
    // A new connection, and with it new watches, whose first lists show everything.
    let shop = yard.commit("shop", &two.replace("blue", &green));
    drop(site);
    let site = yard.open(&shop).await;
    sync(&site, &shop).await;
    assert_eq!(yard.told_until_quiet(QUIET).await, [""; 0]);
    paint(&yard, "b", "red").await;
    assert_eq!(yard.told_until_quiet(QUIET).await, ["shop"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_others_write_at_any_moment_of_a_sync_is_seen_by_it_or_told_after_it() {
    let mut yard = Yard::new("moments", User::Admin).await;
    // One object for each moment: what changes again and again is told ever more seldom.
    let moments = 0..20;
    let maps = |changed: u64| {
        let colour = |number| if number <= changed { "green" } else { "blue" };
        let map = |number| map(&format!("a{number}")).replace("blue", colour(number));
        moments.clone().map(map).collect::<Vec<String>>().join("---\n")
    };
    let mut site = None;
    for moment in moments.clone() {
        let shop = yard.commit("shop", &maps(moment));
        let Some(site) = &site else {
            let first = yard.open(&shop).await;
            sync(&first, &shop).await;
            site = Some(first);
            continue;
        };
        let name = format!("a{moment}");
        let others = async {
            tokio::time::sleep(Duration::from_millis(moment * 15)).await;
            paint(&yard, &name, "red").await;
        };
        let (synced, ()) = tokio::join!(sync(site, &shop), others);
        let mut is_due = !synced.status.in_sync;
        while is_due || !yard.told_until_quiet(Duration::from_millis(700)).await.is_empty() {
            is_due = !sync(site, &shop).await.status.in_sync;
        }
        let found = yard.space.api::<ConfigMap>().get(&name).await.expect("there").data.expect("data");
        assert_eq!(found["colour"], "green", "painted {} ms after the beginning of the sync", moment * 15);
    }
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
    yard.told_until_quiet(QUIET).await;
    paint(&yard, "a", "red").await;
    yard.told("shop").await;
}
