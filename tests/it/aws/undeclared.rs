//! Rollouts whose documents a commit removes before they are over: told, refused, and nothing of them is pruned.

use super::Rig;
use super::begun::{at_a_tenth, share, shop, sync_of};
use crate::account::{RULE, RULE_2, Shop, seed};
use cutover::engine::{Deployment, Platform, RequestVerb, Status, SyncReport, Verdict, handle, plan, status};
use cutover::model::SlotName;
use cutover::plan::{Change, Plan, under_way};
use cutover::simulator::Settings;
use cutover::sites::EcsTarget;
use serde_json::json;

/// The documents of `shop` without its web workload, with pruning on.
pub(super) fn without_web(shop: &Shop) -> Deployment {
    let mut deployment = pruning(shop);
    deployment.manifests.blue_greens.clear();
    deployment.manifests.services.remove("web");
    deployment.manifests.task_definitions.remove("web");
    deployment
}

fn pruning(shop: &Shop) -> Deployment {
    let mut deployment = shop.deployment();
    deployment.application.sync.prune_limit = "100%".into();
    deployment
}

async fn looked(rig: &Rig, deployment: &Deployment) -> (Plan, Status) {
    let rig = rig.another().await;
    let target = EcsTarget::new(rig.aws.clone(), &deployment.application, "prod", 1);
    (plan(&target, deployment).await.unwrap(), status(&target, deployment).await.unwrap())
}

async fn synced(rig: &Rig, deployment: &Deployment) -> SyncReport {
    sync_of(rig, deployment, "").await.0.unwrap()
}

/// The live services that the plan would delete.
fn pruned(plan: &Plan) -> Vec<&str> {
    let items = plan.items.iter().filter(|item| item.change == Change::Prune);
    items.map(|item| item.resource.as_str()).collect()
}

fn is_there(rig: &Rig, service: &str) -> bool {
    let input = json!({"cluster": "prod", "services": [service]});
    let answer = rig.connector.world().call("ecs", "DescribeServices", &input).unwrap();
    answer["services"][0]["status"] == "ACTIVE"
}

/// Plan, status and sync refuse, say why, and touch nothing of the rollout into `slot`.
async fn assert_refused(rig: &Rig, without: &Deployment, slot: &str, progress: &str) {
    let why = format!(
        "its rollout into web-{slot} is not over ({progress}), and no BlueGreen declares it any more, so nobody watches \
         it; restore Service/web and its BlueGreen in Git until the rollout has ended, by itself or by `cutover abort`"
    );
    let before = share(rig);
    let (plan, status) = looked(rig, without).await;
    let blocked = plan.items.iter().find(|item| item.change == Change::Blocked).expect("a blocked item");
    assert_eq!((blocked.document().as_str(), &blocked.why), ("BlueGreen/web", &why));
    assert_eq!(pruned(&plan), [""; 0]);
    assert!(plan.has_changes() && !status.in_sync);
    assert!(status.notices.contains(&format!("BlueGreen/web: {why}")), "{:?}", status.notices);
    rig.clear_log();
    let report = synced(rig, without).await;
    assert_eq!(report.verdict, Verdict::Error, "{report:?}");
    assert!(report.results.iter().any(|result| result.message == why), "{:?}", report.results);
    for write in ["ModifyRule", "UpdateService", "DeleteService", "CreateService"] {
        assert_eq!(rig.count(write), 0, "{write}");
    }
    assert!(is_there(rig, "web-blue") && is_there(rig, "web-green"));
    assert_eq!(share(rig), before);
}

#[tokio::test(start_paused = true)]
async fn a_shift_whose_documents_are_removed_is_refused_until_they_are_back_and_it_has_ended() {
    let rig = at_a_tenth(&shop()).await;
    let without = without_web(&shop().at("v2"));
    assert_refused(&rig, &without, "blue", "10% reached").await;
    let report = synced(&rig, &pruning(&shop().at("v2"))).await;
    assert_eq!((report.verdict, share(&rig)), (Verdict::Done, 100), "the remedy");
    let (plan, status) = looked(&rig, &without).await;
    assert!(plan.items.iter().all(|item| item.change != Change::Blocked), "{plan:?}");
    assert_eq!(pruned(&plan), ["web-green"]);
    let serving = status.notices.iter().find(|notice| notice.starts_with("web-blue (Service/web)"));
    let serving = serving.expect("the serving slot is told");
    assert!(serving.contains("bring its documents back, or let something else answer"), "{serving}");
    assert!(!serving.contains("or give it weight 0"), "{serving}");
    assert_eq!(synced(&rig, &without).await.verdict, Verdict::Done);
    assert!(is_there(&rig, "web-blue") && !is_there(&rig, "web-green"));
    assert_eq!(share(&rig), 100);
}

