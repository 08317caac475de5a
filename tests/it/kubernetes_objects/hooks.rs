use super::support::{config_maps, deployment, of, shop, sync};
use crate::kube_support::Space;
use cutover::engine::Platform;
use cutover::plan::WouldBe;
use cutover::platform::kubernetes::Forcing;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

fn app(level: &str, image: &str) -> String {
    format!(
        "
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{level: {level}}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: migrate, annotations: {{cutover.dev/hook: pre-sync}}}}
spec:
  backoffLimit: 0
  template:
    spec: {{restartPolicy: Never, containers: [{{name: app, image: 'migrate:{image}'}}]}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_hook_runs_once_for_a_content_and_not_for_drift_nor_after_its_job_is_gone() {
    let space = Space::new("hook").await;
    let first = deployment(&space, &app("info", "ok"));
    assert_eq!(
        sync(&shop(&space).await, &first).await,
        Ok(vec!["create migrate".to_owned(), "create settings".to_owned()])
    );
    let jobs = space.api::<Job>();
    let ran = jobs.get("migrate").await.expect("the hook's Job").uid();
    assert_eq!(sync(&shop(&space).await, &first).await, Ok(vec![]));
    let patch = serde_json::json!({"data": {"level": "trace"}});
    shop(&space)
        .await
        .cluster()
        .merge_patch(&config_maps(), Some(&space.name), "settings", &patch)
        .await
        .expect("drift");
    assert_eq!(
        sync(&shop(&space).await.forcing(Forcing::Always), &first).await,
        Ok(vec!["update settings".to_owned()])
    );
    assert_eq!(jobs.get("migrate").await.expect("the hook's Job").uid(), ran, "a repair of drift ran it");
    jobs.delete("migrate", &kube::api::DeleteParams::background()).await.expect("deleted");
    space.wait_gone::<Job>("migrate").await;
    assert_eq!(
        sync(&shop(&space).await, &first).await,
        Ok(vec![]),
        "a Job that deletes itself was run again"
    );
    let second = deployment(&space, &app("debug", "ok"));
    assert_eq!(
        sync(&shop(&space).await, &second).await,
        Ok(vec!["create migrate".to_owned(), "update settings".to_owned()])
    );
    let ran = jobs.get("migrate").await.expect("the hook's Job").uid();
    let third = deployment(&space, &app("warn", "ok"));
    assert_eq!(
        sync(&shop(&space).await, &third).await,
        Ok(vec!["update migrate".to_owned(), "update settings".to_owned()])
    );
    assert_ne!(
        jobs.get("migrate").await.expect("the hook's Job").uid(),
        ran,
        "a new content has a run of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_failed_hook_stops_the_sync_now_and_later() {
    let space = Space::new("hookfail").await;
    let broken = deployment(&space, &app("info", "fail"));
    for _ in 0..2 {
        let failed = sync(&shop(&space).await, &broken).await.expect_err("the hook failed");
        assert!(failed.message.contains("not run again for the same content"), "{failed}");
    }
    let platform = shop(&space).await;
    assert_eq!(platform.cluster().get(&config_maps(), Some(&space.name), "settings").await, Ok(None));
    let live = platform.read_live(&broken).await.expect("read");
    assert_eq!(of(&live, "migrate").would_be, WouldBe::Same);
    assert!(live.moving.contains(&of(&live, "migrate").key.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_hook_that_is_to_go_once_it_succeeded_goes_and_does_not_run_again() {
    let space = Space::new("hookgoes").await;
    let policy =
        "cutover.dev/hook: pre-sync, helm.sh/hook-delete-policy: 'before-hook-creation,hook-succeeded'";
    let text = |level: &str, image: &str| app(level, image).replace("cutover.dev/hook: pre-sync", policy);
    let first = deployment(&space, &text("info", "ok"));
    let both = vec!["create migrate".to_owned(), "create settings".to_owned()];
    assert_eq!(sync(&shop(&space).await, &first).await, Ok(both));
    space.wait_gone::<Job>("migrate").await;
    assert_eq!(sync(&shop(&space).await, &first).await, Ok(vec![]), "it ran twice for a content");
    let second = deployment(&space, &text("debug", "fail"));
    sync(&shop(&space).await, &second).await.expect_err("the hook failed");
    assert!(space.api::<Job>().get("migrate").await.is_ok(), "its logs are needed");
}
