use super::support::{apply, config_maps, deployment, prune, shop, sync};
use crate::kube_support::Space;
use cutover::engine::Platform;

const TWO_KINDS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b, annotations: {argocd.argoproj.io/sync-options: Prune=false}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
";

const ONE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_is_no_longer_declared_is_found_through_the_set_and_the_set_shrinks_after_the_last_one() {
    let space = Space::new("prune").await;
    sync(&shop(&space).await, &deployment(&space, TWO_KINDS)).await.expect("synced");
    let platform = shop(&space).await;
    let app = deployment(&space, ONE);
    let live = platform.read_live(&app).await.expect("read");
    let owned: Vec<(&str, bool)> = live
        .owned
        .iter()
        .map(|owned| (owned.document.rsplit('/').next().unwrap_or_default(), owned.in_use.is_some()))
        .collect();
    assert_eq!(owned, [("a", false), ("b", true), ("web", false)]);
    let kinds = async || {
        let parent = platform
            .cluster()
            .get(&config_maps(), Some(&space.name), "cutover-shop")
            .await
            .expect("read")
            .expect("there");
        parent["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"].clone()
    };
    assert_eq!(kinds().await, "ConfigMap,Service");
    let path = |kind: &str, name: &str| format!("{kind}/{}/{name}", space.name);
    apply(&platform, &app, &prune(&path("ConfigMap", "a"))).await.expect("pruned");
    assert_eq!(kinds().await, "ConfigMap,Service");
    apply(&platform, &app, &prune(&path("Service", "web"))).await.expect("pruned");
    assert_eq!(kinds().await, "ConfigMap");
    let left = shop(&space).await.read_live(&app).await.expect("read").owned;
    assert_eq!(
        left.iter().map(|owned| owned.resource.as_str()).collect::<Vec<_>>(),
        [path("ConfigMap", "b")]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_lost_its_label_since_the_plan_is_not_pruned() {
    let space = Space::new("unlabelled").await;
    sync(&shop(&space).await, &deployment(&space, ONE)).await.expect("synced");
    let platform = shop(&space).await;
    let app = deployment(&space, TWO_KINDS);
    assert_eq!(platform.read_live(&app).await.expect("read").owned.len(), 1);
    let patch = serde_json::json!({"metadata": {"labels": {"applyset.kubernetes.io/part-of": null}}});
    platform.cluster().merge_patch(&config_maps(), Some(&space.name), "c", &patch).await.expect("patched");
    let refused =
        apply(&platform, &app, &prune(&format!("ConfigMap/{}/c", space.name))).await.expect_err("left alone");
    assert!(refused.message.contains("no longer bears"), "{refused}");
    assert!(platform.cluster().get(&config_maps(), Some(&space.name), "c").await.expect("read").is_some());
}