#[tokio::test(start_paused = true)]
async fn the_way_back_of_a_bake_is_not_pruned_when_its_documents_are_removed() {
    let shop = Shop { steps: "[{weight: 100}]", bake: "10m", ..shop() };
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    assert_eq!(synced(&rig, &pruning(&shop)).await.verdict, Verdict::Done);
    let (stopped, said) = sync_of(&rig, &pruning(&shop.at("v2")), "the bake").await;
    assert_eq!((stopped.unwrap().verdict, share(&rig)), (Verdict::Stopped, 100), "{said:#?}");
    assert_refused(&rig, &without_web(&shop.at("v2")), "blue", "bake began").await;
    let report = synced(&rig, &pruning(&shop)).await;
    assert_eq!((report.verdict, share(&rig)), (Verdict::Done, 0), "the way back: {report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_a_commit_declares_as_rolling_is_left_alone_until_its_rollout_has_ended() {
    let shop = Shop { prune: false, ..shop() };
    let rig = at_a_tenth(&shop).await;
    let mut rolling = shop.at("v3").deployment();
    rolling.manifests.blue_greens.clear();
    let service = rolling.manifests.services.get_mut("web").unwrap();
    service.spec["serviceName"] = "web-green".into();
    let (plan, _) = looked(&rig, &rolling).await;
    let blocked: Vec<String> =
        plan.items.iter().filter(|i| i.change == Change::Blocked).map(|i| i.document()).collect();
    assert_eq!(blocked, ["Service/web", "BlueGreen/web"]);
    rig.clear_log();
    assert_eq!(synced(&rig, &rolling).await.verdict, Verdict::Error);
    assert_eq!(rig.count("UpdateService"), 0);
}

/// The candidate's share on the rule that the commit drops.
async fn moved_to_another_rule(wanted: &'static str) -> (Rig, Shop) {
    let rig = at_a_tenth(&shop()).await;
    let actions = json!([{"Type": "forward", "TargetGroupArn": rig.connector.world().target_group_arn("web-green").unwrap()}]);
    rig.connector
        .world()
        .call("elbv2", "ModifyRule", &json!({"RuleArn": RULE_2, "Actions": actions}))
        .unwrap();
    (rig, Shop { rules: vec![RULE_2], ..shop().at(wanted) })
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_a_commit_drops_while_the_candidate_has_requests_there_blocks_until_it_is_back() {
    // The same version, the one before, and a new one.
    for wanted in ["v2", "v1", "v3"] {
        let (rig, moved) = moved_to_another_rule(wanted).await;
        let (plan, _) = looked(&rig, &moved.deployment()).await;
        let blocked = plan.items.iter().find(|item| item.change == Change::Blocked).expect("a blocked item");
        let why = format!("set its production rules of the BlueGreen to rules with {RULE} among them");
        assert!(blocked.why.contains(&why), "{wanted}: {}", blocked.why);
        rig.clear_log();
        let report = synced(&rig, &moved.deployment()).await;
        assert_eq!(report.verdict, Verdict::Error, "{wanted}: {report:?}");
        assert!(report.results.iter().any(|result| result.message == blocked.why), "{:?}", report.results);
        assert_eq!((rig.count("ModifyRule"), rig.count("UpdateService")), (0, 0), "{wanted}");
        let report = synced(&rig, &Shop { rules: vec![RULE, RULE_2], ..moved }.deployment()).await;
        let expected = if wanted == "v1" { 0 } else { 100 };
        assert_eq!((report.verdict == Verdict::Done, share(&rig)), (true, expected), "{wanted}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_may_be_dropped_once_the_candidate_is_taken_out_of_it() {
    let (rig, moved) = moved_to_another_rule("v2").await;
    let actions = json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]);
    rig.connector.world().call("elbv2", "ModifyRule", &json!({"RuleArn": RULE, "Actions": actions})).unwrap();
    let report = synced(&rig, &moved.deployment()).await;
    assert_eq!(report.verdict, Verdict::Done, "{report:?}");
    assert!(rig.weights(RULE_2).iter().all(|(group, weight)| (*weight > 0) == group.contains("web-blue")));
}

#[tokio::test(start_paused = true)]
async fn live_slots_tell_what_is_under_way_and_by_which_commit() {
    let rig = at_a_tenth(&shop()).await;
    let deployment = shop().at("v2").deployment();
    let target = EcsTarget::new(rig.aws.clone(), &deployment.application, "prod", 1);
    let found = under_way(&target.read_slots(&deployment.application).await.unwrap());
    let said =
        |one: &cutover::plan::UnderWay| (one.workload.clone(), one.progress.clone(), one.commit.clone());
    let expected = ("Service/web".to_owned(), "10% reached".to_owned(), Some(deployment.commit.clone()));
    assert_eq!(found.iter().map(said).collect::<Vec<_>>(), [expected]);
    assert_eq!(synced(&rig, &deployment).await.verdict, Verdict::Done);
    assert_eq!(under_way(&target.read_slots(&deployment.application).await.unwrap()), []);
}

#[tokio::test(start_paused = true)]
async fn an_abort_tells_of_a_rule_of_others_that_still_sends_requests_to_the_candidate() {
    let rig = at_a_tenth(&shop()).await;
    let blue = rig.connector.world().target_group_arn("web-blue").unwrap();
    let actions = json!([{"Type": "forward", "TargetGroupArn": blue}]);
    rig.connector
        .world()
        .call("elbv2", "ModifyRule", &json!({"RuleArn": RULE_2, "Actions": actions}))
        .unwrap();
    let deployment = shop().at("v2").deployment();
    let target = EcsTarget::new(rig.another().await.aws.clone(), &deployment.application, "prod", 1);
    handle(&target, &deployment, RequestVerb::Abort, None).await.unwrap();
    target.release().await.unwrap();
    let report = synced(&rig, &deployment).await;
    assert_eq!((report.verdict, share(&rig)), (Verdict::Failed, 0), "{report:?}");
    let message = &report.results.iter().find(|result| result.document == "BlueGreen/web").unwrap().message;
    assert!(message.contains("blue still gets requests") && message.contains(RULE_2), "{message}");
    let (_, status) = looked(&rig, &deployment).await;
    let blue = &status.workloads[0].slots.as_ref().unwrap().blue;
    assert_eq!(blue.role.to_string(), "candidate");
}

#[tokio::test(start_paused = true)]
async fn a_shift_whose_documents_are_removed_is_told_without_pruning_too() {
    let shop = Shop { prune: false, ..shop() };
    let rig = at_a_tenth(&shop).await;
    let without = without_web(&shop.at("v2"));
    assert_refused(&rig, &without, "blue", "10% reached").await;
    assert_eq!(synced(&rig, &shop.at("v2").deployment()).await.verdict, Verdict::Done, "the remedy");
    let (plan, status) = looked(&rig, &without).await;
    assert!(plan.items.iter().all(|item| item.change == Change::Unchanged), "{plan:?}");
    assert_eq!(status.notices, [""; 0], "what is at rest is nobody's trouble");
}

#[tokio::test(start_paused = true)]
async fn a_return_is_not_done_while_a_rule_that_a_commit_dropped_sends_requests_to_the_candidate() {
    let both = Shop { rules: vec![RULE, RULE_2], ..shop() };
    let rig = Rig::with(Settings::default(), &seed(&[RULE, RULE_2])).await;
    assert_eq!(synced(&rig, &both.deployment()).await.verdict, Verdict::Done);
    let (stopped, said) = sync_of(&rig, &both.at("v2").deployment(), "more at 10%").await;
    assert_eq!((stopped.unwrap().verdict, share(&rig)), (Verdict::Stopped, 10), "{said:?}");
    let fewer = Shop { rules: vec![RULE_2], ..both.at("v1") }.deployment();
    let report = synced(&rig, &fewer).await;
    assert_eq!(report.verdict, Verdict::Error, "{report:?}");
    let message = &report.results.iter().find(|result| result.document == "BlueGreen/web").unwrap().message;
    assert!(message.contains(&format!("rules with {RULE} among them")), "{message}");
    assert_eq!(share(&rig), 10, "it is left alone");
    assert!(rig.weights(RULE_2).iter().all(|(group, weight)| group.contains("web-green") == (*weight > 0)));
    // The remedy: the rule is back in the documents.
    let back = Shop { rules: vec![RULE, RULE_2], ..both.at("v1") }.deployment();
    assert_eq!(synced(&rig, &back).await.verdict, Verdict::Done);
    assert_eq!(share(&rig), 0);
    assert_eq!(synced(&rig, &fewer).await.verdict, Verdict::Done);
}

/// The documents of `shop` with its workload under another name.
fn renamed(shop: &Shop) -> Deployment {
    let mut deployment = shop.deployment();
    let mut service = deployment.manifests.services.remove("web").expect("a service");
    service.name = "site".into();
    service.spec["serviceName"] = "site".into();
    deployment.manifests.services.insert("site".into(), service);
    let blue_green = deployment.manifests.blue_greens.get_mut("web").expect("a BlueGreen");
    blue_green.workload_ref.name = "site".into();
    deployment
}

#[tokio::test(start_paused = true)]
async fn a_workload_under_another_name_is_told_to_adopt_what_serves_and_nothing_is_sent_elsewhere() {
    let rig = at_a_tenth(&shop()).await;
    let report = synced(&rig, &renamed(&shop().at("v2"))).await;
    let told: Vec<&str> = report.results.iter().map(|result| result.message.as_str()).collect();
    assert_eq!((report.verdict, share(&rig)), (Verdict::Error, 10), "{told:#?}");
    let adopt = "adopt it; set slots.blue.service of the BlueGreen to web-blue";
    assert!(told.iter().any(|text| text.contains(adopt)), "{told:#?}");
    assert!(told.iter().all(|text| !text.contains("green 100")), "{told:#?}");
    let mut adopted = renamed(&shop().at("v2"));
    let slots = &mut adopted.manifests.blue_greens.get_mut("web").expect("a BlueGreen").slots;
    let service = |name: &str| Some(SlotName { service: Some(name.into()), ..SlotName::default() });
    (slots.blue, slots.green) = (service("web-blue"), service("web-green"));
    let report = synced(&rig, &adopted).await;
    assert_eq!((report.verdict, share(&rig)), (Verdict::Done, 100), "the remedy: {report:?}");
}
