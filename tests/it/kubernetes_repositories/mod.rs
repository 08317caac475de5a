//! Repositories in the manner of public ones, synced by the real binary from a real Git repository to a real API
//! server: first sync, a sync with nothing to do, drift by hand found and repaired, pruning, and the revert of it all.

mod api_server;
mod argo;
mod doorman;
mod harbour;
mod repository;
mod small;
mod watchtower;

use repository::{Drift, Repository, object};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_shop_of_58_objects_is_synced_repaired_pruned_and_reverted() {
    let shop = Repository::new("plain", "shop").await;
    let first = shop.first_sync(58).await;
    shop.repairs(
        &[
            Drift::Patch(
                object("v1", "shop/configmaps/web-settings"),
                json!({"data": {"LOG_LEVEL": "trace"}}),
            ),
            Drift::Patch(object("apps/v1", "shop/deployments/orders"), json!({"spec": {"replicas": 5}})),
            Drift::Patch(
                object("v1", "shop/secrets/payment-provider"),
                json!({"data": {"token": "b3RoZXI="}}),
            ),
            Drift::Patch(
                object("rbac.authorization.k8s.io/v1", "shop/roles/run-jobs"),
                json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
            ),
            Drift::Delete(object("v1", "shop/services/queue")),
            Drift::Delete(object("networking.k8s.io/v1", "shop-data/networkpolicies/to-database")),
        ],
        &first,
    )
    .await;
    shop.remove("edge/network.yaml");
    shop.remove("data/queue.yaml");
    shop.commit("Without a queue and without policies");
    let left = shop.prunes(
        &first,
        &[
            "Deployment/shop/queue",
            "NetworkPolicy/shop-data/to-database",
            "NetworkPolicy/shop/deny-all",
            "NetworkPolicy/shop/to-backend",
            "NetworkPolicy/shop/to-web",
            "Service/shop/queue",
        ],
    );
    left.await;
    shop.reverts_to(&first).await;
    shop.end(&["shop", "shop-data"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn definitions_and_54_objects_of_them_come_in_one_sync_and_are_repaired_pruned_and_reverted() {
    let teams = Repository::new("operators", "data-operator").await;
    let first = teams.first_sync(54).await;
    let caches = |name: &str| object("data.example.com/v1", &format!("team-reviews/caches/{name}"));
    // What an operator writes is its own.
    teams.patch_status(&caches("sessions"), json!({"status": {"conditions": [
        {"type": "Ready", "status": "True", "reason": "Running", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})).await;
    teams.has_nothing_to_do().await;
    teams
        .repairs(
            &[
                Drift::Patch(caches("sessions"), json!({"spec": {"memory": "64Mi"}})),
                Drift::Delete(caches("pages")),
                Drift::Patch(
                    object("data.example.com/v1alpha1", "databaseclasses/small"),
                    json!({"spec": {"disks": {"iops": 1}}}),
                ),
                Drift::Delete(object("rbac.authorization.k8s.io/v1", "clusterroles/data-viewer-caches")),
            ],
            &first,
        )
        .await;
    teams.remove("teams/media.yaml");
    teams.commit("Media goes its own way");
    teams
        .prunes(
            &first,
            &[
                "AlertRule.watch.example.com/team-media/cache-down",
                "AlertRule.watch.example.com/team-media/database-slow",
                "Cache.data.example.com/team-media/pages",
                "Cache.data.example.com/team-media/sessions",
                "ConfigMap/team-media/settings",
                "Database.data.example.com/team-media/main",
                "Deployment/team-media/app",
                "RoleBinding/team-media/view-data",
                "Secret/team-media/database-users",
                "Service/team-media/app",
                "ServiceAccount/team-media/app",
            ],
        )
        .await;
    teams.reverts_to(&first).await;
    teams.end(&["data-operator", "team-checkout", "team-reviews", "team-media"]).await;
}
