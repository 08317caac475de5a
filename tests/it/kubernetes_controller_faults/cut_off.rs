//! Connections break: to the API server, to AWS, to Git.

use super::rig::Rig;
use super::stopped::writes_nothing;
use cutover::rollout::Progress;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_leader_without_its_api_server_is_replaced_and_writes_nothing_when_it_is_back() {
    let mut rig = Rig::start("apiless", 2).await;
    rig.ship("v2");
    rig.until("it shifts", |seen| matches!(seen.progress(), Some(Progress::Shifting { .. }))).await;
    let cut = rig.leading().await;
    rig.proxy(cut).set_away(true);
    let begun = Instant::now();
    rig.until_done().await;
    println!("API server away: live after {:.1?}", begun.elapsed());
    rig.proxy(cut).forget();
    let aws_writes = rig.aws_writes();
    rig.proxy(cut).set_away(false);
    writes_nothing(&rig, cut, aws_writes).await;
    rig.check_end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn aws_away_in_the_midst_of_a_rollout_only_delays_it() {
    let mut rig = Rig::start("awsless", 1).await;
    rig.ship("v2");
    rig.until("it shifts", |seen| matches!(seen.progress(), Some(Progress::Shifting { .. }))).await;
    rig.aws.shut();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let seen = rig.seen().await;
    assert_eq!(seen.share(), 25, "{seen:#?}");
    rig.aws.open();
    let took = rig.until_done().await;
    println!("AWS away for 8 s: live {took:.1?} later");
    rig.check_end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn broken_and_expired_watches_delay_nothing() {
    let mut rig = Rig::start("watchless", 2).await;
    rig.ship("v2-slow2");
    let begun = Instant::now();
    let leader = rig.leading().await;
    let mut cuts = 0;
    while begun.elapsed() < Duration::from_secs(10) {
        for replica in 0..2 {
            // Half of the time a watch can't even be begun where the last one ended.
            rig.proxy(replica).set_expired(cuts % 10 < 5);
            rig.proxy(replica).cut_watches();
        }
        cuts += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for replica in 0..2 {
        rig.proxy(replica).set_expired(false);
    }
    rig.until_done().await;
    println!("watches cut {cuts} times: live after {:.1?}", begun.elapsed());
    assert_eq!(rig.leading().await, leader);
    rig.check_end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_rollout_needs_no_git_server_and_the_next_commit_is_found_when_it_is_back() {
    let mut rig = Rig::start("gitless", 1).await;
    rig.ship("v2");
    rig.until("it comes up", |seen| seen.image.ends_with("v2")).await;
    rig.git.shut();
    rig.until_done().await;
    rig.ship("v1");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let seen = rig.seen().await;
    assert!(seen.image.ends_with("v2") && seen.share() == 100, "{seen:#?}");
    rig.git.open();
    let back = rig.until_done().await;
    println!("Git away for a rollout and 10 s: the next commit is live {back:.1?} later");
}
