//! Jobs that run once, delete themselves and write into what Git declares.

use super::repository::{Drift, Repository, object};
use serde_json::{Value, json};

const WEBHOOKS: &str = "admissionregistration.k8s.io/v1";
const JOBS: [&str; 2] =
    ["apply jobs.batch doorman-admission-create", "apply jobs.batch doorman-admission-patch"];

/// What a Job of the deploy does at its end: it writes the authority of its certificate into the webhook.
async fn fill_certificate(doorman: &Repository) {
    let path = object(WEBHOOKS, "validatingwebhookconfigurations/doorman-admission");
    let mut webhooks = doorman.read(&path).await["webhooks"].clone();
    webhooks[0]["clientConfig"]["caBundle"] = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t".into();
    doorman.patch_as("certgen", &path, json!({"webhooks": webhooks})).await;
}

fn jobs(writes: &[String]) -> Vec<&str> {
    let mut jobs: Vec<&str> =
        writes.iter().map(String::as_str).filter(|write| write.contains("jobs.batch")).collect();
    jobs.sort_unstable();
    jobs
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn jobs_that_delete_themselves_run_again_for_a_new_content_or_when_they_come_back_and_for_nothing_else()
{
    let doorman = Repository::new("doorman", "doorman").await;
    doorman.first_sync(17).await;
    assert_eq!(jobs(&doorman.first_writes()), JOBS);
    fill_certificate(&doorman).await;
    doorman.has_nothing_to_do().await;
    let first = doorman.state().await;
    // Somebody changes the very webhook that has the certificate of somebody else.
    let path = object(WEBHOOKS, "validatingwebhookconfigurations/doorman-admission");
    let mut webhooks: Value = doorman.read(&path).await["webhooks"].clone();
    webhooks[0]["failurePolicy"] = "Ignore".into();
    doorman
        .repairs(
            &[
                Drift::Patch(path, json!({"webhooks": webhooks})),
                Drift::Patch(
                    object("v1", "doorman/services/doorman"),
                    json!({"spec": {"selector": {"app.kubernetes.io/name": "somebody"}}}),
                ),
                Drift::Delete(object("networking.k8s.io/v1", "ingressclasses/doorman")),
            ],
            &first,
        )
        .await;
    doorman.change("doorman.yaml", |text| {
        let mut documents: Vec<&str> = text.split("\n---\n").collect();
        documents.retain(|document| {
            !document.contains("name: doorman-admission")
                || document.contains("kind: Service\n")
                || document.contains("kind: Deployment")
        });
        documents.join("\n---\n")
    });
    doorman.commit("Nobody is asked");
    doorman
        .prunes(
            &first,
            &[
                "ClusterRole/doorman-admission",
                "ClusterRoleBinding/doorman-admission",
                "Role/doorman/doorman-admission",
                "RoleBinding/doorman/doorman-admission",
                "ServiceAccount/doorman/doorman-admission",
                "ValidatingWebhookConfiguration/doorman-admission",
            ],
        )
        .await;
    // The webhook that comes back has no certificate, so whoever writes it has to run again.
    assert_eq!(jobs(&doorman.reverted()), JOBS);
    fill_certificate(&doorman).await;
    doorman.is_as(&first).await;
    doorman.change("doorman.yaml", |text| text.replace("certgen:1.6.0", "certgen:1.6.1"));
    doorman.commit("Another version makes the certificate");
    assert_eq!(jobs(&doorman.synced()), JOBS);
    doorman.is_as(&first).await;
    doorman.end(&["doorman"]).await;
}
