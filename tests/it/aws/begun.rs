//! Rollouts under way, when what the rest of a sync needs can't be read.

use super::{Rig, seconds};
use crate::account::{RULE, Shop, Worker, seed};
use cutover::engine::{Deployment, Event, StopSignal, SyncReport, Trouble, Verdict, Watcher, sync};
use cutover::simulator::{Failure, Fault, Settings, TargetFault};
use cutover::sites::EcsTarget;
use serde_json::json;
use std::cell::RefCell;

/// Asks a sync to stop once it says so, and keeps what it said.
struct StopAt<'a> {
    stop: StopSignal,
    at: &'a str,
    said: RefCell<Vec<String>>,
}

impl Watcher for StopAt<'_> {
    fn event(&self, event: Event) {
        let text = match event {
            Event::Wrote { text, .. } | Event::Waiting { text, .. } | Event::Trouble { text, .. } => text,
            _ => return,
        };
        if !self.at.is_empty() && text.contains(self.at) {
            self.stop.set();
        }
        self.said.borrow_mut().push(text);
    }
}

/// One sync of a new process, stopped when it says `at`.
async fn sync_to(rig: &Rig, shop: &Shop, at: &str) -> (Result<SyncReport, Trouble>, Vec<String>) {
    sync_of(rig, &shop.deployment(), at).await
}

/// The same for any documents.
pub(super) async fn sync_of(
    rig: &Rig,
    deployment: &Deployment,
    at: &str,
) -> (Result<SyncReport, Trouble>, Vec<String>) {
    let rig = rig.another().await;
    let target = EcsTarget::new(rig.aws.clone(), &deployment.application, "prod", 1);
    let watcher = StopAt { stop: StopSignal::default(), at, said: RefCell::default() };
    let result = sync(&target, deployment, &watcher, &watcher.stop).await;
    let _ = target.release().await;
    (result, watcher.said.into_inner())
}

/// The shop at v1, and v2 under way with a tenth of the requests.
pub(super) async fn at_a_tenth(shop: &Shop) -> Rig {
    at_a_tenth_of(&shop.deployment(), &shop.at("v2").deployment()).await
}

/// The first of two deployments live, and the second one under way with a tenth of the requests.
pub(super) async fn at_a_tenth_of(first: &Deployment, second: &Deployment) -> Rig {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    let (live, said) = sync_of(&rig, first, "").await;
    assert_eq!(live.unwrap().verdict, Verdict::Done, "{said:?}");
    let (stopped, said) = sync_of(&rig, second, "at 10%").await;
    assert_eq!(stopped.unwrap().verdict, Verdict::Stopped, "{said:?}");
    assert_eq!(share(&rig), 10);
    rig
}

/// The share of the candidate, which is on blue: a first deploy takes the slot that has no weight.
pub(super) fn share(rig: &Rig) -> u32 {
    let weights = rig.weights(RULE);
    let of =
        |name: &str| weights.iter().filter(|(group, _)| group.contains(name)).map(|(_, w)| w).sum::<u32>();
    of("web-blue") * 100 / (of("web-green") + of("web-blue")).max(1)
}

pub(super) fn shop() -> Shop {
    let workers = vec![Worker { name: "worker", image: "v1" }];
    Shop { steps: "[{weight: 10, hold: 10m}, {weight: 100}]", prune: true, workers, ..Shop::default() }
}

