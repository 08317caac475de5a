//! Three seats for many applications: spread over the processes, taken over, shared out again.

use super::rig::Rig;
use cutover::rollout::Progress;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Longer than the lease of a dead process and everything after it.
const PATIENCE: Duration = Duration::from_secs(240);
const SEATS: u32 = 3;
/// Applications besides the one with a rollout.
const OTHERS: u32 = 24;

fn settings(number: u32) -> String {
    format!("settings-{number}")
}

/// Writes the documents of all of them, for the next commit.
fn write(rig: &Rig, level: &str) {
    for number in 0..OTHERS {
        let name = settings(number);
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{level: {level}}}\n"
        );
        rig.write(&format!("{name}/settings.yaml"), &text);
    }
}

/// Waits until all of them are as in the last commit.
async fn until_live(rig: &Rig, level: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let all = rig.space.api::<ConfigMap>().list(&Default::default()).await.expect("ConfigMaps");
        let is_live = |map: &&ConfigMap| {
            map.data.as_ref().is_some_and(|data| data.get("level").is_some_and(|at| at == level))
        };
        let live = all.iter().filter(is_live).count();
        if live == OTHERS as usize {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "{live} of {OTHERS} are live");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until every seat is held by one of these processes, and each of them has its share.
async fn until_shared(rig: &Rig, processes: &[usize]) -> Duration {
    let begun = Instant::now();
    loop {
        let mut loads: BTreeMap<usize, u32> = BTreeMap::new();
        for seat in 0..SEATS {
            if let Some(process) = rig.holder(seat).await {
                *loads.entry(process).or_default() += 1;
            }
        }
        let share = SEATS.div_ceil(u32::try_from(processes.len()).expect("few"));
        let all: u32 = loads.values().sum();
        let fair = loads.iter().all(|(process, load)| processes.contains(process) && *load <= share);
        if all == SEATS && fair && loads.len() == processes.len().min(SEATS as usize) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "the seats are not shared out: {loads:?} among {processes:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until of so many applications one process has told that this commit is live, and none but one.
async fn until_told(rig: &Rig, commit: &str, applications: u32) -> BTreeMap<String, Vec<usize>> {
    let begun = Instant::now();
    loop {
        let by = told(rig, commit);
        assert!(by.values().all(|processes| processes.len() == 1), "one process each: {by:?}");
        if by.len() == applications as usize {
            return by;
        }
        assert!(begun.elapsed() < PATIENCE, "{} have told: {by:?}", by.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Which processes have told that this commit of an application is live.
fn told(rig: &Rig, commit: &str) -> BTreeMap<String, Vec<usize>> {
    let mut by_application: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for process in 0..rig.processes() {
        for line in rig.log(process) {
            if line["event"] == "Synced" && line["revision"] == commit {
                let application = line["application"].as_str().expect("an application").to_owned();
                by_application.entry(application).or_default().push(process);
            }
        }
    }
    by_application
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_a_killed_process_worked_for_goes_to_the_others_and_is_shared_out_again() {
    let mut rig = Rig::new("shards").await;
    rig.flags = vec![format!("--shards={SEATS}")];
    write(&rig, "one");
    let first = rig.commit("All of them");
    for _ in 0..SEATS {
        rig.add_replica(&[]).await;
    }
    println!("the seats are taken and shared out after {:.1?}", until_shared(&rig, &[0, 1, 2]).await);
    for number in 0..OTHERS {
        rig.register(&settings(number), &settings(number)).await;
    }
    println!("{OTHERS} applications are live after {:.1?}", until_live(&rig, "one").await);
    let by = until_told(&rig, &first, OTHERS).await;
    let workers: BTreeSet<usize> = by.values().flatten().copied().collect();
    assert!(workers.len() > 1, "the work is spread: {by:?}");

    rig.begin().await;
    let shop = format!("{}/shop", rig.space.name);
    let dead = until_told(&rig, &first, OTHERS + 1).await[&shop][0];
    rig.ship("v2");
    rig.until("it shifts", |seen| matches!(seen.progress(), Some(Progress::Shifting { .. }))).await;
    rig.signal(dead, "KILL");
    let begun = Instant::now();
    write(&rig, "two");
    let second = rig.commit("All of them, while one process is dead");
    until_live(&rig, "two").await;
    println!("killed: the others are live after {:.1?}", begun.elapsed());
    until_told(&rig, &second, OTHERS).await;
    rig.until_done().await;
    println!("killed: the rollout is done after {:.1?}", begun.elapsed());
    let left: Vec<usize> = (0..3).filter(|process| *process != dead).collect();
    until_shared(&rig, &left).await;

    let new = rig.add_replica(&[]).await;
    let shared = until_shared(&rig, &[left[0], left[1], new]).await;
    println!("one more process: the seats are shared out after {shared:.1?}");
    write(&rig, "three");
    let third = rig.commit("All of them again");
    println!("{OTHERS} applications are live after {:.1?}", until_live(&rig, "three").await);
    let by = until_told(&rig, &third, OTHERS).await;
    assert!(by.values().flatten().any(|process| *process == new), "the new one works as well: {by:?}");
    rig.check_end().await;
}
