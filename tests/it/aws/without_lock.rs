//! Returns of traffic where the application's lock can't be asked.

use super::begun::{at_a_tenth, share, shop, sync_of};
use super::{Rig, seconds};
use crate::account::{RULE, Shop, seed};
use cutover::engine::{Deployment, Verdict};
use cutover::simulator::{Failure, Fault, Settings, TargetFault};

/// Documents whose sync has five minutes.
fn wanted(shop: &Shop) -> Deployment {
    let mut wanted = shop.deployment();
    wanted.application.sync.timeout = 300;
    wanted
}

/// The calls that the lock is made of.
const LOCK: [&str; 3] = ["DescribeClusters", "TagResource", "UntagResource"];

/// None of these calls works from now on.
fn are_gone(rig: &Rig, operations: &[&str], failure: &Failure) {
    for operation in operations {
        rig.inject(operation, failure.clone(), u32::MAX);
    }
}

/// Nothing of the lock works from now on.
fn lock_is_gone(rig: &Rig, failure: Failure) {
    are_gone(rig, &LOCK, &failure);
}

/// A run watches a tenth of the requests on v2, loses these calls, and then v2 fails.
async fn assert_it_loses_its_requests_without(operations: &[&str], failure: &Failure) {
    let rig = at_a_tenth(&shop()).await;
    let die = async {
        seconds(60).await;
        are_gone(&rig, operations, failure);
        seconds(60).await;
        assert_eq!(share(&rig), 10);
        let fault = Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy };
        rig.connector.world().inject(fault);
    };
    let wanted = wanted(&shop().at("v2"));
    let ((_, said), ()) = tokio::join!(sync_of(&rig, &wanted, ""), die);
    assert_eq!(share(&rig), 0, "{operations:?} {failure:?}: {said:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_revert_needs_no_lock_that_cannot_be_asked() {
    for failure in [Failure::Denied, Failure::Internal] {
        let rig = at_a_tenth(&shop()).await;
        lock_is_gone(&rig, failure);
        let (_, said) = sync_of(&rig, &wanted(&shop()), "").await;
        assert_eq!(share(&rig), 0, "{said:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_fails_loses_its_requests_though_the_lock_went_away_under_the_run() {
    for failure in [Failure::Denied, Failure::Internal] {
        assert_it_loses_its_requests_without(&LOCK, &failure).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_forward_without_the_lock() {
    let rig = at_a_tenth(&shop()).await;
    lock_is_gone(&rig, Failure::Denied);
    let mut late = shop().at("v2").deployment();
    // Longer than the step's ten minutes.
    late.application.sync.timeout = 800;
    let (_, said) = sync_of(&rig, &late, "").await;
    assert_eq!(share(&rig), 10, "{said:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_run_that_has_the_lock_goes_on_watching_when_it_cannot_be_renewed() {
    for failure in [Failure::Denied, Failure::Internal] {
        let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
        let (ended, said) = sync_of(&rig, &shop().deployment(), "").await;
        assert_eq!(ended.unwrap().verdict, Verdict::Done, "{said:#?}");
        let lose = async {
            // It takes the lock, writes 10% and holds it for ten minutes.
            while share(&rig) == 0 {
                seconds(1).await;
            }
            lock_is_gone(&rig, failure);
            seconds(120).await;
            assert_eq!(share(&rig), 10);
            let fault = Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy };
            rig.connector.world().inject(fault);
        };
        let second = wanted(&shop().at("v2"));
        let ((_, said), ()) = tokio::join!(sync_of(&rig, &second, ""), lose);
        assert_eq!(share(&rig), 0, "{said:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_beside_an_unreadable_plan_is_told() {
    let rig = at_a_tenth(&shop()).await;
    rig.inject("ListServices", Failure::Denied, u32::MAX);
    let fault = Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy };
    rig.connector.world().inject(fault);
    let (ended, said) = sync_of(&rig, &wanted(&shop().at("v2")), "").await;
    assert_eq!(share(&rig), 0, "{said:#?}");
    let trouble = ended.expect_err("the plan can't be read");
    assert!(trouble.message.contains("meanwhile BlueGreen/web"), "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_fails_loses_its_requests_though_its_services_can_no_longer_be_read() {
    let all_of_ecs = ["DescribeServices", "ListTasks", "DescribeTasks", "DescribeClusters", "TagResource"];
    for failure in [Failure::Denied, Failure::Internal] {
        assert_it_loses_its_requests_without(&all_of_ecs[..1], &failure).await;
        assert_it_loses_its_requests_without(&all_of_ecs, &failure).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_forward_for_services_that_can_no_longer_be_read() {
    let rig = at_a_tenth(&shop()).await;
    let lose = async {
        seconds(60).await;
        rig.inject("DescribeServices", Failure::Denied, u32::MAX);
    };
    let mut late = shop().at("v2").deployment();
    // Longer than the step's ten minutes.
    late.application.sync.timeout = 800;
    let ((_, said), ()) = tokio::join!(sync_of(&rig, &late, ""), lose);
    assert_eq!(share(&rig), 10, "{said:#?}");
}
