use super::DONE;
use super::rig::Rig;
use cutover::engine::{Event, RunEnd, Signal, Signalling};
use cutover::model::{Slot, marks};
use cutover::rollout::{Action, Outcome};
use cutover::simulator::load_balancer_controller::ControllerFault;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;

const STEPS: &str = "steps: [{weight: 20, hold: 1s}, {weight: 100}]";

fn is_shift(event: &Event) -> bool {
    matches!(event, Event::Wrote { action: Action::SetWeights { .. }, .. })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_first_deploy_a_cutover_and_a_warm_revert_lose_no_request_and_the_revert_starts_no_pod() {
    let rig = Rig::start("rollout").await;
    let v1 = rig.commit("shop/web:v1", STEPS, "");
    assert_eq!(rig.run(&v1).await, DONE);
    assert_eq!(rig.weights(), [0, 100], "the slot that nobody reached comes first");
    let requests = rig.requests();
    assert_eq!(rig.run(&rig.commit("shop/web:v2", STEPS, "")).await, DONE);
    assert_eq!(rig.weights(), [100, 0]);
    let pods = rig.pods("app=web").await;
    assert_eq!(pods.len(), 4, "the old version stays warm");
    assert_eq!(rig.run(&v1).await, DONE);
    assert_eq!(rig.weights(), [0, 100]);
    assert_eq!(rig.pods("app=web").await, pods);
    let report = requests.stop().await;
    assert_eq!((report.failed, report.failures.as_slice()), (0, &[] as &[String]));
    assert!(report.by_release()["v1"] > 0 && report.by_release()["v2"] > 0, "{:?}", report.by_release());
    let process = rig.process().await;
    assert_eq!(process.run(&v1).await, DONE);
    assert_eq!(process.writes(), 0, "nothing was left to do");
    let sent = process.platform.cluster().call_counts().by_verb;
    println!("one look: {sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_version_that_never_becomes_ready_is_quarantined_and_let_go() {
    let rig = Rig::start("quarantine").await;
    assert_eq!(rig.run(&rig.commit("shop/web:v1", "", "")).await, DONE);
    let bad = rig.commit("shop/web:v2-unhealthy", "deadline: 20s", "");
    for _ in 0..2 {
        let RunEnd::Outcome(Outcome::Failed { reason }) = rig.run(&bad).await else {
            panic!("it did not fail")
        };
        assert!(reason.contains("deadline of 20s passed"), "{reason}");
    }
    assert_eq!(rig.weights(), [0, 100]);
    rig.until("its pods are gone", async || rig.pods("cutover.dev/slot=blue").await.is_empty()).await;
    assert_eq!(rig.run(&rig.commit("shop/web:v3", "", "")).await, DONE);
    assert_eq!(rig.weights(), [100, 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_abort_in_the_middle_of_a_shift_gives_the_traffic_back() {
    let rig = Rig::start("abort").await;
    assert_eq!(rig.run(&rig.commit("shop/web:v1", "", "")).await, DONE);
    let v2 = rig.commit("shop/web:v2", "steps: [{weight: 20, hold: 1h}, {weight: 100}]", "");
    let process = rig.process().await;
    let end = process.run_until(&v2, is_shift).await;
    assert!(matches!(end, RunEnd::Stopped { .. }), "{end:?}");
    assert_eq!(rig.weights(), [20, 80]);
    let rollout = v2.rollouts().remove(0);
    let deployment = rig.space.api::<Deployment>().get("web-blue").await.expect("there");
    let record = &deployment.annotations()[marks::RECORD];
    let number = record.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    process.apply_signal(&rollout, Slot::Blue, Signal::Abort(number)).await.expect("noted");
    let end = rig.run(&v2).await;
    let RunEnd::Outcome(Outcome::Failed { reason }) = end else { panic!("{end:?}") };
    assert!(reason.contains("aborted"), "{reason}");
    assert_eq!(rig.weights(), [0, 100]);
    // Told to forget, it is tried once more.
    process.apply_signal(&rollout, Slot::Blue, Signal::Forget).await.expect("noted");
    let again = rig.commit("shop/web:v2", "steps: [{weight: 20, hold: 1s}, {weight: 100}]", "");
    assert_eq!(rig.run(&again).await, DONE);
    assert_eq!(rig.weights(), [100, 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_commit_in_the_middle_of_a_shift_takes_the_traffic_back_before_its_slot_is_touched() {
    let rig = Rig::start("middle").await;
    assert_eq!(rig.run(&rig.commit("shop/web:v1", "", "")).await, DONE);
    let requests = rig.requests();
    let v2 = rig.commit("shop/web:v2", "steps: [{weight: 20, hold: 1h}, {weight: 100}]", "");
    let end = rig.process().await.run_until(&v2, is_shift).await;
    assert!(matches!(end, RunEnd::Stopped { .. }), "{end:?}");
    let process = rig.process().await;
    assert_eq!(process.run(&rig.commit("shop/web:v3", STEPS, "")).await, DONE);
    let said = process.said.borrow().join("\n");
    let back = said.find("SetWeights").expect("a shift");
    assert!(back < said.find("UpdateSlot").expect("an update"), "{said}");
    assert_eq!(rig.weights(), [100, 0]);
    let report = requests.stop().await;
    assert_eq!((report.failed, report.failures.as_slice()), (0, &[] as &[String]));
    let deployment = rig.space.api::<Deployment>().get("web-blue").await.expect("there");
    let spec = deployment.spec.expect("spec").template.spec.expect("pods");
    assert_eq!(spec.containers[0].image.as_deref(), Some("shop/web:v3"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn pods_that_the_load_balancer_does_not_know_keep_the_gate_closed() {
    let rig = Rig::start("behind").await;
    rig.follower.inject("web-green", ControllerFault::Partial(1));
    let v1 = rig.commit("shop/web:v1", "", "");
    let process = rig.process().await;
    let is_behind = |event: &Event| matches!(event, Event::Waiting { text, .. } if text.contains("green targets: 1 of 2 healthy"));
    let end = process.run_until(&v1, is_behind).await;
    assert!(matches!(end, RunEnd::Stopped { .. }), "{end:?}: {:?}", process.said.borrow());
    let ready = |deployment: &Deployment| {
        deployment.status.as_ref().and_then(|status| status.ready_replicas) == Some(2)
    };
    rig.space.wait_for("web-green", "Kubernetes holds both pods for ready", ready).await;
    assert_eq!(rig.weights(), [100, 0]);
    rig.follower.inject("web-green", ControllerFault::None);
    assert_eq!(rig.run(&v1).await, DONE);
    assert_eq!(rig.weights(), [0, 100]);
}

const CARRIED: &str = "---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 1, maxReplicas: 5}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn autoscalers_and_budgets_are_carried_to_both_slots_and_the_count_follows_the_live_side() {
    let rig = Rig::start("carried").await;
    assert_eq!(rig.run(&rig.commit("shop/web:v1", "", CARRIED)).await, DONE);
    let scale = serde_json::json!({"spec": {"replicas": 3}});
    let scale = kube::api::Patch::Merge(&scale);
    let deployments = rig.space.api::<Deployment>();
    deployments.patch_scale("web-green", &Default::default(), &scale).await.expect("scaled");
    let three = |deployment: &Deployment| {
        deployment.status.as_ref().and_then(|status| status.ready_replicas) == Some(3)
    };
    rig.space.wait_for("web-green", "it has three pods", three).await;
    assert_eq!(rig.run(&rig.commit("shop/web:v2", "", CARRIED)).await, DONE);
    for slot in ["blue", "green"] {
        let name = format!("web-{slot}");
        let scaler = rig.space.api::<HorizontalPodAutoscaler>().get(&name).await.expect("an autoscaler");
        assert_eq!(scaler.spec.scale_target_ref.name, name);
        let budget = rig.space.api::<PodDisruptionBudget>().get(&name).await.expect("a budget");
        let selector = budget.spec.expect("spec").selector.expect("a selector").match_labels.expect("labels");
        assert_eq!(selector.get(marks::SLOT).map(String::as_str), Some(slot));
        assert_eq!(deployments.get(&name).await.expect("there").spec.expect("spec").replicas, Some(3));
    }
    let scale_down = async |slot: &str| {
        let scaler =
            rig.space.api::<HorizontalPodAutoscaler>().get(&format!("web-{slot}")).await.expect("there");
        scaler.spec.behavior.and_then(|behavior| behavior.scale_down?.select_policy)
    };
    assert_eq!(scale_down("blue").await.as_deref(), Some("Max"));
    assert_eq!(scale_down("green").await.as_deref(), Some("Disabled"), "a warm side stays as it is");
    let fewer = CARRIED.replace("maxReplicas: 5", "maxReplicas: 2");
    assert_eq!(rig.run(&rig.commit("shop/web:v3", "", &fewer)).await, DONE);
    assert_eq!(rig.weights(), [0, 100]);
    assert_eq!(deployments.get("web-green").await.expect("there").spec.expect("spec").replicas, Some(2));
    assert_eq!(
        (scale_down("blue").await.as_deref(), scale_down("green").await.as_deref()),
        (Some("Disabled"), Some("Max"))
    );
    assert!(rig.space.api::<Deployment>().get_opt("web").await.expect("read").is_none());
    assert!(
        rig.space.api::<Service>().get_opt("web").await.expect("read").is_none(),
        "it is only the pattern"
    );
    assert!(rig.space.api::<HorizontalPodAutoscaler>().get_opt("web").await.expect("read").is_none());
}
