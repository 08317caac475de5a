//! Hides secrets, and still shows that they changed. The mask holds nothing of the value, not even a hash: a short
//! secret can be found from its hash.

use super::rules::{Node, Order, rules_of};
use super::secrets::{is_secret_name, is_secret_text};
use crate::model::Kind;
use serde_json::Value;
use std::collections::HashMap;

/// Stands for a secret.
pub const MASKED: &str = "‹masked›";
/// Stands for a secret that is not what it was.
pub const MASKED_CHANGED: &str = "‹masked, changed›";

/// The spec of a document of `kind` with its secrets hidden; the structure stays.
pub fn mask(kind: Kind, value: &Value) -> Value {
    let mut masked = value.clone();
    Masker::default().hide_in(&mut masked, rules_of(kind), "", false);
    masked
}

/// Both sides of a comparison with their secrets hidden; one that differs reads [`MASKED_CHANGED`] on the `after` side.
/// Which belongs to which follows from the path, with elements by name where they have one.
pub(super) fn mask_pair(kind: Kind, before: &Value, after: &Value) -> (Value, Value) {
    let (mut before, mut after) = (before.clone(), after.clone());
    let mut masker = Masker::default();
    masker.hide_in(&mut before, rules_of(kind), "", false);
    let mut masker = Masker { before: masker.seen, seen: HashMap::new() };
    masker.hide_in(&mut after, rules_of(kind), "", false);
    (before, after)
}

/// Secrets by path, in the order they were met.
type Seen = HashMap<String, Vec<Value>>;

#[derive(Default)]
struct Masker {
    before: Seen,
    seen: Seen,
}

impl Masker {
    /// Hides what is secret under `value`; everything if `all`.
    fn hide_in(&mut self, value: &mut Value, rules: &Node, path: &str, all: bool) {
        let all = all || rules.secret;
        match value {
            Value::Object(fields) => {
                let pair_is_secret = ["name", "key"]
                    .iter()
                    .filter_map(|name| fields.get(*name).and_then(Value::as_str))
                    .any(is_secret_name);
                for (name, value) in fields {
                    let named = (rules.map && is_secret_name(name)) || (pair_is_secret && name == "value");
                    self.hide_in(value, rules.field(name), &format!("{path}.{name}"), all || named);
                }
            }
            Value::Array(items) => self.hide_in_items(items, rules, path, all),
            Value::Null => {}
            scalar => {
                if all || scalar.as_str().is_some_and(is_secret_text) {
                    self.hide(scalar, path);
                }
            }
        }
    }

    fn hide_in_items(&mut self, items: &mut [Value], rules: &Node, path: &str, all: bool) {
        let mut after_secret_flag = false;
        for item in items {
            let path = match rules.key_of(item) {
                Some(key) => format!("{path}[{key}]"),
                None => format!("{path}[]"),
            };
            // `--password` `hunter2` as two words of a command.
            let flag = rules.order == Order::Matters && item.as_str().is_some_and(is_secret_flag);
            self.hide_in(item, rules.item(), &path, all || after_secret_flag);
            after_secret_flag = flag;
        }
    }

    fn hide(&mut self, value: &mut Value, path: &str) {
        let seen = self.seen.entry(path.to_owned()).or_default();
        let was = self.before.get(path).and_then(|values| values.get(seen.len()));
        let changed = was.is_some_and(|was| was != value);
        let mask = if changed { MASKED_CHANGED } else { MASKED };
        seen.push(std::mem::replace(value, mask.into()));
    }
}

fn is_secret_flag(word: &str) -> bool {
    word.starts_with('-') && !word.contains(['=', ' ']) && is_secret_name(word)
}

#[cfg(test)]
mod tests {
    use super::super::{compare_service, compare_task_definition};
    use super::*;
    use serde_json::json;

