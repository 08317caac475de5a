//! The end of an application on ECS: everything of its own goes, and nothing that requests still reach.

use super::Rig;
use super::begun::{share, shop, sync_of};
use crate::account::{RULE, TEST_LISTENER, seed};
use cutover::engine::{Deployment, Silent, StopSignal, SyncReport, Verdict, delete_all, plan, plan_delete};
use cutover::model::Manifests;
use cutover::plan::Change;
use cutover::simulator::{Failure, Settings};
use cutover::sites::EcsTarget;
use serde_json::json;

fn ending(deployment: &Deployment) -> Deployment {
    Deployment { manifests: Manifests::default(), ..deployment.clone() }
}

async fn deleted(rig: &Rig, deployment: &Deployment) -> SyncReport {
    let rig = rig.another().await;
    let target = EcsTarget::new(rig.aws.clone(), &deployment.application, "prod", 1);
    let report = delete_all(&target, &ending(deployment), &Silent, &StopSignal::default()).await.unwrap();
    target.release().await.unwrap();
    report
}

fn are_there(rig: &Rig, services: &[&str]) -> Vec<bool> {
    let active = |name: &&str| {
        let input = json!({"cluster": "prod", "services": [name]});
        let answer = rig.connector.world().call("ecs", "DescribeServices", &input).unwrap();
        answer["services"][0]["status"] == "ACTIVE"
    };
    services.iter().map(active).collect()
}

/// Somebody takes both groups out of the rule and of the test listener.
fn leave_the_rule(rig: &Rig) {
    let action = json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}});
    let input = json!({"RuleArn": RULE, "Actions": [action]});
    rig.connector.world().call("elbv2", "ModifyRule", &input).unwrap();
    let action = json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}});
    let input = json!({"ListenerArn": TEST_LISTENER, "DefaultActions": [action]});
    rig.connector.world().call("elbv2", "ModifyListener", &input).unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_requests_reach_a_service_and_then_all_of_it_in_one_go() {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    let deployment = shop().deployment();
    assert_eq!(sync_of(&rig, &deployment, "").await.0.unwrap().verdict, Verdict::Done);
    let before = share(&rig);

    let held = deleted(&rig, &deployment).await;
    assert_eq!(held.verdict, Verdict::Error, "{:?}", held.results);
    let told = held.results.iter().find(|result| result.message.contains("rule")).expect("the rule is named");
    assert!(told.message.starts_with("can't be deleted yet: "), "{}", told.message);
    assert!(are_there(&rig, &["worker", "web-blue"])[..1] == [true], "what may serve the rest stays");
    assert_eq!(share(&rig), before, "a rule is nobody's to change here");

    leave_the_rule(&rig);
    let target = EcsTarget::new(rig.another().await.aws.clone(), &deployment.application, "prod", 1);
    let planned = plan_delete(&target, &ending(&deployment)).await.unwrap();
    assert!(planned.items.iter().all(|item| item.change == Change::Prune), "{planned:?}");
    let report = deleted(&rig, &deployment).await;
    assert_eq!(report.verdict, Verdict::Done, "{:?}", report.results);
    assert_eq!(are_there(&rig, &["worker", "web-blue", "web-green"]), [false; 3]);
    rig.clear_log();
    assert_eq!(deleted(&rig, &deployment).await.verdict, Verdict::Done, "again");
    assert_eq!(rig.writes(), 0, "there is nothing left to write about");
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_listed_is_not_taken_for_gone() {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    let deployment = shop().deployment();
    assert_eq!(sync_of(&rig, &deployment, "").await.0.unwrap().verdict, Verdict::Done);
    leave_the_rule(&rig);
    rig.inject("ListServices", Failure::Denied, u32::MAX);
    let process = rig.another().await;
    let target = EcsTarget::new(process.aws.clone(), &deployment.application, "prod", 1);
    let ended = delete_all(&target, &ending(&deployment), &Silent, &StopSignal::default()).await;
    assert!(ended.expect_err("unreadable").doing.contains("ListServices"));
    assert_eq!(are_there(&rig, &["worker"]), [true]);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_became_empty_is_not_in_sync_and_deletes_nothing() {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    let deployment = shop().deployment();
    assert_eq!(sync_of(&rig, &deployment, "").await.0.unwrap().verdict, Verdict::Done);
    for prune in [true, false] {
        let mut empty = ending(&deployment);
        empty.application.sync.prune = prune;
        empty.application.sync.prune_limit = "100%".into();
        let target = EcsTarget::new(rig.another().await.aws.clone(), &empty.application, "prod", 1);
        let planned = plan(&target, &empty).await.unwrap();
        assert!(planned.has_changes(), "prune: {prune}");
        let item = planned.items.iter().find(|item| item.change == Change::Blocked).expect("told");
        assert!(item.why.contains("no document was found"), "{}", item.why);
        let report = sync_of(&rig, &empty, "").await.0.unwrap();
        assert_eq!(report.verdict, Verdict::Error, "prune: {prune}");
        assert_eq!(are_there(&rig, &["worker"]), [true]);
    }
}
