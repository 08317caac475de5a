//! The whole account as text, without what may differ between two ways to the same end: ids, times, sequence numbers.

use crate::account::{LISTENER, TEST_LISTENER};
use cutover::model::{RevisionId, Timestamp, marks};
use cutover::rollout::{Progress, Record};
use cutover::simulator::World;
use serde_json::{Map, Value, json};

/// Ids, times and what is told about the way and not about the end.
const VOLATILE: [&str; 10] = [
    "createdAt",
    "updatedAt",
    "registeredAt",
    "deregisteredAt",
    "id",
    "events",
    "failedTasks",
    "rolloutStateReason",
    "clientToken",
    "ResponseMetadata",
];

/// Services with all their fields and tags, rules, listeners, targets, revisions, the cluster's tags and, where
/// `tasks` says so, how many tasks were ever started.
pub fn end_state(world: &mut World, tasks: bool) -> String {
    let mut parts = Map::new();
    let mut ask = |service: &str, operation: &str, input: Value| {
        world.call(service, operation, &input).unwrap_or_else(|refused| panic!("{operation}: {refused:?}"))
    };
    parts.insert("cluster".into(), ask("ecs", "DescribeClusters", json!({"clusters": ["prod"], "include": ["TAGS"]}))["clusters"][0]["tags"].clone());
    let arns =
        ask("ecs", "ListServices", json!({"cluster": "prod", "maxResults": 100}))["serviceArns"].clone();
    if arns.as_array().is_some_and(|arns| !arns.is_empty()) {
        let mut arns: Vec<String> = serde_json::from_value(arns).expect("ARNs");
        arns.sort();
        for chunk in arns.chunks(10) {
            let described = ask(
                "ecs",
                "DescribeServices",
                json!({"cluster": "prod", "services": chunk, "include": ["TAGS"]}),
            );
            for service in described["services"].as_array().into_iter().flatten() {
                parts.insert(format!("service {}", service["serviceName"]), service.clone());
            }
        }
    }
    for status in ["ACTIVE", "INACTIVE"] {
        let listed = ask("ecs", "ListTaskDefinitions", json!({"status": status}));
        for arn in listed["taskDefinitionArns"].as_array().into_iter().flatten() {
            let described =
                ask("ecs", "DescribeTaskDefinition", json!({"taskDefinition": arn, "include": ["TAGS"]}));
            parts.insert(format!("{status} {arn}"), described);
        }
    }
    for listener in [LISTENER, TEST_LISTENER] {
        let rules = ask("elbv2", "DescribeRules", json!({"ListenerArn": listener}));
        let arns: Vec<Value> =
            rules["Rules"].as_array().into_iter().flatten().map(|rule| rule["RuleArn"].clone()).collect();
        parts.insert(
            format!("tags of {listener}"),
            ask("elbv2", "DescribeTags", json!({"ResourceArns": arns})),
        );
        parts.insert(format!("rules of {listener}"), rules);
        parts.insert(listener.into(), ask("elbv2", "DescribeListeners", json!({"ListenerArns": [listener]})));
    }
    for group in ["web-blue", "web-green"] {
        let targets = world.target_health(group);
        let mut states: Vec<String> = targets
            .iter()
            .map(|t| format!("{} {}", t.state, t.release.as_deref().unwrap_or("none")))
            .collect();
        states.sort();
        parts.insert(format!("targets of {group}"), json!(states));
    }
    if tasks {
        parts.insert("tasks ever started".into(), json!(world.tasks_started_total()));
    }
    let mut whole = Value::Object(parts);
    without_volatile(&mut whole);
    serde_json::to_string_pretty(&whole).expect("text")
}

fn without_volatile(value: &mut Value) {
    match value {
        Value::Array(items) => {
            // A process that died at its very end leaves its lock, which expires.
            let lock = format!("{}/", marks::LOCK);
            let is_volatile = |key: &str| key.starts_with(&lock) || key == marks::INTENT;
            items.retain(|item| !item["key"].as_str().is_some_and(is_volatile));
            items.iter_mut().for_each(without_volatile);
        }
        Value::Object(fields) => {
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            if fields.get("key").and_then(Value::as_str) == Some(marks::RECORD) {
                let text = fields.get("value").and_then(Value::as_str).unwrap_or_default();
                let plain = Record::from_tag(text).map_or_else(|| format!("no record: {text}"), plain);
                fields.insert("value".into(), plain.into());
            }
            if fields.get("key").and_then(Value::as_str) == Some(marks::REFUSED) {
                let text = fields.get("value").and_then(Value::as_str).unwrap_or_default();
                let words = text.split(' ').filter(|word| !word.starts_with("at="));
                let plain = words.collect::<Vec<_>>().join(" ");
                fields.insert("value".into(), plain.into());
            }
            fields.values_mut().for_each(without_volatile);
            if let Some(Value::Array(tags)) = fields.get_mut("tags") {
                tags.sort_by_key(|tag| tag["key"].to_string());
            }
        }
        _ => {}
    }
}

/// A record without sequence number, times and wording.
pub fn plain(record: Record) -> String {
    let zero = Timestamp(0);
    let progress = match record.progress {
        Progress::Rolling | Progress::Ready => record.progress,
        Progress::Shifting { share, .. } => Progress::Shifting { share, since: zero },
        Progress::Baking(_) => Progress::Baking(zero),
        Progress::Returning { .. } => Progress::Returning { least: 0, most: 0 },
        Progress::Done(_) => Progress::Done(zero),
        Progress::Failed(_) => Progress::Failed("why".into()),
    };
    let RevisionId(revision) = record.revision;
    Record {
        sequence: 0,
        started: zero,
        revision: RevisionId(revision),
        from: record.from,
        progress,
        intent: Default::default(),
    }
    .to_tag()
}

/// The lines that differ, with a little around them.
pub fn difference(wanted: &str, got: &str) -> String {
    similar::TextDiff::from_lines(wanted, got)
        .unified_diff()
        .context_radius(3)
        .header("undisturbed", "crashed")
        .to_string()
}
