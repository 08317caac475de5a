use super::{Rig, seconds, stamp, task_definition};
use cutover::engine::{Guard, TroubleKind};
use cutover::platform::ecs::{LockError, Owner};
use cutover::simulator::Failure;
use serde_json::json;
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
