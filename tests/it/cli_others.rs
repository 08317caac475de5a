//! Plan, sync, verify and promote where somebody else's services are behind the rules, or notes are gone.

use crate::cli_support::{Desk, Ran, signal};
use serde_json::{Value, json};
use std::process::Stdio;

const SHOP: [&str; 2] = ["-f", "examples/shop.yaml"];
const COPY: [&str; 2] = ["-f", "examples/copy.yaml"];

fn with<'a>(verb: &[&'a str], application: [&'a str; 2]) -> Vec<&'a str> {
    [verb, &application[..]].concat()
}

/// An application of another name whose workload has another name too, with the rule and the groups of the first one.
fn copy(desk: &Desk) {
    let text = desk.read("examples/shop.yaml").replace("name: shop", "name: copy");
    desk.write("examples/copy.yaml", &text.replace("path: examples/shop", "path: examples/copy"));
    let text = desk.read("examples/shop/web.yaml").replace("name: web\n", "name: copied\n");
    desk.write("examples/copy/web.yaml", &text.replace("taskDefinition: web ", "taskDefinition: copied "));
    desk.commit("A copy");
}

/// Asserts that plan, sync and verify say no, each with this reason, and that nothing is written but locks.
fn assert_refused(desk: &Desk, application: [&str; 2], reason: &str) {
    let refuses = |ran: &Ran, what: &str| {
        assert!(ran.stdout.contains(reason) || ran.stderr.contains(reason), "{what}: {}", ran.whole());
    };
    let plan = desk.run(&with(&["plan"], application));
    refuses(&plan, "plan");
    assert!(plan.stdout.contains("! blocked "), "{}", plan.whole());
    let verify = desk.run(&with(&["verify", "--live"], application));
    refuses(&verify, "verify");
    assert_eq!(verify.code, Some(1), "{}", verify.whole());
    let mut sync = None;
    let writes = desk.writes_during(|| sync = Some(desk.run_fast(&with(&["sync"], application))));
    let sync = sync.expect("a run");
    refuses(&sync, "sync");
    assert_eq!(sync.code, Some(1), "{}", sync.whole());
    let is_lock = |name: &String| ["TagResource", "UntagResource"].contains(&name.as_str());
    let writes: Vec<String> = writes.into_iter().filter(|name| !is_lock(name)).collect();
    assert!(writes.iter().all(|name| name == "RegisterTaskDefinition"), "{writes:?}");
}

fn set_count(desk: &Desk, service: &str, count: u32) {
    desk.with_world(|world| {
        let input = json!({"cluster": "demo", "service": service, "desiredCount": count});
        world.call("ecs", "UpdateService", &input).expect("a change by hand");
    });
}

#[test]
fn a_copied_application_does_not_take_the_first_ones_rule_whether_tasks_run_there_or_not() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(0));
    let weights = desk.weights();
    copy(&desk);
    assert_refused(&desk, COPY, "application shop");
    set_count(&desk, "web-blue", 0);
    desk.wait_until("the end of its tasks", |world| world.target_health("web-blue").is_empty());
    assert_refused(&desk, COPY, "service web-blue of application shop is registered in");
    assert_eq!(desk.weights(), weights);
}

#[test]
fn a_rolling_service_does_not_join_the_target_group_of_another_application() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(0));
    let group = desk.with_world(|world| world.target_group_arn("web-blue").expect("a group"));
    let text = desk.read("examples/shop.yaml").replace("name: shop", "name: copy");
    desk.write("examples/copy.yaml", &text.replace("path: examples/shop", "path: examples/copy"));
    let documents = desk.read("examples/shop/web.yaml").replace("name: web\n", "name: guest\n");
    let documents = documents.replace("taskDefinition: web ", "taskDefinition: guest ");
    let (rolling, _) = documents.rsplit_once("---").expect("a BlueGreen at the end");
    let joins = format!(
        "{rolling}  loadBalancers: [{{targetGroupArn: \"{group}\", containerName: app, containerPort: 8080}}]\n"
    );
    desk.write("examples/copy/web.yaml", &joins);
    desk.commit("A guest");
    assert_refused(&desk, COPY, "service web-blue of application shop is registered in");
}

#[test]
fn a_rollout_under_way_whose_documents_are_removed_is_told_by_verify_as_by_plan_and_sync() {
    let desk = Desk::with_aws();
    let application = desk.read("examples/shop.yaml");
    desk.write("examples/shop.yaml", &format!("{application}  sync: {{prune: true}}\n"));
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(0));
    let approval = ("stableFor: 3s", "stableFor: 3s\n    approval: true");
    desk.change(&[("web:v1", "web:v2"), approval], "Version 2");
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(5));
    let documents = desk.read("examples/shop/web.yaml");
    let (task_definition, _) = documents.split_once("---").expect("several documents");
    desk.write("examples/shop/web.yaml", task_definition);
    desk.commit("Without web");
    assert_refused(&desk, SHOP, "and no BlueGreen declares it any more");
}

