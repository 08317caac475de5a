//! The verbs that need no AWS: render, verify, schema, rollback.

use crate::cli_support::Desk;
use std::path::Path;

/// Replaces the documents by the broken ones of the fixtures.
fn broken() -> Desk {
    let desk = Desk::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broken");
    let mut folders = vec![fixtures.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("fixtures") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&fixtures).expect("inside").to_string_lossy().into_owned();
            let to = desk.checkout().join(&inside);
            std::fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
            std::fs::copy(&path, to).expect("a copy");
        }
    }
    desk.commit("Broken");
    desk
}

#[test]
fn render_prints_the_documents_with_their_defaults() {
    insta::assert_snapshot!(Desk::new().run(&["render", "-f", "examples/shop.yaml"]).whole());
}

#[test]
fn render_for_machines_is_one_json_document() {
    let rendered = Desk::new().run(&["render", "-f", "examples/shop.yaml", "-o", "json"]).json();
    assert_eq!(rendered["services"]["web"]["spec"]["desiredCount"], 3);
    assert_eq!(rendered["blue_greens"]["web"]["container"]["port"], 8080);
}

#[test]
fn the_current_folder_is_what_is_meant_without_flags() {
    let desk = Desk::new();
    let mut command = desk.command(&["verify"]);
    command.current_dir(desk.checkout().join("examples/worker"));
    insta::assert_snapshot!(desk.ran(command).whole());
}

#[test]
fn what_is_not_committed_is_named_and_not_used() {
    let desk = Desk::new();
    desk.write("examples/shop/web.yaml", "not even YAML: [");
    insta::assert_snapshot!(desk.run(&["verify", "-f", "examples/shop.yaml"]).whole());
}

#[test]
fn an_application_file_elsewhere_may_name_any_repository() {
    let desk = Desk::new();
    let mut command = desk.command(&["verify", "--repo"]);
    command.arg(desk.checkout()).args(["--path", "examples/shop", "--revision", "main"]).current_dir("/");
    let ran = desk.ran(command);
    assert_eq!(ran.code, Some(0), "{}", ran.whole());
}

#[test]
fn all_problems_of_a_broken_repository_are_told_together() {
    insta::assert_snapshot!(broken().run(&["verify", "--path", "apps/shop"]).whole());
}

