//! Validated documents back to text: what `cutover render` prints. Reading it again gives the same documents, but for
//! the values of Kubernetes Secrets: those are masked, and the mask is refused.

use super::{CUTOVER_API, ECS_API};
use crate::diff::{MASKED, to_yaml};
use crate::model::{Kind, Manifests, Service, TaskDefinitionRef};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Where `kubectl apply` keeps a whole object, a Secret's values included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// All documents as one YAML stream: by kind, then by name; defaults filled in.
pub fn render(manifests: &Manifests) -> String {
    let mut texts = vec![];
    for application in manifests.applications.values() {
        texts.push(document_text(Kind::Application, &application.name, own_spec(application)));
    }
    for task_definition in manifests.task_definitions.values() {
        texts.push(document_text(Kind::TaskDefinition, &task_definition.name, task_definition.spec.clone()));
    }
    for service in manifests.services.values() {
        texts.push(document_text(Kind::Service, &service.name, service_spec(service)));
    }
    for blue_green in manifests.blue_greens.values() {
        texts.push(document_text(Kind::BlueGreen, &blue_green.name, own_spec(blue_green)));
    }
    let masked = masked(manifests);
    texts.extend(masked.objects.values().map(|object| to_yaml(&object.body)));
    texts.join("---\n")
}

/// The documents with the values of Kubernetes Secrets hidden, also in what `kubectl apply` notes of them.
pub fn masked(manifests: &Manifests) -> Manifests {
    let mut masked = manifests.clone();
    for secret in masked.objects.values_mut().filter(|object| object.key.is("", "Secret")) {
        for field in ["data", "stringData"] {
            if let Some(values) = secret.body.get_mut(field) {
                hide(values);
            }
        }
        if let Some(noted) =
            secret.body.pointer_mut("/metadata/annotations").and_then(|a| a.get_mut(LAST_APPLIED))
        {
            hide(noted);
        }
    }
    masked
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Null => {}
        scalar => *scalar = MASKED.into(),
    }
}

/// One document as YAML.
pub fn document_text(kind: Kind, name: &str, spec: Value) -> String {
    let api = match kind {
        Kind::Application | Kind::BlueGreen | Kind::ControllerConfiguration => CUTOVER_API,
        Kind::TaskDefinition | Kind::Service => ECS_API,
    };
    to_yaml(&json!({"apiVersion": api, "kind": kind.to_string(), "metadata": {"name": name}, "spec": spec}))
}

fn service_spec(service: &Service) -> Value {
    let (TaskDefinitionRef::Document(name) | TaskDefinitionRef::External(name)) = &service.task_definition;
    let mut spec = Map::new();
    spec.extend(service.spec.get("serviceName").map(|name| ("serviceName".to_owned(), name.clone())));
    spec.insert("taskDefinition".into(), name.as_str().into());
    spec.extend(service.spec.as_object().cloned().unwrap_or_default());
    Value::Object(spec)
}

/// The spec of one of the program's own kinds; what is not set is left out.
fn own_spec(document: &impl Serialize) -> Value {
    let mut spec = serde_json::to_value(document).unwrap_or_default();
    drop_unset(&mut spec);
    spec
}

fn drop_unset(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_unset);
            fields.retain(|_, value| {
                !(value.is_null() || value == "" || value.as_object().is_some_and(Map::is_empty))
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_unset),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{problems::Problems, yaml};
    use crate::diff::to_yaml;
    use crate::model::SourceFile;
    use serde_json::{Value, json};

    fn read_back(value: &Value) -> Value {
        let text = to_yaml(value);
        let file = SourceFile { path: "a.yaml".into(), bytes: text.clone().into_bytes() };
        let mut problems = Problems::default();
        let documents = yaml::parse(&file, &mut yaml::Budget::default(), &mut problems);
        let problems = problems.into_sorted();
        assert!(problems.is_empty(), "{problems:?}\n{text}");
        assert_eq!(documents.len(), 1, "{text}");
        documents[0].to_json()
    }

    #[test]
    fn text_that_looks_like_something_else_stays_text() {
        let texts = [
            "",
            " ",
            "yes",
            "n",
            "on",
            "null",
            "~",
            "0644",
            "012",
            "0o17",
            "0b11",
            "1_000",
            "1.0",
            "1e3",
            ".5",
            ".inf",
            "2001-01-01",
            "12:30:45",
            "12:30",
            "<<",
            "=",
            "a: b",
            "a #b",
            "a:",
            "- a",
            "-",
            "---",
            "...",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "'a'",
            "\"a\"",
            "a\\b",
            " a",
            "a ",
            "a\tb",
            "\ta",
            "é",
            "日本",
            "😀",
            "\u{feff}x",
            "\u{85}",
            "\u{2028}",
            "\u{7f}",
            "\u{1}",
            "a\r\nb",
            "0xab",
            "123abc",
            "10m",
            "30%",
            "a,b",
            "?",
            "? a",
            ":",
            "|",
            ">",
            "#",
            "arn:aws:iam::123456789012:role/x",
            "nginx:1.25@sha256:abc",
        ];
        for text in texts {
            assert_eq!(
                read_back(&json!({"k": text, "l": [text]})),
                json!({"k": text, "l": [text]}),
                "{text:?}"
            );
        }
        // Keys have no control characters.
        for text in texts.iter().filter(|text| !text.is_empty() && !text.chars().any(char::is_control)) {
            assert_eq!(read_back(&json!({*text: 1})), json!({*text: 1}), "{text:?}");
        }
    }

    #[test]
    fn several_lines_stay_as_they_are() {
        for text in [
            "a\nb",
            "a\nb\n",
            "a\nb\n\n",
            "\na",
            "\n",
            "\n\n",
            "a\n\nb\n",
            "a\n  b\n",
            "  a\nb",
            "a\n \nb",
            "a\n\tb",
            "a\n\n",
            "a \nb ",
            "a\nb ",
            "a\n# b\n",
            "---\na\n",
            "a\n---\nb\n",
            "{\n  \"a\": 1\n}\n",
        ] {
            let value = json!({"k": text, "l": [{"m": text, "n": [text]}], "z": 1});
            assert_eq!(read_back(&value), value, "{text:?}\n{}", to_yaml(&value));
        }
    }

    #[test]
    fn nested_values_and_numbers_come_back() {
        let value = json!({
            "a": {"b": [], "c": {}, "d": [[1, [2, []]], {"e": {"f": null}}, [{"g": 1, "h": [true]}]]},
            "n": [0, -1, 1.5, u64::MAX, i64::MIN, 1e300, 5e-324, 18_446_744_073_709_551_616.0_f64],
        });
        assert_eq!(read_back(&value), value, "{}", to_yaml(&value));
        let long = json!({"k".repeat(256): 1, "\u{ad}".repeat(128): {"x": [1]}});
        assert_eq!(read_back(&long), long);
    }
}
