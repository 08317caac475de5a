use super::support::{deployment, shop, sync};
use crate::kube_support::Space;
use cutover::engine::{Guard, Platform, TroubleKind};
use cutover::kubernetes::Resource;
use cutover::platform::Owner;

fn leases() -> Resource {
    Resource::known("coordination.k8s.io", "v1", "Lease", "leases", true)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn of_two_runs_that_begin_together_one_gets_the_lock_and_the_other_one_waits_for_its_end() {
    let space = Space::new("lock").await;
    let (one, other) = (shop(&space).await, shop(&space).await);
    let (first, second) = (one.writer(Owner::new("one", 1)), other.writer(Owner::new("other", 2)));
    let taken = first.check_lease().await.expect_err("look again");
    assert_eq!(taken.kind, TroubleKind::LookAgain);
    assert_eq!(first.check_lease().await, Ok(()));
    let lease = async || {
        one.cluster().get(&leases(), Some(&space.name), "cutover-shop").await.expect("read").expect("there")
    };
    assert!(lease().await["spec"]["holderIdentity"].as_str().expect("text").starts_with("one/1/"));
    let waiting = tokio::spawn(async move {
        let taken = second.check_lease().await.map_err(|trouble| trouble.kind);
        (taken, second)
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "two runs have the lock");
    first.release().await.expect("released");
    let (taken, second) = waiting.await.expect("no panic");
    assert_eq!(taken, Err(TroubleKind::LookAgain));
    assert!(lease().await["spec"]["holderIdentity"].as_str().expect("text").starts_with("other/2/"));
    second.release().await.expect("released");
    assert_eq!(lease().await["spec"]["holderIdentity"], "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_run_whose_lock_was_taken_away_writes_nothing_more() {
    let space = Space::new("lost").await;
    let platform = shop(&space).await;
    let writer = platform.writer(Owner::new("one", 1));
    writer.acquire().await.expect("taken");
    let thief = platform.cluster().without_guard();
    let patch = serde_json::json!({"spec": {"holderIdentity": "other/2/x"}});
    thief.merge_patch(&leases(), Some(&space.name), "cutover-shop", &patch).await.expect("stolen");
    let app = deployment(&space, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}");
    // Its age is what makes it look; until then it may rely on nobody taking over a fresh lease.
    sync(&platform, &app).await.expect("the lease is fresh");
    writer.release().await.expect("not ours any more");
    let lease = thief.get(&leases(), Some(&space.name), "cutover-shop").await.expect("read").expect("there");
    assert_eq!(lease["spec"]["holderIdentity"], "other/2/x", "a release hit the new holder");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_application_that_brings_its_own_namespace_begins_with_it() {
    let space = Space::new("own").await;
    let name = format!("{}-shop", space.name);
    let mut app = deployment(
        &space,
        &format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}"
        ),
    );
    app.application.sync.prune = true;
    let cluster = shop(&space).await.cluster().clone();
    let platform = cutover::platform::kubernetes::Kubernetes::new(cluster, "shop", &name);
    let live = platform.read_live(&app).await.expect("read");
    assert!(live.objects.values().all(|object| object.live.is_none()));
    let writer = platform.writer(Owner::new("one", 1));
    assert_eq!(writer.check_lease().await.map_err(|trouble| trouble.kind), Err(TroubleKind::LookAgain));
    sync(&platform, &app).await.expect("synced");
    assert_eq!(sync(&platform, &app).await, Ok(vec![]));
    let namespaces = Resource::known("", "v1", "Namespace", "namespaces", false);
    let all = cutover::kubernetes::Preconditions::default();
    writer.release().await.expect("released");
    platform
        .cluster()
        .delete(&namespaces, None, &name, &all, cutover::kubernetes::Propagation::Background)
        .await
        .expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_missing_namespace_is_made_as_nobodys_where_that_is_asked_for_and_else_left_as_it_is() {
    let space = Space::new("made").await;
    let name = format!("{}-shop", space.name);
    let mut app =
        deployment(&space, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {level: first}");
    app.application.sync.prune = true;
    app.application.destination = cutover::model::Destination::Kubernetes {
        namespace: name.clone(),
        context: None,
        region: None,
        kubeconfig_secret_ref: None,
    };
    let cluster = shop(&space).await.cluster().clone();
    let platform = || cutover::platform::kubernetes::Kubernetes::new(cluster.clone(), "shop", &name);
    let asked_for_nothing = platform().read_live(&app).await.expect("read");
    let would_be = &asked_for_nothing.objects.values().next().expect("one").would_be;
    assert!(format!("{would_be:?}").contains("or set sync.createNamespace"), "{would_be:?}");

    app.application.sync.create_namespace = true;
    let platform_once = platform();
    let live = platform_once.read_live(&app).await.expect("read");
    assert!(
        live.notices[0].contains("is not there and is made before everything else"),
        "{:?}",
        live.notices
    );
    let writer = platform_once.writer(Owner::new("one", 1));
    assert_eq!(writer.check_lease().await.map_err(|trouble| trouble.kind), Err(TroubleKind::LookAgain));
    sync(&platform_once, &app).await.expect("synced");
    writer.release().await.expect("released");
    let namespaces = Resource::known("", "v1", "Namespace", "namespaces", false);
    let made = cluster.get(&namespaces, None, &name).await.expect("read").expect("made");
    assert_eq!(made["metadata"]["labels"].as_object().map(|labels| labels.len()), Some(1), "{made}");
    assert_eq!(made["metadata"].get("annotations"), None, "{made}");

    // It is there now, and neither a later sync nor the end of the documents concerns it.
    let patch = serde_json::json!({"metadata": {"labels": {"team": "a"}}});
    let labelled = cluster.merge_patch(&namespaces, None, &name, &patch).await.expect("patched");
    app.manifests.objects.values_mut().for_each(|object| object.body["data"]["level"] = "second".into());
    let again = platform();
    assert_eq!(sync(&again, &app).await, Ok(vec!["update a".to_owned()]));
    let live = again.read_live(&app).await.expect("read");
    assert_eq!(live.notices, [""; 0]);
    assert!(live.owned.iter().all(|owned| !owned.resource.starts_with("Namespace")), "{:?}", live.owned);
    let now = cluster.get(&namespaces, None, &name).await.expect("read").expect("there");
    assert_eq!(now["metadata"]["resourceVersion"], labelled["metadata"]["resourceVersion"], "it was written");
    let all = cutover::kubernetes::Preconditions::default();
    let background = cutover::kubernetes::Propagation::Background;
    cluster.delete(&namespaces, None, &name, &all, background).await.expect("deleted");
}
