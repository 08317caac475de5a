//! A sync of N objects that all are as declared.

use super::kubectl::{Kubectl, millis};
use super::{bare, objects::Set};
use crate::kube_support::{Process, Space, User};
use cutover::aws::Connect;
use cutover::engine::Verdict;
use cutover::kubernetes::Verb;
use std::time::Instant;

pub fn heading() {
    println!(
        "A sync of N objects that has nothing to do (lists: one a kind, in pages of 500, and nothing else):"
    );
    println!(
        "{:>7} {:>9} {:>9} {:>11} {:>10} {:>9} {:>9} {:>7} {:>12} {:>14}",
        "objects",
        "lists ms",
        "lists kB",
        "cutover ms",
        "requests",
        "cutover kB",
        "dry runs",
        "ratio",
        "kubectl diff",
        "kubectl apply"
    );
}

pub async fn row(set: &Set) {
    let space = Space::new("noop").await;
    let deployment = set.deployment(&space.name);
    let first = Process::new(space.cluster.kubeconfig(User::Admin), &deployment, Connect::default()).await;
    assert_eq!(first.run(&deployment).await.map(|report| report.verdict), Ok(Verdict::Done));
    // The better of two: the first one warms the server's caches.
    let lists = [bare::list(&space).await, bare::list(&space).await];
    let (_, bytes, floor) = lists.into_iter().min_by_key(|(_, _, time)| *time).expect("two");
    let mut best = None;
    for _ in 0..2 {
        let process =
            Process::new(space.cluster.kubeconfig(User::Admin), &deployment, Connect::default()).await;
        let begun = Instant::now();
        let report = process.run(&deployment).await.expect("a sync");
        let took = begun.elapsed();
        assert!(
            report.verdict == Verdict::Done && process.cluster().call_counts().writes() == 0,
            "{:?}",
            report.results
        );
        if best.as_ref().is_none_or(|(other, _)| took < *other) {
            best = Some((took, process.cluster().call_counts()));
        }
    }
    let (took, calls) = best.expect("two");
    let beside = Space::new("kubectl").await;
    let (diff, again) = match Kubectl::new(set, &beside) {
        Some(kubectl) => {
            kubectl.apply();
            (Some(kubectl.diff()), Some(kubectl.apply()))
        }
        None => (None, None),
    };
    println!(
        "{:>7} {:>9} {:>9} {:>11} {:>10} {:>9} {:>9} {:>6.1}x {:>12} {:>14}",
        set.count,
        floor.as_millis(),
        bytes / 1_000,
        took.as_millis(),
        calls.sent(),
        calls.bytes / 1_000,
        calls.of(Verb::DryRun),
        took.as_secs_f64() / floor.as_secs_f64(),
        millis(diff),
        millis(again),
    );
}
