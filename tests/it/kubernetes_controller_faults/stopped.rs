//! The leader stands still for longer than its lease and goes on, or its clock is set.

use super::rig::Rig;
use crate::kube_support::Asked;
use cutover::rollout::Progress;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is written by a process that has no seat: that it lives.
fn is_own_lease(asked: &Asked) -> bool {
    asked.name.as_deref().is_some_and(|name| name.starts_with("cutover.replica-"))
}

/// Waits until the process has shown that it lives, several times, and checks that it wrote nothing else.
pub async fn writes_nothing(rig: &Rig, replica: usize, aws_writes: usize) {
    let begun = Instant::now();
    let shown = || rig.proxy(replica).writes().iter().filter(|asked| is_own_lease(asked)).count();
    while shown() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not go on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let others: Vec<String> = rig
        .proxy(replica)
        .writes()
        .iter()
        .filter(|asked| !is_lease(asked))
        .map(ToString::to_string)
        .collect();
    assert_eq!(others, Vec::<String>::new(), "a process that woke up late wrote");
    assert_eq!(rig.aws_writes(), aws_writes, "a process that woke up late wrote to AWS");
}

/// A seat or a lock that would be renewed or freed late is refused, since it is not what it was.
pub fn is_lease(asked: &Asked) -> bool {
    asked.resource == "leases.coordination.k8s.io"
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_leader_that_stood_still_past_its_lease_writes_nothing_when_it_goes_on() {
    let mut rig = Rig::start("still", 2).await;
    rig.ship("v2");
    rig.until("it shifts", |seen| matches!(seen.progress(), Some(Progress::Shifting { .. }))).await;
    let still = rig.leading().await;
    rig.signal(still, "STOP");
    let begun = Instant::now();
    rig.until_done().await;
    println!("stopped: live after {:.1?}", begun.elapsed());
    rig.proxy(still).forget();
    let aws_writes = rig.aws_writes();
    rig.signal(still, "CONT");
    writes_nothing(&rig, still, aws_writes).await;
    assert_ne!(rig.leading().await, still);
    rig.check_end().await;
}

/// Where distributions put it; `.ci/run` installs it.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_wall_clock_that_jumps_disturbs_no_rollout() {
    let library = FAKETIME.into_iter().find(|path| Path::new(path).exists());
    let library =
        library.expect("libfaketime must be installed for this test (Debian: apt-get install faketime)");
    let mut rig = Rig::new("clock").await;
    let folder = tempfile::tempdir().expect("a folder");
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+0\n").expect("a file");
    let path = offset.to_string_lossy().into_owned();
    let environment = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", path.as_str()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    rig.add_replica(&environment).await;
    rig.begin().await;
    rig.ship("v2");
    rig.until("it shifts", |seen| matches!(seen.progress(), Some(Progress::Shifting { .. }))).await;
    let begun = Instant::now();
    for jump in ["+3600", "-7200"] {
        std::fs::write(&offset, format!("{jump}\n")).expect("a file");
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    rig.until_done().await;
    println!("clock set twice: live after {:.1?}", begun.elapsed());
    rig.check_end().await;
}
