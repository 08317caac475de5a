//! Reads the imports of every room and holds them against the directions in ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Room → the rooms it may name. `simulator` shares nothing with the rest, so that it can't share its mistakes.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model", "diff"]),
    ("diff", &["model"]),
    ("rollout", &["model"]),
    ("plan", &["model", "diff", "rollout"]),
    ("engine", &["model", "plan", "rollout"]),
    ("source", &["model"]),
    ("aws", &["model", "engine"]),
    ("kubernetes", &["model", "engine", "plan"]),
    ("platform", &["model", "diff", "plan", "rollout", "engine", "aws", "kubernetes"]),
    ("traffic", &["model", "rollout", "engine", "aws", "kubernetes"]),
    ("gates", &["model", "rollout", "engine", "aws"]),
    ("controller", &["model", "config", "plan", "rollout", "engine"]),
    ("registry", &["model", "config", "engine", "kubernetes", "controller"]),
    (
        "sites",
        &[
            "model",
            "plan",
            "rollout",
            "engine",
            "aws",
            "kubernetes",
            "platform",
            "traffic",
            "gates",
            "controller",
        ],
    ),
    ("window", &["model", "controller"]),
    ("seats", &["model", "engine", "kubernetes", "controller"]),
    ("voices", &["model", "controller"]),
    ("simulator", &[]),
];

/// What the pure rooms must not touch: clients, runtimes, files, the environment, clocks.
const PURE: &[&str] = &["model", "config", "diff", "rollout", "plan"];
const IMPURE: &[&str] = &[
    "tokio::",
    "aws_sdk",
    "aws_config",
    "aws_smithy",
    "kube::",
    "k8s_openapi",
    "git2::",
    "hyper",
    "ureq::",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "SystemTime::now",
    "Instant::now",
];

#[test]
fn rooms_import_only_what_the_architecture_allows() {
    let mut wrong = vec![];
    for (room, allowed) in ALLOWED {
        for (file, text) in files_of(room) {
            for named in rooms_named(&text) {
                if named != *room && !allowed.contains(&named.as_str()) {
                    wrong.push(format!("{}: {room} must not import {named}", file.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_pure_core_has_no_client_no_file_and_no_clock() {
    let mut wrong = vec![];
    for room in PURE {
        for (file, text) in files_of(room) {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                    wrong.push(format!("{}: {word} in `{}`", file.display(), line.trim()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_simulated_world_itself_has_no_client_of_kubernetes() {
    let shell = Path::new("simulator").join("shell");
    for (file, text) in files_of("simulator") {
        let names_one = text.contains("kube::") || text.contains("k8s_openapi");
        let in_shell =
            file.components().collect::<PathBuf>().to_string_lossy().contains(&*shell.to_string_lossy());
        assert!(!names_one || in_shell, "{}: only simulator/shell talks to an API server", file.display());
    }
}

#[test]
fn every_room_of_the_library_is_held_to_a_direction() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms: BTreeSet<String> = std::fs::read_dir(src)
        .expect("src")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("name").to_string_lossy().into_owned())
        .filter(|room| room != "cli")
        .collect();
    let known: BTreeSet<String> = ALLOWED.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, known);
}

/// The words after `crate::` in a file, outside comments and test modules' own files.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let word = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    code.flat_map(|line| line.split("crate::").skip(1).map(word).collect::<Vec<String>>())
        .filter(|name| !name.is_empty())
        .collect()
}

fn files_of(room: &str) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    let mut folders = vec![src.join(room)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("entry").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{room} has no file");
    found
}
