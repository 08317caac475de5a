use super::{Rig, seconds, stamp, task_definition};
use crate::account::{RULE, Shop, Worker, seed};
use cutover::engine::{Deployment, Event, Guard, StopSignal, TroubleKind, Verdict, Watcher, sync};
use cutover::platform::ecs::{LockError, Owner};
use cutover::simulator::{Failure, Settings};
use cutover::sites::EcsTarget;
use serde_json::json;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::time::Instant;

fn owner(number: u64) -> Owner {
    Owner::with_number("laptop", 7, number)
}

fn lock_tag(rig: &Rig) -> Option<String> {
    let input = json!({"clusters": ["prod"], "include": ["TAGS"]});
    let answer = rig.connector.world().call("ecs", "DescribeClusters", &input).unwrap();
    super::tag(&answer["clusters"][0]["tags"], "cutover.dev/lock/shop").map(ToOwned::to_owned)
}

#[tokio::test(start_paused = true)]
async fn the_second_run_is_told_who_works_and_leaves() {
    let rig = Rig::new().await;
    let (one, other) = (rig.ecs(), rig.another().await.ecs());
    let lease = one.acquire_lock("shop", owner(1)).await.unwrap();
    assert!(lock_tag(&rig).unwrap().starts_with("laptop/7/"));
    let keep = async {
        for _ in 0..6 {
            seconds(10).await;
            lease.check().await.unwrap();
        }
    };
    let (refused, ()) = tokio::join!(other.acquire_lock("shop", owner(2)), keep);
    let Err(LockError::Held { by, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(by, "another run on laptop (process 7)");
    assert!(other.acquire_lock("another-app", owner(2)).await.is_ok());
    lease.release().await.unwrap();
    assert_eq!(lock_tag(&rig), None);
    assert!(lease.check().await.is_err(), "a released lease lets writes through");
}

#[tokio::test(start_paused = true)]
async fn a_dead_runs_lock_is_taken_over_within_a_minute_and_its_lease_is_lost() {
    let rig = Rig::new().await;
    let dead = rig.ecs().acquire_lock("shop", owner(1)).await.unwrap();
    let begin = Instant::now();
    let lease = rig.another().await.ecs().acquire_lock("shop", owner(2)).await.unwrap();
    assert!((60..75).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    lease.check().await.unwrap();
    let trouble = dead.check().await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Rejected, "{trouble}");
    dead.release().await.unwrap();
    assert!(lock_tag(&rig).is_some(), "the dead run freed the other's lock");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_locks_own_write_does_not_let_two_in() {
    let rig = Rig::new().await;
    rig.inject("TagResource", Failure::LostAnswer, 1);
    let one = rig.ecs();
    let other = rig.another().await.ecs();
    let second = async {
        seconds(3).await;
        other.acquire_lock("shop", owner(2)).await
    };
    let (first, second) = tokio::join!(one.acquire_lock("shop", owner(1)), second);
    assert!(!(first.is_ok() && second.is_ok()));
    assert!(first.is_ok() || second.is_ok(), "nobody got it: {first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn once_the_lease_is_lost_no_write_leaves_the_process() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let lease = ecs.acquire_lock("shop", owner(1)).await.unwrap();
    rig.aws.set_guard(Some(Arc::new(lease.clone())));
    ecs.register(&stamp(), &task_definition("a", "a:1"), &[]).await.unwrap();
    rig.another().await.ecs().acquire_lock("shop", owner(2)).await.unwrap();
    rig.clear_log();
    let trouble = ecs.register(&stamp(), &task_definition("b", "b:1"), &[]).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Rejected, "{trouble}");
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_engines_guard_takes_the_lock_at_the_first_write_and_asks_to_look_again() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let writer = ecs.writer("shop", owner(1));
    writer.keep().await.unwrap();
    assert_eq!(lock_tag(&rig), None, "a run that writes nothing took the lock");
    assert_eq!(writer.check_lease().await.unwrap_err().kind, TroubleKind::LookAgain);
    assert!(lock_tag(&rig).is_some());
    writer.check_lease().await.unwrap();
    writer.release().await.unwrap();
    assert_eq!(lock_tag(&rig), None);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_exist_is_named() {
    let rig = Rig::new().await;
    let ecs = cutover::platform::ecs::Ecs::new(rig.aws.clone(), "nowhere");
    let Err(LockError::Trouble(trouble)) = ecs.acquire_lock("shop", owner(1)).await else { panic!() };
    assert_eq!(trouble.kind, TroubleKind::Missing);
    assert!(trouble.to_string().contains("nowhere"), "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn freeing_the_lock_is_tried_until_it_is_free() {
    for failure in [Failure::LostAnswer, Failure::CutBefore, Failure::Internal] {
        let rig = Rig::new().await;
        let lease = rig.ecs().acquire_lock("shop", owner(1)).await.unwrap();
        rig.inject("UntagResource", failure.clone(), 3);
        lease.release().await.unwrap();
        assert_eq!(lock_tag(&rig), None, "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_cannot_be_freed_is_given_up_before_others_may_take_it() {
    let rig = Rig::new().await;
    let lease = rig.ecs().acquire_lock("shop", owner(1)).await.unwrap();
    rig.inject("UntagResource", Failure::CutBefore, u32::MAX);
    let begin = Instant::now();
    let trouble = lease.release().await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
    assert!((20..40).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    rig.another().await.ecs().acquire_lock("shop", owner(2)).await.unwrap();
}

/// Everything that a run says.
#[derive(Default)]
struct Heard(RefCell<Vec<String>>);

impl Watcher for Heard {
    fn event(&self, event: Event) {
        self.0.borrow_mut().push(match event {
            Event::Settling { document, text } => format!("{document}: {text}"),
            other => format!("{other:?}"),
        });
    }
}

/// One sync of a process of its own, and what it said.
async fn sync_by(rig: &Rig, deployment: &Deployment) -> (Verdict, Vec<String>) {
    let rig = rig.another().await;
    let target = EcsTarget::new(rig.aws.clone(), &deployment.application, "prod", 1);
    let heard = Heard::default();
    let report = sync(&target, deployment, &heard, &StopSignal::default()).await.expect("a plan");
    target.release().await.expect("the lock is freed");
    let mut said = heard.0.into_inner();
    said.extend(report.results.into_iter().map(|result| format!("{}: {}", result.document, result.message)));
    (report.verdict, said)
}

const SAYS_WHO: &str = "another run on ";

#[tokio::test(start_paused = true)]
async fn two_syncs_at_once_register_once_and_blame_nobody() {
    let worker = |image| Worker { name: "worker", image };
    let steps = "[{weight: 10, hold: 15s}, {weight: 50, hold: 15s}, {weight: 100}]";
    let shop = |image| Shop { workers: vec![worker(image)], steps, ..Shop::default().at(image) }.deployment();
    let settings = Settings { start_delay_ms: 800, ..Settings::default() };
    for later in [0, 1, 2, 4, 5, 6, 8, 12, 16, 20, 25, 30, 40, 50, 60] {
        let rig = Rig::with(settings.clone(), &crate::account::seed(&[crate::account::RULE])).await;
        for (image, revisions) in [("v1", 1), ("v2", 2)] {
            let deployment = shop(image);
            let second = async {
                seconds(later).await;
                sync_by(&rig, &deployment).await
            };
            let ends = tokio::join!(sync_by(&rig, &deployment), second);
            let mut done = 0;
            for (verdict, said) in [ends.0, ends.1] {
                let text = said.join("\n");
                let blamed = said.iter().find(|line| line.contains("somebody") || line.contains("is not as"));
                assert_eq!(blamed, None, "{later} s later, {image}:\n{text}");
                match verdict {
                    Verdict::Done => done += 1,
                    Verdict::Error => assert!(text.contains(SAYS_WHO), "{later} s later, {image}:\n{text}"),
                    other => panic!("{later} s later, {image}: {other:?}\n{text}"),
                }
            }
            assert!(done > 0, "{later} s later, {image}: none was done");
            for family in ["web", "worker"] {
                let registered = rig.connector.world().revisions_registered(family);
                assert_eq!(registered, revisions, "{later} s later, {image}: {family}");
            }
            assert_eq!(sync_by(&rig, &deployment).await.0, Verdict::Done);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_lock_says_who_has_it_and_how_long_at_most() {
    let rig = Rig::new().await;
    let deployment = super::places::deployment(0);
    let other = rig.another().await;
    let dead = other.ecs().acquire_lock("a00", owner(7)).await.unwrap();
    drop(dead);
    let (verdict, said) = sync_by(&rig, &deployment).await;
    assert_eq!(verdict, Verdict::Done, "{said:?}");
    let wait = "Application/a00: the lock of application a00, which another run on laptop (process 7) has: 60 s at most, \
                after which a dead run's lock is taken over; a run that is alive shows itself before";
    assert_eq!(said.iter().filter(|line| *line == wait).count(), 1, "{said:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_sync_waits_for_the_lock_of_another_run_no_longer_than_its_time() {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    let _dead = rig.ecs().acquire_lock("shop", owner(1)).await.unwrap();
    let mut deployment =
        Shop { workers: vec![Worker { name: "worker", image: "v1" }], ..Shop::default() }.deployment();
    deployment.application.sync.timeout = 20;
    let begun = Instant::now();
    let (ended, said) = super::begun::sync_of(&rig, &deployment, "").await;
    let report = ended.unwrap();
    assert_eq!(report.verdict, Verdict::TimedOut, "{report:?} {said:#?}");
    let why = "the lock of application shop, which another run on laptop (process 7) has: ";
    assert!(report.results[0].message.contains(why), "{report:?}");
    assert_eq!(begun.elapsed().as_secs(), 20, "{report:?}");
}
