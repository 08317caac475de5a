//! What of an object makes a look worthwhile when it changes.

use crate::model::Health;
use crate::platform::kubernetes::health::assess;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Fields of `metadata` that change with every write, whatever it was about.
const RESTLESS: [&str; 3] = ["managedFields", "resourceVersion", "generation"];

/// Everything but the status, as a number, and how the object fares. Two that are alike need not be looked at. In which
/// order fields come does not matter: lists and watches put them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    content: u64,
    health: Health,
}

impl Fingerprint {
    pub fn of(object: &Value) -> Fingerprint {
        let fields = object.as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| *name != "status").map(|(name, value)| match value {
            Value::Object(metadata) if name == "metadata" => {
                let restful = metadata.iter().filter(|(name, _)| !RESTLESS.contains(&name.as_str()));
                number(&(name, sum(restful)))
            }
            value => number(&(name, mark(value))),
        });
        Fingerprint { content: fields.fold(0, u64::wrapping_add), health: assess(object).health }
    }
}

/// An object of any kind as a number: by group, kind, namespace and name.
pub(super) fn id(object: &Value) -> u64 {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    number(&(group, text("/kind"), text("/metadata/namespace"), text("/metadata/name")))
}

fn number(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// A sum is the same in whichever order the fields come.
fn sum<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>) -> u64 {
    fields.map(|(name, value)| number(&(name, mark(value)))).fold(0, u64::wrapping_add)
}

fn mark(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Bool(yes) => number(yes),
        Value::Number(value) => number(value),
        Value::String(text) => number(text),
        Value::Array(items) => number(&items.iter().map(mark).collect::<Vec<u64>>()),
        Value::Object(fields) => number(&(fields.len(), sum(fields.iter()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_matters_changes_a_fingerprint() {
        let deployment = || {
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "uid": "1", "generation": 1, "resourceVersion": "7", "managedFields": [{}]},
                "spec": {"replicas": 2},
                "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
                    "availableReplicas": 2, "conditions": [{"type": "Available", "status": "True"}]}})
        };
        let before = Fingerprint::of(&deployment());
        let changed = |pointer: &str, value: Value| {
            let mut object = deployment();
            *object.pointer_mut(pointer).expect("a field") = value;
            Fingerprint::of(&object) != before
        };
        assert!(!changed("/metadata/resourceVersion", "8".into()));
        assert!(!changed("/metadata/managedFields", json!([{"manager": "kubectl"}])));
        assert!(!changed("/status/conditions/0/status", "True".into()));
        assert!(changed("/status/availableReplicas", 1.into()), "it is not well any more");
        assert!(changed("/spec/replicas", 3.into()));
        assert!(changed("/metadata/uid", "2".into()), "it was made anew");
        let swapped = |text: &str| Fingerprint::of(&serde_json::from_str(text).expect("JSON"));
        assert_eq!(
            swapped(r#"{"kind": "A", "metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}}"#),
            swapped(r#"{"metadata": {"labels": {"y": "2", "x": "1"}, "name": "a"}, "kind": "A"}"#)
        );
        assert_ne!(
            swapped(r#"{"data": {"x": "1", "y": "2"}}"#),
            swapped(r#"{"data": {"x": "2", "y": "1"}}"#)
        );
    }
}
