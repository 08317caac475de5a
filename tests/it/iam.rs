//! The IAM policies in `manifests/iam` allow what the program calls, and nothing else.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn allowed(files: &[&str]) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(root().join("manifests/iam").join(file)).expect("a policy");
        let policy: Value = serde_json::from_str(&text).expect("JSON");
        for statement in policy["Statement"].as_array().expect("statements") {
            match &statement["Action"] {
                Value::String(action) => {
                    actions.insert(action.clone());
                }
                list => actions.extend(
                    list.as_array().expect("actions").iter().map(|a| a.as_str().expect("a name").to_owned()),
                ),
            }
        }
    }
    // AWS asks for it when a task definition names roles; it is no call of ours.
    actions.remove("iam:PassRole");
    actions
}

/// The operations that the adapters name in their code.
fn called() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let ecs = std::fs::read_to_string(root().join("src/aws/ecs.rs")).expect("ecs.rs");
    let list =
        ecs.split("\necs_operations! {").nth(1).and_then(|rest| rest.split('}').next()).expect("the list");
    found.extend(list.lines().filter_map(|line| line.split(" => ").nth(1).map(|_| line)).map(|line| {
        let name = line.trim().split(' ').next().expect("a name");
        format!("ecs:{name}")
    }));
    for folder in ["src/aws", "src/traffic/alb", "src/gates"] {
        for entry in std::fs::read_dir(root().join(folder)).expect(folder) {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("source");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (service, prefix) in [
                ("Call::new(ServiceName::Elb, \"", "elasticloadbalancing"),
                ("Call::new(ServiceName::CloudWatch, \"", "cloudwatch"),
                ("Call::new(ServiceName::Sts, \"", "sts"),
            ] {
                let names = code.split(service).skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.map(|name| format!("{prefix}:{name}")));
            }
            for name in ["ModifyListener", "ModifyRule"] {
                if code.contains(&format!("\"{name}\"")) {
                    found.insert(format!("elasticloadbalancing:{name}"));
                }
            }
        }
    }
    found
}

#[test]
fn the_iam_policies_allow_what_is_called_and_nothing_else() {
    let called = called();
    assert!(called.len() > 15, "{called:?}");
    assert_eq!(called, allowed(&["read.json", "notes.json", "write.json"]));
}

#[test]
fn on_eks_everything_but_ecs_is_allowed() {
    let called: BTreeSet<String> = called().into_iter().filter(|name| !name.starts_with("ecs:")).collect();
    assert_eq!(called, allowed(&["eks.json"]));
}
