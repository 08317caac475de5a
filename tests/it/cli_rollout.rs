//! Plan, sync, status and the verbs that speak to a rollout, on a simulated AWS.

use crate::cli_support::{Desk, read_until, signal};
use std::process::Stdio;

const SHOP: [&str; 2] = ["-f", "examples/shop.yaml"];

fn with<'a>(verb: &[&'a str]) -> Vec<&'a str> {
    [verb, &SHOP[..]].concat()
}

/// Timestamps of records differ between runs.
fn steady(text: &str) -> String {
    let digits = |word: &str| word.len() >= 9 && word.chars().all(|c| c.is_ascii_digit());
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        out.push_str(if digits(&word) { "[time]" } else { &word });
        word.clear();
        out.push(c);
    }
    out
}

#[test]
fn a_first_version_a_second_one_and_the_way_back() {
    let desk = Desk::with_aws();
    let plan = desk.run(&with(&["plan", "--detailed-exitcode"]));
    assert_eq!(plan.code, Some(2), "{}", plan.whole());
    insta::assert_snapshot!("first_plan", plan.whole());
    let sync = desk.run_fast(&with(&["sync"]));
    insta::assert_snapshot!("first_sync", sync.whole_but_waits());

    let mut idle = None;
    let writes = desk.writes_during(|| idle = Some(desk.run_fast(&with(&["sync"]))));
    insta::assert_snapshot!("idle_sync", idle.expect("a run").whole());
    assert_eq!(writes, Vec::<String>::new(), "a sync with nothing to do wrote");
    let plan = desk.run(&with(&["plan", "--detailed-exitcode"]));
    assert_eq!(plan.code, Some(0), "{}", plan.whole());
    insta::assert_snapshot!("status_after_first", steady(&desk.run(&with(&["status"])).whole()));

    desk.change(&[("web:v1", "web:v2")], "Version 2");
    let sync = desk.run_fast(&with(&["sync", "-o", "json"]));
    assert_eq!(sync.code, Some(0), "{}", sync.whole());
    let lines = sync.json_lines();
    assert_eq!(lines.first().expect("lines")["event"], "plan");
    let report = lines.last().expect("lines");
    assert_eq!((&report["event"], &report["verdict"]), (&"report".into(), &"done".into()));
    assert_eq!(report["calls"]["operations"]["ModifyRule"]["sent"], 3, "10%, 50%, 100%");
    assert_eq!(sync.stderr, "");
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 0), ("web-green".to_owned(), 100)]);
    let status = desk.run(&with(&["status", "-o", "json"])).json();
    assert_eq!(status["inSync"], true);
    assert_eq!(status["workloads"][0]["slots"]["blue"]["role"], "previous");

    let tasks = desk.with_world(|world| world.tasks_started_total());
    desk.git(&["revert", "--no-edit", "HEAD"]);
    let mut revert = None;
    let writes = desk.writes_during(|| revert = Some(desk.run_fast(&with(&["sync"]))));
    insta::assert_snapshot!("warm_revert", revert.expect("a run").whole());
    assert_eq!(writes.iter().filter(|name| *name == "ModifyRule").count(), 1, "{writes:?}");
    assert!(!writes.contains(&"RegisterTaskDefinition".to_owned()), "{writes:?}");
    assert_eq!(desk.with_world(|world| world.tasks_started_total()), tasks, "a task was started");
}

#[test]
fn a_version_that_fails_its_gate_is_told_with_its_reason_and_can_be_retried() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"])).code, Some(0));
    desk.change(&[("web:v1", "web:v2-errors")], "Version 2, broken");
    let mut sync = desk.fast(&with(&["sync"]));
    let mut child = sync.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    // The deadline is given to it once the gate was asked, and has passed then, however slow or fast this machine is.
    read_until(&mut child, "web: waiting for the HTTP gate: GET /healthz: 500, expected 200");
    let asked = desk.with_world(|world| world.now());
    signal(&child, "INT");
    let stopped = desk.end(child);
    assert_eq!(stopped.code, Some(130), "{}", stopped.whole());
    desk.change(&[("deadline: 1d", "deadline: 45s")], "Less time");
    desk.wait_until("its end", |world| world.now() > asked + 46_000);
    let failed = desk.run_fast(&with(&["sync"]));
    insta::assert_snapshot!("failed_sync", failed.whole_but_waits());
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 100), ("web-green".to_owned(), 0)]);

    let again = desk.run_fast(&with(&["sync"]));
    assert_eq!(again.code, Some(3), "a quarantined revision is not tried again: {}", again.whole());
    let wait = desk.run_fast(&with(&["wait"]));
    assert_eq!(wait.code, Some(3), "{}", wait.whole());
    let abort = desk.run(&with(&["abort"]));
    assert_eq!(abort.code, Some(1), "{}", abort.whole());

    let retry = desk.run(&with(&["retry"]));
    insta::assert_snapshot!("retry", retry.whole());
    let nothing = desk.run(&with(&["retry"]));
    assert_eq!(nothing.code, Some(1), "{}", nothing.whole());
    let status = desk.run(&with(&["status", "-o", "json"])).json();
    assert_eq!(status["workloads"][0]["phase"], "preparing", "the next sync tries again");
}

