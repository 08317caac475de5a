//! A repository that is kept for Argo CD works unchanged.

use super::repository::{Drift, Repository, object};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_repository_kept_for_argo_works_unchanged() {
    let book = Repository::new("argo", "guestbook").await;
    // Of the 51 one is run when a sync fails, and one is deleted when it has succeeded.
    let first = book.first_sync(49).await;
    let writes = book.first_writes();
    let at = |name: &str| {
        let found = writes.iter().position(|write| write.split(' ').next_back() == Some(name));
        found.unwrap_or_else(|| panic!("no write of {name}: {writes:#?}"))
    };
    let in_order = [
        "announce-start",
        "migrate",
        "redis",
        "backend",
        "frontend",
        "thumbnails",
        "smoke-test",
        "warm-caches",
    ];
    for pair in in_order.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{} comes before {}: {writes:#?}", pair[0], pair[1]);
    }
    book.repairs(
        &[
            Drift::Patch(object("v1", "guestbook/configmaps/redis"), json!({"data": {"LOG_LEVEL": "trace"}})),
            Drift::Patch(
                object("apps/v1", "guestbook/deployments/frontend"),
                json!({"spec": {"replicas": 7}}),
            ),
            Drift::Delete(object("policy/v1", "guestbook/poddisruptionbudgets/worker")),
        ],
        &first,
    )
    .await;
    // The sync that was refused told somebody; the others ran once, with the first sync.
    assert_eq!(book.runs_of_hooks().await, ["migrate", "page-somebody", "smoke-test", "warm-caches"]);
    book.remove("waves/thumbnails.yaml");
    book.change("base/platform.yaml", |text| {
        let mut documents: Vec<&str> = text.split("\n---\n").collect();
        documents.retain(|document| !document.contains("kind: Secret"));
        documents.join("\n---\n")
    });
    book.commit("Without thumbnails, and the secret comes from elsewhere");
    book.prunes(
        &first,
        &[
            "ConfigMap/guestbook/thumbnails",
            "Deployment/guestbook/thumbnails",
            "NetworkPolicy/guestbook/thumbnails",
            "PodDisruptionBudget/guestbook/thumbnails",
            "Service/guestbook/thumbnails",
        ],
    )
    .await;
    book.reverts_to(&first).await;
    book.change("hooks/hooks.yaml", |text| {
        text.replacen("guestbook:2.3.0', args: [migrate]", "guestbook:2.4.0-fail0', args: [migrate]", 1)
            .replace("backoffLimit: 1", "backoffLimit: 0")
    });
    book.change("waves/backend.yaml", |text| text.replace("guestbook:2.3.0", "guestbook:2.4.0"));
    book.commit("A version whose migration fails");
    book.fails("migrate").await;
    let hooks = book.runs_of_hooks().await;
    assert!(hooks.contains(&"page-somebody".to_owned()), "{hooks:?}");
    let backend = book.image_of("guestbook", "backend").await;
    assert!(backend.ends_with("guestbook:2.3.0"), "it went on after a failed hook: {backend}");
    book.end(&["guestbook", "guestbook-monitoring"]).await;
}
