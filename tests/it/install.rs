//! `manifests/install.yaml` is what `cutover install` prints, and the flags change what they say.

use crate::cli_support::Desk;
use cutover::config::load_controller;
use cutover::model::SourceFile;
use serde_json::Value;
use std::path::Path;

fn items(arguments: &[&str]) -> Vec<Value> {
    let ran = Desk::new().run(&[&["install", "-o", "json"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.whole());
    ran.json()["items"].as_array().expect("a list").clone()
}

fn names(items: &[Value]) -> Vec<String> {
    let name = |item: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let namespace = text(&item["metadata"]["namespace"]);
        let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        format!("{} {place}{}", text(&item["kind"]), text(&item["metadata"]["name"]))
    };
    items.iter().map(name).collect()
}

#[test]
fn the_file_in_manifests_is_what_install_prints() {
    let ran = Desk::new().run(&["install"]);
    assert_eq!(ran.code, Some(0), "{}", ran.whole());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(kept == ran.stdout, "run `cargo run install > manifests/install.yaml`");
}

#[test]
fn flags_change_what_they_say_and_nothing_else() {
    let plain = items(&[]);
    insta::assert_snapshot!(names(&plain).join("\n"), @r"
    Namespace cutover
    CustomResourceDefinition applications.cutover.dev
    ServiceAccount cutover/cutover
    ClusterRole cutover-controller
    ClusterRole cutover-applications
    ClusterRoleBinding cutover-controller
    ClusterRoleBinding cutover-applications
    Role cutover/cutover-seats
    RoleBinding cutover/cutover-seats
    ConfigMap cutover/cutover
    Deployment cutover/cutover
    Service cutover/cutover
    PodDisruptionBudget cutover/cutover
    NetworkPolicy cutover/cutover
    ");
    let changed =
        items(&["--namespace", "ops", "--image", "r.example/c:1", "--replicas", "4", "--shards", "3"]);
    insta::assert_snapshot!(names(&changed).join("\n"), @r"
    Namespace ops
    CustomResourceDefinition applications.cutover.dev
    ServiceAccount ops/cutover
    ClusterRole cutover-controller
    ClusterRole cutover-applications
    ClusterRoleBinding cutover-controller-ops
    ClusterRoleBinding cutover-applications-ops
    Role ops/cutover-seats
    RoleBinding ops/cutover-seats
    ConfigMap ops/cutover
    Deployment ops/cutover
    Service ops/cutover
    PodDisruptionBudget ops/cutover
    NetworkPolicy ops/cutover
    ");
    let deployment = changed.iter().find(|item| item["kind"] == "Deployment").expect("a Deployment");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&deployment["spec"]["replicas"], &container["image"]), (&4.into(), &"r.example/c:1".into()));
    assert!(container["args"].as_array().expect("arguments").contains(&"--shards=3".into()));
    for item in &changed {
        for subject in item["subjects"].as_array().into_iter().flatten() {
            assert_eq!(subject["namespace"], "ops", "{item}");
        }
    }
    let narrow = items(&["--watch-namespace", "team-a", "--watch-namespace", "team-b"]);
    insta::assert_snapshot!(names(&narrow).join("\n"), @r"
    Namespace cutover
    CustomResourceDefinition applications.cutover.dev
    ServiceAccount cutover/cutover
    ClusterRole cutover-controller
    ClusterRole cutover-applications
    RoleBinding team-a/cutover-controller
    RoleBinding team-b/cutover-controller
    RoleBinding team-a/cutover-applications
    RoleBinding team-b/cutover-applications
    Role cutover/cutover-seats
    RoleBinding cutover/cutover-seats
    ConfigMap cutover/cutover
    Deployment cutover/cutover
    Service cutover/cutover
    PodDisruptionBudget cutover/cutover
    NetworkPolicy cutover/cutover
    ");
}

#[test]
fn what_cannot_be_installed_is_a_usage_error() {
    for arguments in [
        ["--namespace", "No"],
        ["--watch-namespace", "a.b"],
        ["--image", "a b"],
        ["--replicas", "0"],
        ["--shards", "3"],
    ] {
        let ran = Desk::new().run(&[&["install"], arguments.as_slice()].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{arguments:?}");
    }
}

#[test]
fn the_configuration_that_is_installed_is_valid_and_so_is_its_example() {
    let plain = items(&[]);
    let map = plain.iter().find(|item| item["kind"] == "ConfigMap").expect("a ConfigMap");
    let text = map["data"]["controller.yaml"].as_str().expect("a file");
    let (head, example) = text.split_once("spec: {}\n").expect("nothing is set");
    let example = example.lines().map(|line| line.strip_prefix("# ").expect("a comment"));
    let example = head.to_owned() + &example.collect::<Vec<_>>().join("\n");
    for text in [text, &example] {
        let file = SourceFile { path: "controller.yaml".into(), bytes: text.into() };
        let loaded = load_controller(&file);
        assert!(loaded.is_ok(), "{loaded:?}\n{text}");
    }
}