#[test]
fn a_rollout_waits_for_approval_and_goes_on_after_it() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"])).code, Some(0));
    let nothing = desk.run(&with(&["promote"]));
    assert_eq!(nothing.code, Some(1), "{}", nothing.whole());
    desk.change(&[("web:v1", "web:v2"), ("stableFor: 3s", "stableFor: 3s\n    approval: true")], "Version 2");
    let waiting = desk.run_fast(&with(&["sync"]));
    assert_eq!(waiting.code, Some(5), "{}", waiting.whole());
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 100), ("web-green".to_owned(), 0)]);
    let wait = desk.run_fast(&with(&["wait", "-o", "json"]));
    assert_eq!(wait.code, Some(5), "{}", wait.whole());
    assert_eq!(wait.json_lines().last().expect("a report")["verdict"], "awaitingApproval");

    insta::assert_snapshot!("promote", desk.run(&with(&["promote"])).whole());
    let twice = desk.run(&with(&["promote"]));
    assert_eq!(twice.code, Some(1), "{}", twice.whole());
    assert!(twice.stderr.contains("promoted already"), "{}", twice.stderr);
    let unknown = desk.run(&with(&["promote", "api"]));
    assert_eq!(unknown.code, Some(1), "{}", unknown.whole());
    assert!(unknown.stderr.contains("hint: there are: web"), "{}", unknown.stderr);
    let done = desk.run_fast(&with(&["sync"]));
    assert_eq!(done.code, Some(0), "{}", done.whole());
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 0), ("web-green".to_owned(), 100)]);
}

#[test]
fn an_aborted_rollout_gives_its_traffic_back() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"])).code, Some(0));
    desk.change(&[("web:v1", "web:v2"), ("{weight: 50, hold: 4s}", "{weight: 50, hold: 1h}")], "Version 2");
    let mut sync = desk.fast(&with(&["sync"]));
    let child = sync.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    desk.wait_until("the note that green has 50%", |world| {
        world.services().iter().any(|service| service.tags.values().any(|tag| tag.contains("shifting=50@")))
    });
    signal(&child, "INT");
    let stopped = desk.end(child);
    assert_eq!(stopped.code, Some(130), "{}", stopped.whole());
    let out = desk.run_fast(&with(&["sync", "--timeout", "1s"]));
    assert_eq!(out.code, Some(4), "{}", out.whole());
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 50), ("web-green".to_owned(), 50)]);
    insta::assert_snapshot!("abort", desk.run(&with(&["abort"])).whole());
    let back = desk.run_fast(&with(&["sync"]));
    assert_eq!(back.code, Some(3), "{}", back.whole());
    assert!(back.stdout.contains("aborted by `cutover abort`"), "{}", back.stdout);
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 100), ("web-green".to_owned(), 0)]);
}

#[test]
fn a_rule_that_somebody_else_changed_stops_the_sync_until_it_is_accepted() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"])).code, Some(0));
    desk.change(&[("web:v1", "web:v2")], "The second version");
    assert_eq!(desk.run_fast(&with(&["sync"])).code, Some(0));
    desk.with_world(|world| {
        let rule = world.rules().into_iter().find(|rule| rule.priority == Some(10)).expect("the rule");
        let arn = |name: &str| world.target_group_arn(name).expect("a group");
        let group =
            |name: &str, weight: u32| serde_json::json!({"TargetGroupArn": arn(name), "Weight": weight});
        let groups = [group("web-blue", 70), group("web-green", 30)];
        let actions = serde_json::json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]);
        let input = serde_json::json!({"RuleArn": rule.arn, "Actions": actions});
        world.call("elbv2", "ModifyRule", &input).expect("a change by hand");
    });
    let blocked = desk.run_fast(&with(&["sync"]));
    assert_eq!(blocked.code, Some(1), "{}", blocked.whole());
    assert!(blocked.stdout.contains("somebody else changed it"), "{}", blocked.stdout);
    assert_eq!(desk.weights(), [("web-blue".to_owned(), 70), ("web-green".to_owned(), 30)]);
}

#[test]
fn documents_that_are_not_valid_change_nothing() {
    let desk = Desk::with_aws();
    desk.change(&[("desiredCount: 3", "desiredCuont: 3")], "A slip");
    let mut ran = None;
    let writes = desk.writes_during(|| ran = Some(desk.run_fast(&with(&["sync"]))));
    let ran = ran.expect("a run");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("unknown field, did you mean \"desiredCount\"?"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert_eq!(writes, Vec::<String>::new());
}

#[test]
fn verify_live_finds_what_is_not_there_and_passes_what_fits() {
    let desk = Desk::with_aws();
    let fits = desk.run(&with(&["verify", "--live"]));
    assert_eq!(fits.code, Some(0), "{}", fits.whole());
    desk.change(
        &[("green: web-green", "green: web-gren"), ("stableFor: 3s", "stableFor: 3s\n    alarms: [web-5xx]")],
        "Slips",
    );
    let wrong = desk.run(&with(&["verify", "--live", "--cluster", "prod"]));
    insta::assert_snapshot!("verify_live", wrong.whole());
}
