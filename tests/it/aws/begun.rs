//! Rollouts under way, when what the rest of a sync needs can't be read.

use super::{Rig, seconds};
use crate::account::{RULE, Shop, Worker, seed};
use cutover::engine::{Event, StopSignal, SyncReport, Trouble, Verdict, Watcher, sync};
use cutover::simulator::{Failure, Fault, Settings, TargetFault};
use cutover::sites::EcsTarget;
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
    let rig = rig.another().await;
    let deployment = shop.deployment();
    let target = EcsTarget::new(rig.aws.clone(), &deployment.application, "prod", 1);
    let watcher = StopAt { stop: StopSignal::default(), at, said: RefCell::default() };
    let result = sync(&target, &deployment, &watcher, &watcher.stop).await;
    let _ = target.release().await;
    (result, watcher.said.into_inner())
}

/// The shop at v1, and v2 under way with a tenth of the requests.
async fn at_a_tenth(shop: &Shop) -> Rig {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    let (live, said) = sync_to(&rig, shop, "").await;
    assert_eq!(live.unwrap().verdict, Verdict::Done, "{said:?}");
    let (stopped, said) = sync_to(&rig, &shop.at("v2"), "at 10%").await;
    assert_eq!(stopped.unwrap().verdict, Verdict::Stopped, "{said:?}");
    assert_eq!(share(&rig), 10);
    rig
}

/// The share of the candidate, which is on blue: a first deploy takes the slot that has no weight.
fn share(rig: &Rig) -> u32 {
    let weights = rig.weights(RULE);
    let of =
        |name: &str| weights.iter().filter(|(group, _)| group.contains(name)).map(|(_, w)| w).sum::<u32>();
    of("web-blue") * 100 / (of("web-green") + of("web-blue")).max(1)
}

fn shop() -> Shop {
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
