//! What the program says about itself, and what it says to command lines that are wrong.

use crate::cli_support::Desk;

const VERBS: [&str; 21] = [
    "plan",
    "sync",
    "status",
    "wait",
    "promote",
    "abort",
    "retry",
    "rollback",
    "delete",
    "suspend",
    "resume",
    "init",
    "render",
    "verify",
    "schema",
    "controller",
    "install",
    "simulate",
    "demo",
    "completions",
    "help",
];

#[test]
fn the_help_lists_verbs_and_exit_codes() {
    insta::assert_snapshot!(Desk::new().run(&["--help"]).whole());
}

#[test]
fn every_verb_has_help_with_examples() {
    let desk = Desk::new();
    for verb in VERBS.iter().filter(|verb| **verb != "help") {
        let ran = desk.run(&[verb, "--help"]);
        assert_eq!(ran.code, Some(0), "{verb}");
        insta::assert_snapshot!(format!("help_{verb}"), ran.stdout);
    }
}

#[test]
fn every_verb_that_the_help_lists_is_known_to_these_tests() {
    let help = Desk::new().run(&["--help"]).stdout;
    let listed: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(listed, VERBS);
}

#[test]
fn a_wrong_command_line_ends_with_64() {
    let desk = Desk::new();
    for arguments in [
        vec![],
        vec!["deploy"],
        vec!["plan", "--nonsense"],
        vec!["sync", "--timeout", "soon"],
        vec!["plan"],
        vec!["sync", "-f", "examples/shop.yaml", "--region", "eu-central-1", "--time-scale", "10"],
        vec!["sync", "-f", "examples/shop.yaml", "--time-scale", "10", "--endpoint-url", "https://192.0.2.1"],
        vec!["plan", "-f", "examples/shop.yaml", "--name", "Not A Name"],
    ] {
        let ran = desk.run(&arguments);
        assert_eq!(ran.code, Some(64), "{arguments:?}: {}", ran.whole());
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(ran.stderr.contains("error") || arguments.is_empty(), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn a_mistake_is_answered_in_json_where_json_was_asked_for() {
    let desk = Desk::new();
    for arguments in [["-o", "json", "deploy"], ["deploy", "--output=json", "x"], ["-ojson", "plan", "--x"]] {
        let ran = desk.run(&arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{arguments:?}");
        let error: serde_json::Value = serde_json::from_str(&ran.stderr).expect("JSON");
        assert_eq!(error["error"]["kind"], "usage", "{error}");
    }
}

#[test]
fn completions_know_the_verbs() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = desk.run(&["completions", shell]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains("rollback"), "{shell}");
    }
}
