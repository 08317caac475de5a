//! Applying N new objects.

use super::kubectl::{Kubectl, millis};
use super::{bare, objects::Set};
use crate::kube_support::{Process, Space, User};
use cutover::aws::Connect;
use cutover::engine::Verdict;
use cutover::kubernetes::Verb;
use std::time::{Duration, Instant};

pub fn heading() {
    println!(
        "Applying N new objects of six kinds (bare: the same applies alone, {} at a time):",
        bare::AT_A_TIME
    );
    println!(
        "{:>7} {:>9} {:>9} {:>11} {:>11} {:>7} {:>9} {:>10} {:>8}",
        "objects", "bare ms", "bare /s", "cutover ms", "cutover /s", "share", "dry runs", "writes", "kubectl"
    );
}

pub async fn row(set: &Set) {
    let floor = bare::apply(set, &Space::new("floor").await).await;
    let space = Space::new("apply").await;
    let deployment = set.deployment(&space.name);
    let process = Process::new(space.cluster.kubeconfig(User::Admin), &deployment, Connect::default()).await;
    let begun = Instant::now();
    let report = process.run(&deployment).await.expect("a sync");
    let took = begun.elapsed();
    assert_eq!(report.verdict, Verdict::Done, "{:?}", report.results);
    let calls = process.cluster().call_counts();
    let beside = Space::new("kubectl").await;
    let kubectl = Kubectl::new(set, &beside).map(|kubectl| kubectl.apply());
    let rate = |time: Duration| set.count as f64 / time.as_secs_f64();
    println!(
        "{:>7} {:>9} {:>9.0} {:>11} {:>11.0} {:>6.0}% {:>9} {:>10} {:>8}",
        set.count,
        floor.as_millis(),
        rate(floor),
        took.as_millis(),
        rate(took),
        100.0 * rate(took) / rate(floor),
        calls.of(Verb::DryRun),
        calls.writes(),
        millis(kubectl),
    );
}
