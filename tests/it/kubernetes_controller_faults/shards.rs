//! Three seats for many applications: spread over the processes, taken over, shared out again.

use super::rig::Rig;
use super::stopped::is_lease;
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

/// Which processes have told that this commit of an application is live. On a machine so busy that a Lease was not renewed
/// in time, a process may lose its seat before it has written down what it told: then it is told once more.
fn told(rig: &Rig, commit: &str) -> BTreeMap<String, Vec<usize>> {
    let mut by_application: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut unwritten: BTreeSet<(String, usize)> = BTreeSet::new();
    for process in 0..rig.processes() {
        for line in rig.log(process).into_iter().filter(|line| line["revision"] == commit) {
            let application = || line["application"].as_str().expect("an application").to_owned();
            if line["event"] == "Synced" {
                by_application.entry(application()).or_default().insert(process);
            } else if line["phase"] == "reporting" {
                unwritten.insert((application(), process));
            }
        }
    }
    let written = |(application, processes): (String, BTreeSet<usize>)| {
        let is_written =
            |process: &usize| processes.len() == 1 || !unwritten.contains(&(application.clone(), *process));
        (application.clone(), processes.iter().copied().filter(is_written).collect())
    };
    by_application.into_iter().map(written).collect()
}

/// How a process is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Killed,
    /// It stands still.
    Stopped,
    /// Its requests to the API server get lost.
    CutOff,
}

impl Loss {
    fn strike(self, rig: &Rig, process: usize) {
        match self {
            Loss::Killed => rig.signal(process, "KILL"),
            Loss::Stopped => rig.signal(process, "STOP"),
            Loss::CutOff => rig.proxy(process).set_away(true),
        }
    }

    /// The process is back, or another one in its place; gives its number.
    async fn mend(self, rig: &mut Rig, process: usize) -> usize {
        match self {
            Loss::Killed => return rig.add_replica(&[]).await,
            Loss::Stopped => rig.signal(process, "CONT"),
            Loss::CutOff => rig.proxy(process).set_away(false),
        }
        process
    }
}

/// A process is lost in the midst of a rollout, everybody gets a commit, and later it is back or replaced.
async fn lost(purpose: &str, loss: Loss) {
    let mut rig = Rig::new(purpose).await;
    rig.flags = vec![format!("--shards={SEATS}")];
    write(&rig, "one");
    let first = rig.commit("All of them");
    for _ in 0..SEATS {
        rig.add_replica(&[]).await;
    }
    println!("{purpose}: seats are taken and shared out after {:.1?}", until_shared(&rig, &[0, 1, 2]).await);
    for number in 0..OTHERS {
        rig.register(&settings(number), &settings(number)).await;
    }
    println!("{purpose}: {OTHERS} applications are live after {:.1?}", until_live(&rig, "one").await);
    let by = until_told(&rig, &first, OTHERS).await;
    let workers: BTreeSet<usize> = by.values().flatten().copied().collect();
    assert!(workers.len() > 1, "the work is spread: {by:?}");

    rig.begin().await;
    let shop = format!("{}/shop", rig.space.name);
    let gone = until_told(&rig, &first, OTHERS + 1).await[&shop][0];
    rig.ship("v2");
    rig.until("it shifts", |seen| matches!(seen.progress(), Some(Progress::Shifting { .. }))).await;
    loss.strike(&rig, gone);
    let begun = Instant::now();
    write(&rig, "two");
    let second = rig.commit("All of them, while one process is lost");
    until_live(&rig, "two").await;
    println!("{loss:?}: the others are live after {:.1?}", begun.elapsed());
    let by = until_told(&rig, &second, OTHERS).await;
    assert!(by.values().flatten().all(|process| *process != gone), "a lost process tells: {by:?}");
    rig.until_done().await;
    println!("{loss:?}: the rollout is done after {:.1?}", begun.elapsed());
    let left: Vec<usize> = (0..3).filter(|process| *process != gone).collect();
    until_shared(&rig, &left).await;

    rig.proxy(gone).forget();
    let aws_writes = rig.aws_writes();
    let back = loss.mend(&mut rig, gone).await;
    let shared = until_shared(&rig, &[left[0], left[1], back]).await;
    println!("{loss:?}: the seats are shared out again after {shared:.1?}");
    // Neither late, nor when it has seats again: there is nothing to do.
    let written: Vec<String> =
        rig.proxy(back).writes().iter().filter(|asked| !is_lease(asked)).map(ToString::to_string).collect();
    assert_eq!((written, rig.aws_writes()), (vec![], aws_writes), "a process that is back wrote");
    let by = told(&rig, &second);
    let is_known = |by: &Vec<usize>| by.len() == 1 && !by.contains(&gone) && !by.contains(&back);
    assert!(by.values().all(is_known), "a process that is back told what is known: {by:?}");

    write(&rig, "three");
    let third = rig.commit("All of them again");
    println!("{loss:?}: {OTHERS} applications are live after {:.1?}", until_live(&rig, "three").await);
    let by = until_told(&rig, &third, OTHERS).await;
    assert!(by.values().flatten().any(|process| *process == back), "it works as well: {by:?}");
    rig.check_end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_a_killed_process_worked_for_goes_to_the_others_and_is_shared_out_again() {
    lost("shards", Loss::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_process_that_stood_still_past_its_leases_wakes_up_to_others_work_and_gets_a_seat_again() {
    lost("shards-still", Loss::Stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_process_without_its_api_server_loses_its_seats_to_the_others_and_gets_one_again() {
    lost("shards-apiless", Loss::CutOff).await;
}
