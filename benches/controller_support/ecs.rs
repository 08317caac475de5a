//! Applications of a folder on a simulated ECS with AWS's own rate limits.

use super::documents::service;
use super::process::{Controller, PATIENCE};
use crate::git_servers::git_daemon;
use crate::repository::Bare;
use cutover::simulator::shell::{Simulator, StartOptions};
use cutover::simulator::{Buckets, Settings};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Services that are changed by hand.
const DRIFTED: usize = 9;

/// Of which calls are counted while nothing happens.
const MINUTES: u32 = 2;

const WORLD: &str = "account: \"123456789012\"\nregion: eu-central-1\nclusters: [{clusterName: bench}]\n";

fn name(number: usize) -> String {
    format!("app-{number:05}")
}

/// Calls by operation, with how many of them were throttled and how many refused for another reason.
fn calls(simulator: &Simulator) -> String {
    simulator.with_world(|world| {
        let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
        for call in world.calls().all() {
            let count = counts.entry(call.operation.clone()).or_default();
            count[0] += 1;
            count[1] += usize::from(call.throttled());
            count[2] += usize::from(call.error.is_some() && !call.throttled());
        }
        world.calls_mut().clear();
        let text = |(name, [all, throttled, refused]): (String, [usize; 3])| match (throttled, refused) {
            (0, 0) => format!("{name} {all}"),
            _ => format!("{name} {all} ({throttled} throttled, {refused} refused)"),
        };
        counts.into_iter().map(text).collect::<Vec<String>>().join(", ")
    })
}

fn print(simulator: &Simulator, what: &str, took: Duration, controller: &Controller) {
    let figures = controller.figures();
    println!(
        "{what}: {:.1} s, {} syncs failed so far, CPU {:.1} s so far, {:.1} MB, {} fds\n      {}",
        took.as_secs_f64(),
        figures.sum("cutover_reconcile_duration_seconds_count", &["result=\"SyncFailed\""]) as u64,
        controller.cpu(),
        controller.memory(),
        controller.files(),
        calls(simulator)
    );
}

pub async fn table(count: usize) {
    println!(
        "A controller of {count} Applications on ECS, from a folder, interval 60 s; all calls with AWS's rates:"
    );
    let settings = Settings { buckets: Buckets::Real, task_capacity: 4 * count, ..Settings::default() };
    let options = StartOptions { settings, seed: Some(WORLD.into()), ..StartOptions::default() };
    let simulator = Simulator::start(options).expect("a simulator");
    let folder = tempfile::tempdir().expect("a folder");
    let (git, applications) = (folder.path().join("git"), folder.path().join("applications"));
    std::fs::create_dir(&git).and_then(|()| std::fs::create_dir(&applications)).expect("folders");
    let mut repository = Bare::new(&git.join("deploy.git"));
    let daemon = git_daemon(&git);
    let url = format!("git://127.0.0.1:{}/deploy.git", daemon.port);
    let file = |number: usize, version| {
        let name = name(number);
        (format!("apps/{name}/service.yaml"), service(&name, version))
    };
    repository.commit(&(0..count).map(|number| file(number, 1)).collect::<Vec<_>>());
    let mut text = String::new();
    for number in 0..count {
        let name = name(number);
        let _ = write!(
            text,
            "---\napiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  \
             source: {{repoURL: '{url}', targetRevision: main, path: apps/{name}}}\n  \
             destination: {{ecs: {{region: eu-central-1, cluster: bench}}}}\n  sync: {{timeout: 1h}}\n"
        );
    }
    std::fs::write(applications.join("all.yaml"), text).expect("a file");
    let environment = [
        ("AWS_ENDPOINT_URL", simulator.endpoint().to_owned()),
        ("AWS_REGION", "eu-central-1".into()),
        ("AWS_ACCESS_KEY_ID", "simulator".into()),
        ("AWS_SECRET_ACCESS_KEY", "simulator".into()),
    ];
    let flag = applications.display().to_string();
    let controller = Controller::start(folder.path(), &["--applications", &flag], &environment);
    let are_ready = |figures: &super::figures::Figures| {
        figures.sum("cutover_application_ready", &[]) == count as f64
            && figures.sum("cutover_syncs_running", &[]) == 0.0
    };
    let pause = Duration::from_millis(500);
    controller.until("all are ready", pause, are_ready).await;
    print(&simulator, "cold start", controller.begun.elapsed(), &controller);
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(60) * MINUTES).await;
    print(&simulator, &format!("nothing to do, {MINUTES} minutes"), begun.elapsed(), &controller);
    let lives = |figures: &super::figures::Figures| figures.sum("cutover_commit_to_live_seconds_count", &[]);
    for (what, versions) in [("a commit to one, with its rollout", 0..1), ("a commit to all", 0..count)] {
        let before = lives(&controller.figures());
        let version = if versions.len() == 1 { 2 } else { 3 };
        let wanted = before + versions.len() as f64;
        repository.commit(&versions.map(|number| file(number, version)).collect::<Vec<_>>());
        let begun = Instant::now();
        controller.nudge(&url);
        let live = |figures: &super::figures::Figures| lives(figures) >= wanted && are_ready(figures);
        controller.until("the commit is live", pause, live).await;
        print(&simulator, what, begun.elapsed(), &controller);
    }
    drift(&simulator, count, &controller).await;
    controller.end();
}

/// Changes services by hand at the same moment, all over the list, and waits until each is as it should be.
async fn drift(simulator: &Simulator, count: usize, controller: &Controller) {
    let mut drifted: Vec<String> = (0..DRIFTED).map(|nth| name(nth * (count - 1) / (DRIFTED - 1))).collect();
    for service in &drifted {
        let input = json!({"cluster": "bench", "service": service, "desiredCount": 0});
        simulator.with_world(|world| world.call("ecs", "UpdateService", &input)).expect("a change");
    }
    let begun = Instant::now();
    let mut took = vec![];
    while !drifted.is_empty() {
        drifted.retain(|name| {
            let service = simulator.with_world(|world| world.service(name)).expect("a service");
            let is_repaired = service.desired == 1;
            if is_repaired {
                took.push(begun.elapsed().as_secs_f64());
            }
            !is_repaired
        });
        assert!(begun.elapsed() < PATIENCE, "{drifted:?} stay as they are");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (first, median, last) = (took[0], took[took.len() / 2], took[took.len() - 1]);
    let what =
        format!("drift of {DRIFTED}, repaired after {first:.1} s, {median:.1} s (median), {last:.1} s");
    print(simulator, &what, begun.elapsed(), controller);
}
