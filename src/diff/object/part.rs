//! The part of a live object that a document speaks of.

use super::pairs::pairs;
use serde_json::{Map, Value};

/// What `live` has of the fields that `declared` has, in the document's order. For where the API server can't be asked
/// what would come of an apply.
pub fn declared_part(live: &Value, declared: &Value) -> Value {
    match (live, declared) {
        (Value::Object(live), Value::Object(declared)) => {
            let both = declared.iter().filter_map(|(name, wanted)| Some((name, live.get(name)?, wanted)));
            let part: Map<String, Value> =
                both.map(|(name, live, wanted)| (name.clone(), declared_part(live, wanted))).collect();
            Value::Object(part)
        }
        (Value::Array(before), Value::Array(after)) => match pairs(before, after) {
            Some(pairs) => pairs
                .into_iter()
                .filter_map(|(old, new, _)| match (old, new) {
                    (Some(old), Some(new)) => Some(declared_part(&before[old], &after[new])),
                    (Some(old), None) => Some(before[old].clone()),
                    _ => None,
                })
                .collect(),
            None => live.clone(),
        },
        _ => live.clone(),
    }
}
