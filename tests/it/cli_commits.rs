//! Syncs that began with a commit which is no longer the one to be brought about, or whose time is over.

use crate::cli_support::{Desk, read_until};
use serde_json::json;
use std::process::Stdio;

const SYNC: [&str; 3] = ["sync", "-f", "examples/shop.yaml"];
const CLUSTER: &str = "arn:aws:ecs:eu-central-1:123456789012:cluster/demo";
const LOCK: &str = "cutover.dev/lock/shop";

/// Another run has the lock, or has it no more.
fn lock(desk: &Desk, is_held: bool) {
    desk.with_world(|world| {
        let tags = json!([{"key": LOCK, "value": "elsewhere/7/1 1"}]);
        let answer = match is_held {
            true => world.call("ecs", "TagResource", &json!({"resourceArn": CLUSTER, "tags": tags})),
            false => world.call("ecs", "UntagResource", &json!({"resourceArn": CLUSTER, "tagKeys": [LOCK]})),
        };
        answer.expect("a tag");
    });
}

fn runs(desk: &Desk, image: &str) -> bool {
    desk.with_world(|world| {
        let input = json!({"familyPrefix": "web"});
        let listed = world.call("ecs", "ListTaskDefinitions", &input).expect("an answer");
        listed["taskDefinitionArns"].as_array().expect("a list").iter().any(|arn| {
            let input = json!({"taskDefinition": arn});
            let answer = world.call("ecs", "DescribeTaskDefinition", &input).expect("an answer");
            answer.to_string().contains(image)
        })
    })
}

#[test]
fn a_sync_that_waited_for_the_lock_brings_about_what_the_branch_names_by_then() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&SYNC).code, Some(0));
    desk.change(&[("web:v1", "web:v2")], "Version 2");
    lock(&desk, true);
    let mut sync = desk.fast(&[&SYNC[..], &["-o", "json"]].concat());
    let mut child = sync.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    read_until(&mut child, "the lock of application shop");
    desk.change(&[("web:v2", "web:v3")], "Version 3");
    lock(&desk, false);
    let ran = desk.end(child);
    assert_eq!(ran.code, Some(0), "{}", ran.whole());
    assert!(ran.stderr.contains("it is planned anew"), "{}", ran.whole());
    assert!(runs(&desk, "web:v3") && !runs(&desk, "web:v2"), "{}", ran.whole());
}

#[test]
fn an_older_commit_does_not_take_the_place_of_a_newer_one_unless_it_is_named() {
    let desk = Desk::with_aws();
    assert_eq!(desk.run_fast(&SYNC).code, Some(0));
    let old = desk.git(&["rev-parse", "HEAD"]);
    desk.change(&[("web:v1", "web:v2")], "Version 2");
    let new = desk.git(&["rev-parse", "HEAD"]);
    assert_eq!(desk.run_fast(&SYNC).code, Some(0));
    let weights = desk.weights();
    desk.git(&["checkout", "-q", &old]);
    let refused = desk.run_fast(&SYNC);
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    let why = format!("was last brought to commit {new}, which comes after it in the same history");
    assert!(refused.whole().contains(&why), "{}", refused.whole());
    assert!(refused.whole().contains(&format!("`--revision {old}`")), "{}", refused.whole());
    assert_eq!(desk.weights(), weights);
    let meant = desk.run_fast(&[&SYNC[..], &["--revision", &old]].concat());
    assert_eq!(meant.code, Some(0), "{}", meant.whole());
    assert_ne!(desk.weights(), weights);
}

#[test]
fn the_time_given_to_a_sync_holds_while_another_run_has_the_lock() {
    let desk = Desk::with_aws();
    lock(&desk, true);
    let begun = std::time::Instant::now();
    let ran = desk.run_fast(&[&SYNC[..], &["--timeout", "12s"]].concat());
    assert_eq!(ran.code, Some(4), "{}", ran.whole());
    let why = "the lock of application shop, which another run on elsewhere (process 7) has:";
    assert!(ran.whole().contains(why), "{}", ran.whole());
    assert!(begun.elapsed().as_secs() < 20, "{:?}: {}", begun.elapsed(), ran.whole());
}
