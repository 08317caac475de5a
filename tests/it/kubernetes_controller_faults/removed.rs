//! A commit removes the documents of a rollout in the midst of it.

use super::rig::{On, PATIENCE, Rig};
use cutover::rollout::Progress;
use std::time::{Duration, Instant};

const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n";
const OTHER_ON_ECS: &str = "\
apiVersion: ecs.cutover.dev/v1alpha1
kind: TaskDefinition
metadata: {name: other}
spec: {family: other, containerDefinitions: [{name: app, image: 'registry.example/other:v1'}]}
";

/// The rollout is brought to its end with the documents that it began with, while the status says what is the matter.
async fn removed_on(on: On, other: &str) {
    let mut rig = Rig::start_on(on, "removed", 1).await;
    rig.ship("v2");
    let shifts = |seen: &super::rig::Seen| matches!(seen.progress(), Some(Progress::Shifting { .. }));
    rig.until("it shifts", |seen| shifts(seen) && seen.image.ends_with("v2")).await;
    rig.write("deploy/web.yaml", other);
    rig.commit("Without web");
    let begun = Instant::now();
    while !rig.message("shop").await.contains("no BlueGreen declares it any more; while requests are on it") {
        assert!(begun.elapsed() < PATIENCE, "nobody is told: {}", rig.message("shop").await);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    rig.until_done().await;
    rig.check_end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_rollout_on_kubernetes_whose_documents_are_removed_comes_to_its_end() {
    removed_on(On::Kubernetes, OTHER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_rollout_on_ecs_whose_documents_are_removed_comes_to_its_end() {
    removed_on(On::Ecs, OTHER_ON_ECS).await;
}