    /// A task definition whose every secret holds `secret`.
    fn full_of_secrets(secret: &str) -> Value {
        json!({"family": "web",
            "volumes": [{"name": "a", "dockerVolumeConfiguration": {"driverOpts": {"o": format!("username=a,password={secret}")}}}],
            "proxyConfiguration": {"containerName": "e", "properties": [{"name": "AuthToken", "value": secret}]},
            "containerDefinitions": [{"name": "app", "image": "web:1",
            "environment": [{"name": "DB_PASSWORD", "value": secret}, {"name": "DATABASE", "value": format!("postgres://a:{secret}@db/x")}],
            "secrets": [{"name": "PLAIN", "valueFrom": secret}],
            "repositoryCredentials": {"credentialsParameter": secret},
            "credentialSpecs": [secret],
            "dockerLabels": {"api-key": secret, "url": format!("https://a:{secret}@h/")},
            "command": ["app", "--token", secret, "--url", format!("amqp://u:{secret}@mq")],
            "entryPoint": ["sh", "-c", format!("PASSWORD={secret} exec app")],
            "healthCheck": {"command": ["CMD", "curl", "-H", format!("Authorization: Bearer {secret}")]},
            "firelensConfiguration": {"type": "fluentbit", "options": {"http-auth": secret}},
            "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": secret, "splunk-url": "https://logs"},
                "secretOptions": [{"name": "x", "valueFrom": secret}]}}]})
    }

    #[test]
    fn no_secret_is_in_a_comparison_its_diff_or_its_json() {
        for (before, after) in [("hunter2-old", "hunter2-new"), ("hunter2-old", "")] {
            let (declared, live) = (full_of_secrets(after), full_of_secrets(before));
            let found = compare_task_definition(&declared, &live);
            let shown = [
                format!("{found:?}"),
                serde_json::to_string(&found).unwrap(),
                format!("{:?}", found.unified("live", "git")),
                mask(Kind::TaskDefinition, &live).to_string(),
            ];
            for text in shown {
                assert!(!text.contains("hunter2"), "{text}");
            }
        }
    }

    #[test]
    fn every_changed_secret_shows_that_it_changed() {
        let found = compare_task_definition(&full_of_secrets("hunter2-new"), &full_of_secrets("hunter2-old"));
        let paths: Vec<_> = found.changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths.len(), 15, "{paths:#?}");
        let text = serde_json::to_string(&found.unified("live", "git")).unwrap();
        assert_eq!(text.matches(MASKED_CHANGED).count(), 16, "{text}");
    }

    #[test]
    fn an_unchanged_secret_is_no_change_beside_one_that_is() {
        let container = |tag: &str, value: &str| {
            json!({"containerDefinitions": [{"name": "app", "image": tag, "environment": [
                {"name": "A_TOKEN", "value": "same"}, {"name": "B_TOKEN", "value": value}, {"name": "LEVEL", "value": "info"}]}]})
        };
        let found = compare_task_definition(&container("web:2", "new"), &container("web:1", "old"));
        let lines: Vec<_> = found.unified("live", "git").unwrap().hunks[0]
            .lines
            .iter()
            .map(|line| format!("{}{}", line.side.sign(), line.text))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
         containerDefinitions:
           - name: app
        -    image: web:1
        +    image: web:2
             environment:
               - name: A_TOKEN
                 value: ‹masked›
               - name: B_TOKEN
        -        value: ‹masked›
        +        value: ‹masked, changed›
               - name: LEVEL
                 value: info
        ");
    }

    #[test]
    fn two_secrets_that_change_places_show() {
        let command = |one: &str, other: &str| json!({"containerDefinitions": [{"name": "a", "command": [format!("x://u:{one}@h"), format!("x://u:{other}@h")]}]});
        let found = compare_task_definition(&command("1", "2"), &command("2", "1"));
        assert_eq!(found.changes.len(), 1);
        assert!(!found.unified("live", "git").unwrap().hunks.is_empty());
        assert!(compare_task_definition(&command("1", "2"), &command("1", "2")).is_unchanged());
    }

    #[test]
    fn secrets_of_a_service_are_hidden() {
        let service = |secret: &str| {
            json!({"tags": [{"key": "api-token", "value": secret}], "serviceConnectConfiguration": {"logConfiguration": {
                "options": {"password": secret}, "secretOptions": [{"name": "a", "valueFrom": secret}]}}})
        };
        let found = compare_service(&service("hunter2-new"), &service("hunter2-old"));
        assert_eq!(found.changes.len(), 3);
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}