#[tokio::test(start_paused = true)]
async fn a_revert_needs_no_list_of_services() {
    for failure in [Failure::Denied, Failure::Internal] {
        let rig = at_a_tenth(&shop()).await;
        rig.inject("ListServices", failure, u32::MAX);
        let (ended, said) = sync_to(&rig, &shop(), "").await;
        let trouble = ended.expect_err("the rest can't be read");
        assert!(trouble.doing.contains("ListServices"), "{trouble}");
        assert_eq!(share(&rig), 0, "{said:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revert_of_what_has_long_been_live_waits_for_no_answer_that_it_does_not_need() {
    for failure in [Failure::Denied, Failure::Internal] {
        let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
        let shop = Shop { keep: "1h", ..shop() };
        for image in ["v1", "v2"] {
            let (ended, said) = sync_to(&rig, &shop.at(image), "").await;
            assert_eq!(ended.unwrap().verdict, Verdict::Done, "{said:#?}");
        }
        assert_eq!(share(&rig), 100);
        rig.inject("ListServices", failure.clone(), u32::MAX);
        let begun = tokio::time::Instant::now();
        let (_, said) = sync_to(&rig, &shop, "at 100%").await;
        assert_eq!(share(&rig), 0, "{said:#?}");
        assert!(begun.elapsed().as_secs() < 15, "{failure:?}: {:?} {said:#?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_with_users_is_watched_while_the_rest_cannot_be_read() {
    let rig = at_a_tenth(&shop()).await;
    rig.inject("ListServices", Failure::Denied, u32::MAX);
    let die = async {
        seconds(60).await;
        assert_eq!(share(&rig), 10);
        let fault = Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy };
        rig.connector.world().inject(fault);
    };
    let wanted = shop().at("v2");
    let ((ended, said), ()) = tokio::join!(sync_to(&rig, &wanted, ""), die);
    assert!(ended.is_err());
    assert_eq!(share(&rig), 0, "{said:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_beside_it_does_not_delay_a_revert() {
    let rig = at_a_tenth(&shop()).await;
    // The lock's own first read passes; every other service is unreadable under it.
    rig.inject("RegisterTaskDefinition", Failure::Denied, u32::MAX);
    let reverted = Shop { workers: vec![Worker { name: "worker", image: "v2" }], ..shop() };
    let (ended, said) = sync_to(&rig, &reverted, "").await;
    let report = ended.unwrap();
    assert_eq!(report.verdict, Verdict::Error, "{report:?}");
    assert_eq!(share(&rig), 0, "{said:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_bake_that_is_longer_than_any_run_ends_when_all_of_it_was_watched() {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    let shop = Shop { bake: "150s", ..Shop::default() };
    assert_eq!(sync_to(&rig, &shop, "").await.0.unwrap().verdict, Verdict::Done);
    let mut ends = vec![];
    for _ in 0..8 {
        let rig = rig.another().await;
        let mut deployment = shop.at("v2").deployment();
        deployment.application.sync.timeout = 70;
        let target = EcsTarget::new(rig.aws.clone(), &deployment.application, "prod", 1);
        let watcher = StopAt { stop: StopSignal::default(), at: "", said: RefCell::default() };
        let report = sync(&target, &deployment, &watcher, &watcher.stop).await.unwrap();
        let _ = target.release().await;
        ends.push(report.verdict);
        if report.verdict == Verdict::Done {
            break;
        }
    }
    assert_eq!(ends.last(), Some(&Verdict::Done), "{ends:?}");
    assert!((3..=5).contains(&ends.len()), "{ends:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rule_put_back_to_a_side_without_tasks_loses_its_requests_again() {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    let shop = Shop { keep: "10s", ..Shop::default() };
    assert_eq!(sync_to(&rig, &shop, "").await.0.unwrap().verdict, Verdict::Done);
    assert_eq!(sync_to(&rig, &shop.at("v2"), "").await.0.unwrap().verdict, Verdict::Done);
    seconds(60).await;
    assert_eq!(sync_to(&rig, &shop.at("v2"), "").await.0.unwrap().verdict, Verdict::Done);
    seconds(60).await;
    assert_eq!(share(&rig), 100);
    let tasks = |rig: &Rig, name: &str| {
        let input = json!({"cluster": "prod", "services": [name]});
        let answer = rig.connector.world().call("ecs", "DescribeServices", &input).unwrap();
        answer["services"][0]["runningCount"].as_u64().unwrap_or_default()
    };
    assert_eq!(tasks(&rig, "web-green"), 0, "the old side is let go");
    // Somebody's tool writes what it wrote once.
    let mut groups = vec![];
    for (name, weight) in [("web-green", 100), ("web-blue", 0)] {
        let input = json!({"Names": [name]});
        let answer = rig.connector.world().call("elbv2", "DescribeTargetGroups", &input).unwrap();
        groups.push(json!({"TargetGroupArn": answer["TargetGroups"][0]["TargetGroupArn"], "Weight": weight}));
    }
    let input =
        json!({"RuleArn": RULE, "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]});
    rig.connector.world().call("elbv2", "ModifyRule", &input).unwrap();
    assert_eq!(share(&rig), 0);
    let (report, said) = sync_to(&rig, &shop.at("v2"), "").await;
    assert_eq!(report.unwrap().verdict, Verdict::Done, "{said:#?}");
    assert_eq!(share(&rig), 100, "{said:#?}");
    assert_eq!(tasks(&rig, "web-blue"), 2, "{said:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_before_the_old_side_is_brought_up_again_ends_no_watch() {
    let rig = at_a_tenth(&shop()).await;
    rig.connector.world().inject(Fault::DesiredCount { service: "web-green".into(), count: 0 });
    seconds(60).await;
    rig.inject("DescribeListeners", Failure::Denied, u32::MAX);
    let mut deployment = shop().at("v2").deployment();
    deployment.application.sync.timeout = 60;
    let other = rig.another().await;
    let target = EcsTarget::new(other.aws.clone(), &deployment.application, "prod", 1);
    let watcher = StopAt { stop: StopSignal::default(), at: "", said: RefCell::default() };
    // The plan asks the same, and says what it may not read.
    sync(&target, &deployment, &watcher, &watcher.stop).await.expect_err("denied");
    let _ = target.release().await;
    let said = watcher.said.into_inner();
    let asked = said.iter().filter(|line| line.contains("DescribeListeners")).count();
    assert!(asked > 5, "it gave up with users on the candidate: {said:#?}");
    assert_eq!(share(&rig), 10);
}

#[tokio::test(start_paused = true)]
async fn a_return_goes_on_after_a_rule_could_not_be_written() {
    let rig = at_a_tenth(&shop()).await;
    let fault = Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy };
    rig.connector.world().inject(fault);
    rig.inject("ModifyRule", Failure::Denied, 3);
    let mut deployment = shop().at("v2").deployment();
    deployment.application.sync.timeout = 300;
    let (_, said) = sync_of(&rig, &deployment, "").await;
    assert_eq!(share(&rig), 0, "{said:#?}");
}
