//! A program that fills what is empty in Git: its Secret and its ConfigMaps are its own, also through drift and reverts.

use super::repository::{Drift, Repository, object};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_a_program_writes_into_its_empty_secret_and_config_maps_stays_whatever_git_does_to_them() {
    let harbour = Repository::new("harbour", "harbour").await;
    harbour.first_sync(25).await;
    let secret = object("v1", "harbour/secrets/harbour-secret");
    let settings = object("v1", "harbour/configmaps/harbour-cm");
    let filled = json!({"data": {"admin.password": "JDJhJDEw", "server.secretkey": "c2VjcmV0"}});
    harbour.patch_as("harbour-server", &secret, filled.clone()).await;
    harbour.patch_as("harbour-server", &settings, json!({"data": {"installation": "7f3a"}})).await;
    let bells = json!({"data": {"token": "YmVsbA=="}});
    harbour.patch_as("harbour-bells", &object("v1", "harbour/secrets/harbour-bells-secret"), bells).await;
    harbour.has_nothing_to_do().await;
    let first = harbour.state().await;
    harbour
        .repairs(
            &[
                // Beside what the program wrote.
                Drift::Patch(
                    secret.clone(),
                    json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "somebody"}}}),
                ),
                Drift::Patch(
                    object("v1", "harbour/configmaps/harbour-known-hosts-cm"),
                    json!({"data": {"ssh_known_hosts": "evil.example.com ssh-ed25519 AAAA"}}),
                ),
                Drift::Patch(
                    object("apps/v1", "harbour/statefulsets/harbour-controller"),
                    json!({"spec": {"replicas": 2}}),
                ),
                Drift::Delete(object("networking.k8s.io/v1", "harbour/networkpolicies/harbour-server")),
            ],
            &first,
        )
        .await;
    harbour.remove("workloads/cache.yaml");
    harbour.change("config/config.yaml", |text| {
        let cm = "metadata: {name: harbour-cm, labels: {app.kubernetes.io/part-of: harbour}}\n";
        text.replacen(cm, &format!("{cm}data: {{server.insecure: \"true\"}}\n"), 1)
    });
    harbour.commit("Another cache, and a setting");
    harbour
        .prunes(
            &first,
            &[
                "Deployment/harbour/harbour-cache",
                "NetworkPolicy/harbour/harbour-cache",
                "Service/harbour/harbour-cache",
            ],
        )
        .await;
    let both = json!({"installation": "7f3a", "server.insecure": "true"});
    assert_eq!(harbour.read(&settings).await["data"], both);
    harbour.reverts_to(&first).await;
    assert_eq!(harbour.read(&secret).await["data"], filled["data"]);
    harbour.end(&["harbour"]).await;
}
