//! The leader is killed in the midst of a rollout, and the other process ends it.

use super::rig::{On, Rig, Seen};
use cutover::rollout::Progress;
use std::time::{Duration, Instant};

async fn killed(purpose: &str, version: &str, when: impl Fn(&Seen) -> bool, later: Duration) {
    killed_on(On::Kubernetes, purpose, version, when, later).await;
}

async fn killed_on(on: On, purpose: &str, version: &str, when: impl Fn(&Seen) -> bool, later: Duration) {
    let mut rig = Rig::start_on(on, purpose, 2).await;
    rig.ship(version);
    rig.until("the leader is to die", when).await;
    tokio::time::sleep(later).await;
    let dead = rig.leading().await;
    let seen = rig.seen().await;
    rig.signal(dead, "KILL");
    let begun = Instant::now();
    rig.until_done().await;
    let progress = seen.progress().map(ToString::to_string).unwrap_or_default();
    println!("killed at `{progress}` with {}%: live after {:.1?}", seen.share(), begun.elapsed());
    // Had it just ended the rollout, the others would still wait for its lease.
    rig.until_led_by_other(dead).await;
    rig.check_end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn while_the_candidate_comes_up() {
    let comes_up =
        |seen: &Seen| seen.progress() == Some(&Progress::Rolling) && seen.image.ends_with("v2-slow8");
    killed("rolling", "v2-slow8", comes_up, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn at_the_gate() {
    let waits = |seen: &Seen| seen.progress() == Some(&Progress::Rolling) && seen.ready == 2;
    killed("gate", "v2", waits, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn right_after_the_first_weights_were_written() {
    let shifts = |seen: &Seen| seen.image.ends_with("v2") && seen.share() == 25;
    killed("weights", "v2", shifts, Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn between_two_steps() {
    let holds = |seen: &Seen| matches!(seen.progress(), Some(Progress::Shifting { share: 25, .. }));
    killed("steps", "v2", holds, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn while_it_bakes() {
    let bakes = |seen: &Seen| matches!(seen.progress(), Some(Progress::Baking(_)));
    killed("bakes", "v2", bakes, Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn on_ecs_while_the_candidate_comes_up() {
    let comes_up = |seen: &Seen| seen.progress() == Some(&Progress::Rolling) && seen.image.ends_with("v2");
    killed_on(On::Ecs, "ecs-rolling", "v2", comes_up, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn on_ecs_with_half_of_the_weight_moved() {
    let shifts = |seen: &Seen| seen.image.ends_with("v2") && seen.share() == 50;
    killed_on(On::Ecs, "ecs-half", "v2", shifts, Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_leader_that_is_told_to_end_hands_over_at_once() {
    let mut rig = Rig::start("term", 3).await;
    rig.ship("v2");
    rig.until("it shifts", |seen| matches!(seen.progress(), Some(Progress::Shifting { .. }))).await;
    let old = rig.leading().await;
    rig.signal(old, "TERM");
    let begun = Instant::now();
    rig.until_led_by_other(old).await;
    println!("told to end: another leads after {:.1?}", begun.elapsed());
    assert_eq!(rig.ended(old), Some(0));
    let late: Vec<String> = rig
        .log(old)
        .iter()
        .map(ToString::to_string)
        .filter(|line| line.contains("could not be given"))
        .collect();
    assert_eq!(late, [""; 0], "the seat was not handed over but timed out");
    rig.until_done().await;
    println!("told to end: live after {:.1?}", begun.elapsed());
    rig.check_end().await;
}
