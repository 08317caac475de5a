use super::DONE;
use super::rig::Rig;
use cutover::engine::RunEnd;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use serde_json::json;

/// As `kubectl set image` does it.
async fn set_image(rig: &Rig, name: &str, image: &str) {
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}});
    let params = PatchParams { field_manager: Some("kubectl-set".into()), ..PatchParams::default() };
    rig.space.api::<Deployment>().patch(name, &params, &Patch::Strategic(&patch)).await.expect("patched");
}

async fn image(rig: &Rig, name: &str) -> String {
    let deployment = rig.space.api::<Deployment>().get(name).await.expect("there");
    let pods = deployment.spec.expect("spec").template.spec.expect("pods");
    pods.containers[0].image.clone().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_hand_made_change_of_the_live_slot_is_answered_by_a_rollout_beside_it_and_one_of_its_scale_by_nothing()
 {
    let rig = Rig::start("drift").await;
    let v1 = rig.commit("shop/web:v1", "", "");
    assert_eq!(rig.run(&v1).await, DONE);
    let scale = json!({"spec": {"replicas": 3}});
    let deployments = rig.space.api::<Deployment>();
    deployments.patch_scale("web-green", &Default::default(), &Patch::Merge(&scale)).await.expect("scaled");
    let process = rig.process().await;
    assert_eq!(process.run(&v1).await, DONE);
    assert_eq!(process.writes(), 0, "more pods than declared are never taken from a slot with traffic");

    set_image(&rig, "web-green", "shop/web:hotfix").await;
    let available = |deployment: &Deployment| {
        let status = deployment.status.as_ref();
        let updated = status.and_then(|status| status.updated_replicas) == Some(3);
        updated && status.and_then(|status| status.available_replicas) == Some(3)
    };
    rig.space.wait_for("web-green", "the change is rolled out", available).await;
    let requests = rig.requests();
    assert_eq!(rig.run(&v1).await, DONE);
    assert_eq!(rig.weights(), [100, 0]);
    assert_eq!(image(&rig, "web-blue").await, "shop/web:v1");
    let report = requests.stop().await;
    assert_eq!((report.failed, report.failures.as_slice()), (0, &[] as &[String]));

    // The changed slot is idle now. What somebody else owns in it is not taken without a word.
    let end = rig.run(&rig.commit("shop/web:v2", "", "")).await;
    let RunEnd::Trouble(trouble) = &end else { panic!("{end:?}") };
    assert!(trouble.message.contains("belongs to kubectl-set"), "{trouble}");
    assert_eq!(rig.weights(), [100, 0]);
    let mut forced = rig.commit("shop/web:v2", "", "");
    forced.application.sync.force_conflicts = true;
    assert_eq!(rig.run(&forced).await, DONE);
    assert_eq!(rig.weights(), [0, 100]);
    assert_eq!(image(&rig, "web-green").await, "shop/web:v2");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_slots_service_that_somebody_deleted_is_made_anew() {
    let rig = Rig::start("heal").await;
    let v1 = rig.commit("shop/web:v1", "", "");
    assert_eq!(rig.run(&v1).await, DONE);
    rig.space.api::<Service>().delete("web-green", &Default::default()).await.expect("deleted");
    rig.until("its targets are gone", async || rig.healthy("web-green") == 0).await;
    assert_eq!(rig.run(&v1).await, DONE);
    rig.until("they are back", async || rig.healthy("web-green") == 2).await;
}
