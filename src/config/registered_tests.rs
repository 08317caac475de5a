use super::*;
use crate::model::{
    BySlot, Changes, Condition, ConditionStatus, HandledRequest, HealthState, HistoryEntry, LastError,
    SlotSummary, SyncState, Timestamp, WorkloadSummary,
};
use serde_json::json;

fn object(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"namespace": "team-a", "name": name, "resourceVersion": "7"}, "spec": spec})
}

fn shop() -> Value {
    json!({"source": {"repoURL": "https://git.example/deploy.git", "path": "apps/shop"},
        "destination": {"kubernetes": {"namespace": "shop"}}})
}

fn wrong(object: &Value) -> Vec<String> {
    let problems = application_of(object).expect_err("it is wrong");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn an_object_of_a_cluster_is_read_as_a_file_is() {
    let read = application_of(&object("shop", &shop())).expect("it is right");
    let text = "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {name: shop}\nspec:\n  \
                source: {repoURL: 'https://git.example/deploy.git', path: apps/shop}\n  \
                destination: {kubernetes: {namespace: shop}}\n";
    let file = SourceFile { path: "shop.yaml".into(), bytes: text.into() };
    let ApplicationFile { applications, problems } = applications_in(&file);
    assert_eq!(problems, []);
    let [(name, Ok(from_file))] = applications.as_slice() else { panic!("{applications:?}") };
    assert_eq!(name, "shop");
    assert_eq!(read.origin.to_string(), "Application team-a/shop");
    assert_eq!(Application { origin: read.origin.clone(), ..from_file.clone() }, read);
}

#[test]
fn what_is_wrong_with_an_object_is_said_without_a_line() {
    let spec = json!({"source": {"repoURL": "https://git.example/deploy.git", "pth": "apps"},
        "destination": {"ecs": {"cluster": "prod"}}, "sync": {"interval": "often"}, "dependsOn": ["shop"]});
    assert_eq!(
        wrong(&object("shop", &spec)),
        [
            "Application team-a/shop: source.pth: unknown field, did you mean \"path\"?",
            "Application team-a/shop: sync.interval: `often` is not a duration; write it like 30s, 15m, 1h30m or 1d",
        ]
    );
    let dots = wrong(&object("shop.web", &shop()));
    assert!(dots[0].contains("no dots"), "{dots:?}");
    assert_eq!(
        wrong(&json!({"metadata": {"name": "shop"}})),
        ["Application /shop: the field \"spec\" is missing"]
    );
}

#[test]
fn an_object_of_a_cluster_names_nothing_on_the_controllers_machine() {
    let at = |url: &str| {
        let mut spec = shop();
        spec["source"]["repoURL"] = url.into();
        object("shop", &spec)
    };
    for url in ["/var/cache/cutover/x.git", "file:///srv/x.git", ".", "../x", "x", "c/d:e", "ext::sh"] {
        let problems = wrong(&at(url));
        assert!(problems[0].contains("source.repoURL: is no repository"), "{url}: {problems:?}");
    }
    for url in ["https://g.example/x", "ssh://git@g.example/x", "git@g.example:x.git", "git://127.0.0.1:1/x"]
    {
        assert!(application_of(&at(url)).is_ok(), "{url}");
    }
    let mut spec = shop();
    spec["destination"]["kubernetes"]["context"] = "prod".into();
    assert!(wrong(&object("shop", &spec))[0].contains("kubeconfigSecretRef"));
}

#[test]
fn a_file_may_hold_many_applications_and_each_is_judged_by_itself() {
    let one = |name: &str, more: &str| {
        format!(
            "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  \
             source: {{repoURL: .}}\n  destination: {{ecs: {{cluster: prod}}}}\n{more}---\n"
        )
    };
    let service = "apiVersion: ecs.cutover.dev/v1alpha1\nkind: Service\nmetadata: {name: s}\nspec: {taskDefinition: 't:1'}\n";
    let text = one("a", "") + &one("b", "  suspendd: true\n") + &one("a", "") + service;
    let read = applications_in(&SourceFile { path: "all.yaml".into(), bytes: text.into() });
    let states: Vec<(&str, bool)> =
        read.applications.iter().map(|(name, application)| (name.as_str(), application.is_ok())).collect();
    assert_eq!(states, [("a", true), ("b", false)]);
    let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "all.yaml:16: Application/a: this file has another Application of that name before this",
            "all.yaml:23: Service/s: this file may hold Applications and nothing else",
        ]
    );
    let torn = applications_in(&SourceFile { path: "all.yaml".into(), bytes: "a: [".into() });
    assert!(torn.applications.is_empty() && !torn.problems.is_empty());
}

