//! Several processes, and processes that are cut off.

use crate::cli_support::{Desk, signal};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

const SYNC: [&str; 3] = ["sync", "-f", "examples/shop.yaml"];

/// A desk whose second version stays at its first step, so that no machine is too slow to see it there.
fn version_2() -> Desk {
    let desk = Desk::with_aws();
    let first = desk.run_fast(&SYNC);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    desk.change(&[("web:v1", "web:v2"), ("{weight: 10, hold: 4s}", "{weight: 10, hold: 1h}")], "Version 2");
    desk
}

/// Lets version 2 go on from its first step.
fn let_it_go_on(desk: &Desk) {
    desk.change(&[("hold: 1h", "hold: 4s")], "Hold for less");
}

fn wait_until_green_has_10(desk: &Desk) {
    desk.wait_until("10% on green", |world| {
        world.rules().iter().any(|rule| rule.weights.iter().any(|(_, weight)| *weight == 10))
    });
}

#[test]
fn ctrl_c_stops_between_two_writes_and_the_next_sync_continues() {
    let desk = version_2();
    let mut command = desk.fast(&SYNC);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    wait_until_green_has_10(&desk);
    signal(&child, "INT");
    let stopped = desk.end(child);
    assert_eq!(stopped.code, Some(130), "{}", stopped.whole());
    assert!(
        stopped.stdout.contains("stopped: BlueGreen/web: "),
        "how production stands: {}",
        stopped.whole()
    );
    assert!(stopped.stdout.contains("the next sync continues from here"), "{}", stopped.whole());
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 90), ("web-green".to_owned(), 10)]);
    let (services, revisions) =
        desk.with_world(|world| (world.services().len(), world.revisions_registered_total()));
    let_it_go_on(&desk);
    let next = desk.run_fast(&SYNC);
    assert_eq!(next.code, Some(0), "{}", next.whole());
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 0), ("web-green".to_owned(), 100)]);
    let now = desk.with_world(|world| (world.services().len(), world.revisions_registered_total()));
    assert_eq!(now, (services, revisions), "something was made twice");
}

#[test]
fn a_killed_sync_is_continued_by_the_next_one_once_its_lock_is_stale() {
    let desk = version_2();
    let mut command = desk.fast(&SYNC);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
    wait_until_green_has_10(&desk);
    child.kill().expect("kill");
    child.wait().expect("the end");
    let_it_go_on(&desk);
    let next = desk.run_fast(&SYNC);
    assert_eq!(next.code, Some(0), "{}", next.whole());
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 0), ("web-green".to_owned(), 100)]);
    assert_eq!(desk.with_world(|world| world.revisions_registered("web")), 2);
}

fn start(desk: &Desk) -> Child {
    let mut command = desk.fast(&SYNC);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program")
}

#[test]
fn of_two_runs_at_once_one_works_and_the_other_says_so_and_leaves() {
    let desk = version_2();
    let mut children = vec![start(&desk), start(&desk)];
    let has_left = |child: &mut Child| child.try_wait().expect("a state").is_some();
    let mut left = None;
    desk.wait_until("one of them to leave", |_| {
        left = children.iter_mut().position(has_left);
        left.is_some()
    });
    let other = desk.end(children.remove(left.expect("one has left")));
    assert_eq!(other.code, Some(1), "{}", other.whole());
    assert!(other.stdout.contains("works on application shop"), "{}", other.whole());
    let worker = children.remove(0);
    wait_until_green_has_10(&desk);
    signal(&worker, "INT");
    let worker = desk.end(worker);
    assert_eq!(worker.code, Some(130), "{}", worker.whole());
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 90), ("web-green".to_owned(), 10)]);
}