#[test]
fn targets_of_a_service_that_is_not_ours_are_told_by_verify_as_by_plan_and_sync() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(0));
    copy(&desk);
    // Nobody's by its marks.
    untag(&desk, "web-blue", |_| true);
    assert_refused(&desk, COPY, "of service web-blue in the blue target group: adopt it");
}

fn untag(desk: &Desk, service: &str, is_gone: impl Fn(&str) -> bool) {
    desk.with_world(|world| {
        let live = world.services().into_iter().find(|live| live.name == service).expect(service);
        let keys: Vec<Value> = live.tags.keys().filter(|key| is_gone(key)).map(|key| json!(key)).collect();
        let arn = format!("arn:aws:ecs:eu-central-1:123456789012:service/demo/{service}");
        let input = json!({"resourceArn": arn, "tagKeys": keys});
        world.call("ecs", "UntagResource", &input).expect("a change by hand");
    });
}

#[test]
fn nothing_is_promoted_whose_identity_is_not_known_and_what_runs_is_named() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(0));
    let approval = ("stableFor: 3s", "stableFor: 3s\n    approval: true");
    desk.change(&[("web:v1", "web:v2"), approval], "Version 2");
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(5));

    // Somebody deploys something else where the approved version is awaited.
    let deploy = |revision: &str| {
        desk.with_world(|world| {
            let input = json!({"cluster": "demo", "service": "web-green", "taskDefinition": revision});
            world.call("ecs", "UpdateService", &input).expect("a change by hand");
        });
    };
    deploy("web:1");
    let refused = desk.run(&with(&["promote"], SHOP));
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    let reason = "the rollout that is noted is of this commit's revision, but green (web-green) runs web:1, which is not what \
                  this commit wants";
    assert!(refused.stderr.contains(reason), "{}", refused.whole());
    deploy("web:2");

    untag(&desk, "web-green", |key| {
        key.starts_with("cutover.dev/record") || key.starts_with("cutover.dev/intent")
    });
    let unnoted = desk.run(&with(&["promote"], SHOP));
    assert_eq!(unnoted.code, Some(1), "{}", unnoted.whole());
    let reason = "green (web-green) runs web:2, which is what this commit wants";
    assert!(unnoted.stderr.contains("no rollout that waits for approval is noted"), "{}", unnoted.whole());
    assert!(unnoted.stderr.contains(reason), "{}", unnoted.whole());
    assert!(!unnoted.stderr.contains("another revision"), "{}", unnoted.whole());
    // The gates are asked once more, and then the approval.
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(5));
    assert_eq!(desk.run(&with(&["promote"], SHOP)).code, Some(0));
}

#[test]
fn a_sync_of_wrong_documents_names_the_commit_that_goes_on_with_what_is_under_way() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&with(&["sync"], SHOP)).code, Some(0));
    desk.change(&[("web:v1", "web:v2"), ("{weight: 10, hold: 4s}", "{weight: 10, hold: 30s}")], "v2");
    let good = desk.git(&["rev-parse", "HEAD"]);
    let mut sync = desk.fast(&with(&["sync"], SHOP));
    let child = sync.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    desk.wait_until("the note that green has 10%", |world| {
        world.services().iter().any(|service| service.tags.values().any(|tag| tag.contains("shifting=10@")))
    });
    signal(&child, "INT");
    let stopped = desk.end(child);
    assert_eq!(stopped.code, Some(130), "{}", stopped.whole());
    desk.change(&[("desiredCount: 3", "desiredCount: many")], "A mistake");
    let wrong = desk.run_fast(&with(&["sync"], SHOP));
    assert_eq!(wrong.code, Some(1), "{}", wrong.whole());
    let ways =
        format!("`cutover sync --revision {good}` goes on with it, and `cutover abort --revision {good}`");
    assert!(wrong.stderr.contains(&ways), "{}", wrong.whole());
    assert!(
        wrong.stderr.contains("a rollout is under way that nobody watches: Service/web ("),
        "{}",
        wrong.whole()
    );
    let good = desk.run_fast(&with(&["sync", "--revision", &good], SHOP));
    assert_eq!(good.code, Some(0), "{}", good.whole());
    let wrong = desk.run_fast(&with(&["sync"], SHOP));
    assert!(!wrong.stderr.contains("under way"), "{}", wrong.whole());
}