#[test]
fn problems_are_data_for_machines() {
    let ran = broken().run(&["verify", "--path", "apps/shop", "-o", "json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).expect("JSON");
    assert_eq!(error["error"]["kind"], "documents");
    let problems = error["error"]["problems"].as_array().expect("problems");
    assert!(problems.len() > 3);
    assert!(
        problems.iter().all(|p| p["origin"]["line"].is_u64() && p["message"].is_string()),
        "{problems:?}"
    );
}

#[test]
fn what_aws_would_refuse_fails_the_check() {
    let desk = Desk::new();
    desk.change(&[("cpu: \"256\"", "cpu: \"300\""), ("web:v1", "web")], "Odd sizes");
    insta::assert_snapshot!(desk.run(&["verify", "-f", "examples/shop.yaml"]).whole());
    let ran = desk.run(&["verify", "-f", "examples/shop.yaml", "-o", "json"]);
    assert_eq!((ran.code, &ran.json()["passed"]), (Some(1), &serde_json::json!(false)));
}

#[test]
fn colours_come_only_when_asked_for_without_a_terminal() {
    let desk = Desk::new();
    let plain = desk.run(&["verify", "-f", "examples/shop.yaml"]).stdout;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let coloured = desk.run(&["verify", "-f", "examples/shop.yaml", "--color", "always"]).stdout;
    assert!(coloured.contains('\u{1b}'), "{coloured:?}");
    let mut command = desk.command(&["verify", "-f", "examples/shop.yaml", "--color", "auto"]);
    command.env("NO_COLOR", "1");
    assert_eq!(desk.ran(command).stdout, plain);
}

#[test]
fn what_is_missing_is_said_with_the_way_out() {
    let desk = Desk::new();
    let mut whole = String::new();
    for arguments in [
        vec!["verify", "-f", "nowhere.yaml"],
        vec!["verify", "-f", "examples/shop/web.yaml"],
        vec!["verify", "--path", "nowhere"],
        vec!["verify", "--revision", "nowhere"],
        vec!["verify", "--repo", "gopher://x.example/y"],
        vec!["verify", "--path", "../up"],
        vec!["verify", "--ssh-key", "nowhere"],
    ] {
        whole += &format!("$ cutover {}\n{}", arguments.join(" "), desk.run(&arguments).whole());
    }
    let mut command = desk.command(&["verify"]);
    command.current_dir("/");
    whole += &format!("$ cutover verify    in /\n{}", desk.ran(command).whole());
    insta::assert_snapshot!(whole);
}

#[test]
fn a_folder_without_documents_is_said_to_be_empty() {
    let desk = Desk::new();
    desk.write("empty/README.md", "nothing here\n");
    desk.commit("Empty");
    insta::assert_snapshot!(desk.run(&["verify", "--path", "empty"]).whole());
}

#[test]
fn schema_prints_json_schema_of_one_kind_or_all() {
    let desk = Desk::new();
    let all = desk.run(&["schema"]).json();
    assert_eq!(all["oneOf"].as_array().map(Vec::len), Some(5));
    let service = desk.run(&["schema", "service"]).json();
    assert_eq!(service["title"], "Service");
}

#[test]
fn a_reader_that_goes_early_is_no_error() {
    let desk = Desk::new();
    let program = env!("CARGO_BIN_EXE_cutover");
    let mut command = std::process::Command::new("sh");
    let script = format!("'{program}' schema | head -n 1; '{program}' schema Service > /dev/full");
    command.args(["-c", &script]).current_dir(desk.checkout());
    let ran = desk.ran(command);
    assert_eq!(ran.stdout, "{\n");
    assert!(ran.stderr.contains("error: the output can't be written"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

#[test]
fn rollback_shows_the_commit_and_pushes_it_and_touches_nothing_else() {
    let desk = Desk::new();
    let bare = desk.checkout().join("../origin.git");
    let bare = bare.to_string_lossy();
    desk.git(&["clone", "-q", "--bare", ".", &bare]);
    desk.git(&["remote", "add", "origin", &bare]);
    let secret = "        - name: LOG_LEVEL\n          value: info\n        - name: DB_PASSWORD\n          value: hunter2";
    desk.change(
        &[("        - name: LOG_LEVEL\n          value: info", secret), ("web:v1", "web:v2")],
        "Version 2",
    );
    desk.git(&["push", "-q", "origin", "main"]);
    let url = format!("file://{bare}");
    let flags = ["--repo", &url, "--revision", "main", "--path", "examples/shop"];
    let dry = desk.run(&[&["rollback", "--dry-run"], &flags[..]].concat());
    insta::assert_snapshot!(dry.whole());
    assert!(!dry.whole().contains("hunter2"));
    assert_eq!(
        desk.git(&["ls-remote", &bare, "main"]),
        format!("{}\trefs/heads/main", desk.git(&["rev-parse", "HEAD"]))
    );
    let pushed = desk.run(&[&["rollback", "-o", "json"], &flags[..]].concat()).json();
    assert_eq!(pushed["pushed"], true);
    desk.git(&["pull", "-q", "origin", "main"]);
    assert_eq!(pushed["commit"], desk.git(&["rev-parse", "HEAD"]));
    assert!(desk.read("examples/shop/web.yaml").contains("web:v1"));
    let again = desk.run(&[&["rollback"], &flags[..]].concat());
    assert_eq!(again.code, Some(1), "a rollback of a rollback has to be named: {}", again.whole());
}