/// A status with something in every field.
fn full() -> ApplicationStatus {
    let slot = SlotSummary {
        role: "live".into(),
        revision: "web:7".into(),
        weight: 100,
        running: 3,
        desired: 3,
        healthy_targets: 3,
        unhealthy_targets: 1,
    };
    ApplicationStatus {
        observed_generation: 3,
        conditions: vec![Condition {
            kind: "Ready".into(),
            status: ConditionStatus::True,
            reason: "Synced".into(),
            message: "everything is as Git says".into(),
            last_transition_time: Timestamp(1_700_000_000),
            observed_generation: 3,
        }],
        sync: SyncState::Synced,
        health: HealthState::Healthy,
        revision: "a".repeat(40),
        waiting_for: "approval".into(),
        changes: Changes { create: 1, update: 2, prune: 3, blocked: u32::MAX },
        differing: vec!["Deployment/web".into()],
        workloads: vec![WorkloadSummary {
            name: "web".into(),
            phase: "baking".into(),
            waiting_for: "the end of the bake".into(),
            slots: Some(BySlot { blue: slot.clone(), green: slot }),
        }],
        last_error: Some(LastError {
            reason: "SyncFailed".into(),
            message: "no".into(),
            time: Timestamp(1_700_000_000),
        }),
        history: vec![HistoryEntry {
            revision: "b".repeat(40),
            summary: "First".into(),
            result: "Synced".into(),
            message: "all of it".into(),
            started: Timestamp(1_700_000_000),
            ended: Timestamp(1_700_000_060),
        }],
        handled_request: Some(HandledRequest {
            request: "promote web 2026-11-25T21:19:16Z-3f9a".into(),
            done: true,
            message: "promoted".into(),
            time: Timestamp(1_700_000_000),
        }),
    }
}

/// The fields of the shape, and those of the value, at every depth.
fn fields(table: &Table, shape: &Shape, value: &Value, path: &str, found: &mut Vec<(String, bool)>) {
    match shape.form {
        Form::Structure => {
            let known = value.as_object().expect("a map").keys().chain(shape.members.keys());
            for field in known.collect::<std::collections::BTreeSet<_>>() {
                let path = format!("{path}.{field}");
                let Some((member, inner)) = shape.members.get(field).zip(value.get(field)) else {
                    found.push((path, value.get(field).is_some()));
                    continue;
                };
                fields(table, table.member(member), inner, &path, found);
            }
        }
        Form::List => {
            for item in value.as_array().expect("a list") {
                fields(table, table.item(shape), item, path, found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_shape_of_the_status_is_that_of_the_type() {
    let status = full();
    let value = status_of(&status);
    assert_eq!(serde_json::to_value(&status).expect("JSON"), value, "nothing of it has to be cut");
    let (table, shape) = status_shape();
    let mut differing = vec![];
    fields(table, shape, &value, "", &mut differing);
    assert_eq!(differing, [], "fields that only the shape (false) or only the type (true) has");
    assert_eq!(serde_json::from_value::<ApplicationStatus>(value).expect("the same"), status);
}

#[test]
fn a_status_is_cut_to_what_the_api_server_takes() {
    let mut status = full();
    status.last_error.as_mut().expect("an error").message = "ä".repeat(10_000);
    status.history = vec![status.history[0].clone(); 11];
    status.differing = vec!["x".repeat(2_000); 30];
    let value = status_of(&status);
    assert_eq!(value["lastError"]["message"].as_str().map(|text| text.chars().count()), Some(8192));
    assert_eq!(value["history"].as_array().map(Vec::len), Some(10));
    assert_eq!(value["differing"].as_array().map(Vec::len), Some(20));
}
