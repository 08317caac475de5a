use super::support::{config_maps, connect, deployments};
use crate::kube_support::{Space, User};
use cutover::engine::TroubleKind;
use cutover::kubernetes::{Apply, Preconditions, Propagation, Refusal, Verb, WatchEvent};
use futures_util::StreamExt;
use serde_json::{Value, json};

fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"of": "test"}}, "data": {"a": value}})
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_is_not_there_is_told_apart_from_what_could_not_be_read() {
    let space = Space::new("client").await;
    let cluster = connect(&space, User::Admin).await;
    let namespace = Some(space.name.as_str());
    assert_eq!(cluster.get(&config_maps(), namespace, "none").await, Ok(None));
    let unknown = cutover::kubernetes::Resource::known("nobody.dev", "v1", "X", "xs", true);
    let failed = cluster.get(&unknown, namespace, "none").await.expect_err("not served");
    assert_eq!(failed.kind, TroubleKind::Missing, "{failed}");
    let restricted = connect(&space, User::Restricted).await;
    let failed = restricted.get(&config_maps(), namespace, "none").await.expect_err("not allowed");
    assert_eq!(failed.kind, TroubleKind::Denied);
    for word in ["get", "configmaps", &space.name] {
        assert!(failed.message.contains(word), "{failed} lacks {word}");
    }
    assert!(cluster.clock().now().0 > 1_700_000_000);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_list_of_more_than_a_page_is_whole() {
    let space = Space::new("pages").await;
    let cluster = connect(&space, User::Admin).await;
    let namespace = Some(space.name.as_str());
    let names: Vec<String> = (0..520).map(|number| format!("c{number:03}")).collect();
    let applies = futures_util::stream::iter(&names).map(|name| {
        let cluster = &cluster;
        async move { cluster.apply(&config_maps(), namespace, &config(name, "1"), Apply::default()).await }
    });
    assert!(applies.buffer_unordered(32).all(|applied| async move { applied.is_ok() }).await);
    let listed = cluster.list(&config_maps(), namespace, "of=test").await.expect("a list");
    let found: Vec<&str> = listed.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
    assert_eq!(found, names);
    assert!(listed.iter().all(|item| item["kind"] == "ConfigMap" && item["apiVersion"] == "v1"));
    assert_eq!(cluster.call_counts().of(Verb::List), 2);
    assert_eq!(cluster.call_counts().writes(), 520);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn writes_with_preconditions_hold_only_for_what_was_read() {
    let space = Space::new("preconditions").await;
    let cluster = connect(&space, User::Admin).await;
    let namespace = Some(space.name.as_str());
    let made = cluster.create(&config_maps(), namespace, &config("c", "1")).await.expect("created");
    let again = cluster.create(&config_maps(), namespace, &config("c", "1")).await.expect_err("it is there");
    assert_eq!(again.kind, TroubleKind::LookAgain);
    let mut changed = made.clone();
    changed["data"]["a"] = "2".into();
    let changed = cluster.replace(&config_maps(), namespace, &changed).await.expect("replaced");
    for version in [&made, &changed] {
        let is_current = version == &changed;
        let patch = json!({"metadata": {"resourceVersion": version["metadata"]["resourceVersion"], "annotations": {"b": "c"}}});
        let patched = cluster.merge_patch(&config_maps(), namespace, "c", &patch).await;
        assert_eq!(
            patched.map(drop).map_err(|t| t.kind),
            if is_current { Ok(()) } else { Err(TroubleKind::LookAgain) }
        );
    }
    let delete = |conditions: Preconditions| {
        let cluster = &cluster;
        async move {
            let deleted =
                cluster.delete(&config_maps(), namespace, "c", &conditions, Propagation::Background).await;
            deleted.map_err(|trouble| trouble.kind)
        }
    };
    assert_eq!(delete(Preconditions::unchanged(&made)).await, Err(TroubleKind::LookAgain));
    assert_eq!(delete(Preconditions::same_object(&made)).await, Ok(()));
    assert_eq!(delete(Preconditions::same_object(&made)).await, Ok(()), "it is gone already");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn every_unknown_field_of_an_apply_is_named_at_once() {
    let space = Space::new("strict").await;
    let cluster = connect(&space, User::Admin).await;
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replica": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "side", "image": "a"}, {"name": "app", "imagee": "a"}]}}}});
    let refused =
        cluster.apply(&deployments(), Some(&space.name), &body, Apply { dry_run: true, force: false }).await;
    let Err(Refusal::Invalid { fields, .. }) = refused else { panic!("{refused:?}") };
    let mut paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["spec.replica", "spec.template.spec.containers[1].imagee"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_refused_secret_is_told_without_its_values() {
    let space = Space::new("secrets").await;
    let cluster = connect(&space, User::Admin).await;
    let secrets = cutover::kubernetes::Resource::known("", "v1", "Secret", "secrets", true);
    for data in [
        json!({"data": {"a": "hunter2!"}}),
        json!({"stringData": {"a": 31337}}),
        json!({"stringData": {"hunter2 is": "31337"}}),
        json!({"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "hunter2 31337"}}),
    ] {
        let mut body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        body.as_object_mut().expect("fields").extend(data.as_object().expect("fields").clone());
        let refused =
            cluster.apply(&secrets, Some(&space.name), &body, Apply::default()).await.expect_err("refused");
        let told = refused.into_trouble("apply").to_string();
        assert!(!told.contains("31337") && !told.contains("hunter2!"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_watch_tells_what_is_what_comes_and_what_goes() {
    let space = Space::new("watch").await;
    let cluster = connect(&space, User::Admin).await;
    let namespace = Some(space.name.as_str());
    cluster.create(&config_maps(), namespace, &config("first", "1")).await.expect("created");
    let mut events = Box::pin(cluster.watch(&config_maps(), namespace, "of=test"));
    let mut next = async || match events.next().await.expect("it does not end").expect("an event") {
        WatchEvent::ListBegins => "begins".to_owned(),
        WatchEvent::ListEnds => "ends".to_owned(),
        WatchEvent::Is(object) => format!("{} is {}", object["metadata"]["name"], object["data"]["a"]),
        WatchEvent::Gone(object) => format!("{} gone", object["metadata"]["name"]),
    };
    assert_eq!([next().await, next().await, next().await], ["begins", "\"first\" is \"1\"", "ends"]);
    let second = cluster.create(&config_maps(), namespace, &config("second", "2")).await.expect("created");
    assert_eq!(next().await, "\"second\" is \"2\"");
    let this = Preconditions::same_object(&second);
    cluster
        .delete(&config_maps(), namespace, "second", &this, Propagation::Background)
        .await
        .expect("deleted");
    assert_eq!(next().await, "\"second\" gone");
}
