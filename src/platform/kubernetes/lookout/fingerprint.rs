//! What of an object makes a look worthwhile when it changes.

use crate::model::Health;
use crate::platform::kubernetes::health::assess;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Fields of `metadata` that change with every write, whatever it was about.
const RESTLESS: [&str; 3] = ["managedFields", "resourceVersion", "generation"];

/// Everything but the status, as a number, and how the object fares. Two that are alike need not be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    content: u64,
    health: Health,
}

impl Fingerprint {
    pub fn of(object: &Value) -> Fingerprint {
        let mut hasher = DefaultHasher::new();
        for (field, value) in object.as_object().into_iter().flatten() {
            match (field.as_str(), value) {
                ("status", _) => {}
                ("metadata", Value::Object(metadata)) => {
                    for (field, value) in
                        metadata.iter().filter(|(name, _)| !RESTLESS.contains(&name.as_str()))
                    {
                        field.hash(&mut hasher);
                        take(value, &mut hasher);
                    }
                }
                (field, value) => {
                    field.hash(&mut hasher);
                    take(value, &mut hasher);
                }
            }
        }
        Fingerprint { content: hasher.finish(), health: assess(object).health }
    }
}

fn take(value: &Value, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Null => {}
        Value::Bool(yes) => yes.hash(hasher),
        Value::Number(number) => number.hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| take(item, hasher));
        }
        Value::Object(fields) => {
            fields.len().hash(hasher);
            for (field, value) in fields {
                field.hash(hasher);
                take(value, hasher);
            }
        }
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
    }
}