#[test]
fn a_run_that_waited_for_another_ones_lock_takes_its_work_as_done() {
    let desk = version_2();
    let_it_go_on(&desk);
    let children = [start(&desk), start(&desk)];
    let mut ran = children.map(|child| desk.end(child));
    ran.sort_by_key(|ran| ran.code);
    let [worker, other] = ran;
    assert_eq!(worker.code, Some(0), "{}", worker.whole());
    let left = other.stdout.contains("works on application shop");
    assert_eq!(other.code, Some(i32::from(left)), "{}", other.whole());
    assert_eq!(desk.with_world(|world| world.revisions_registered("web")), 2);
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 0), ("web-green".to_owned(), 100)]);
}

#[test]
fn documents_written_by_init_plan_as_unchanged() {
    let desk = Desk::with_aws();
    let sync = desk.run_fast(&["sync", "-f", "examples/worker.yaml"]);
    assert_eq!(sync.code, Some(0), "{}", sync.whole());
    let init = ["init", "--cluster", "demo", "--service", "worker", "--region", "eu-central-1"];
    let printed = desk.run(&init);
    insta::assert_snapshot!("init", printed.whole());
    let write = [&init[..], &["--dir", "live/worker"]].concat();
    insta::assert_snapshot!("init_writes", desk.run(&write).whole());
    desk.commit("From the live service");
    let plan = desk.run(&["plan", "-f", "live/worker.yaml", "--detailed-exitcode"]);
    assert_eq!(plan.code, Some(0), "{}", plan.whole());
    let again = desk.run(&write);
    assert_eq!(again.code, Some(1), "{}", again.whole());
    assert!(again.stderr.contains("is there already and is not overwritten"), "{}", again.stderr);
}

#[test]
fn the_demo_shows_what_it_promises() {
    let desk = Desk::new();
    let ran = desk.run(&["demo", "-o", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.whole());
    let lines = ran.json_lines();
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["traffic"]["failed"], 0);
    assert!(summary["traffic"]["sent"].as_u64().expect("a number") > 100);
    let releases = summary["requestsByRelease"].as_object().expect("releases");
    assert_eq!(releases.keys().collect::<Vec<_>>(), ["v1", "v2"], "the broken version got requests");
    let revert = &summary["steps"][2];
    assert_eq!((&revert["writes"]["ModifyRule"], &revert["tasksStarted"]), (&1.into(), &0.into()));
}

#[test]
fn a_kept_demo_can_be_played_on_with() {
    let desk = Desk::new();
    let mut command = desk.command(&["demo", "--keep", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let stdout = child.stdout.take().expect("stdout");
    let kept = std::io::BufRead::lines(std::io::BufReader::new(stdout))
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.expect("a line")).expect("JSON"))
        .find(|line| line["event"] == "kept")
        .expect("the demo keeps its stage");
    let repository = kept["repository"].as_str().expect("a path").to_owned();
    let mut plan = desk.command(&["plan", "-f", "examples/shop.yaml", "--detailed-exitcode"]);
    plan.current_dir(&repository).env("AWS_ENDPOINT_URL", kept["endpoint"].as_str().expect("a URL"));
    plan.env("AWS_ACCESS_KEY_ID", "simulator").env("AWS_SECRET_ACCESS_KEY", "simulator");
    let plan = desk.ran(plan);
    signal(&child, "INT");
    let ended = desk.end(child);
    std::fs::remove_dir_all(&repository).expect("the repository was kept");
    assert_eq!(plan.code, Some(0), "{}", plan.whole());
    assert_eq!(ended.code, Some(0), "{}", ended.whole());
}

#[test]
fn a_controller_that_is_told_to_end_the_moment_it_says_that_it_works_ends_well() {
    let desk = Desk::new();
    std::fs::create_dir(desk.checkout().join("applications")).expect("a folder");
    let arguments =
        ["controller", "--applications", "applications", "--web", "off", "--listen", "127.0.0.1:0"];
    let mut command = desk.command(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program");
    let mut says = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut says).expect("a line");
    assert!(says.contains("works for"), "{says}");
    signal(&child, "TERM");
    let ran = desk.end(child);
    assert_eq!(ran.code, Some(0), "{says}{}", ran.whole());
}
