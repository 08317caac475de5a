//! What of an object people care about.

use crate::model::marks;
use serde_json::{Map, Value};

/// What the API server keeps for itself in `metadata`.
const SERVERS_OWN: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Notes of others that say again what the object says.
const COPIES: [&str; 2] =
    ["kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision"];

/// An object without its status, what the API server keeps for itself, and notes of tools. Our own marks stay if
/// `with_marks` says so: where an object is adopted, they are the change.
pub fn meaning(object: &Value, with_marks: bool) -> Value {
    let Some(fields) = object.as_object() else { return object.clone() };
    let mut kept: Map<String, Value> = Map::new();
    for (name, value) in fields {
        match name.as_str() {
            "status" => {}
            "metadata" => drop(kept.insert(name.clone(), metadata(value, with_marks))),
            _ => drop(kept.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(kept)
}

fn metadata(value: &Value, with_marks: bool) -> Value {
    let Some(fields) = value.as_object() else { return value.clone() };
    let is_note = |key: &str| COPIES.contains(&key) || !with_marks && marks::is_a_mark(key);
    let mut kept = Map::new();
    for (name, value) in fields.iter().filter(|(name, _)| !SERVERS_OWN.contains(&name.as_str())) {
        match (name.as_str(), value) {
            ("labels" | "annotations", Value::Object(pairs)) => {
                let pairs: Map<String, Value> = pairs
                    .iter()
                    .filter(|(key, _)| !is_note(key))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                if !pairs.is_empty() {
                    kept.insert(name.clone(), Value::Object(pairs));
                }
            }
            _ => drop(kept.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(kept)
}
