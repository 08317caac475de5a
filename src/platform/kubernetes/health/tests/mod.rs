//! Statuses as controllers write them, and the verdicts on them.

mod access;
mod custom;
mod pods;
mod storage;
mod workloads;

use super::assess;
use crate::model::{Health, HealthReport};
use serde_json::Value;

const HEALTHY: Health = Health::Healthy;
const PROGRESSING: Health = Health::Progressing;
const SUSPENDED: Health = Health::Suspended;
const DEGRADED: Health = Health::Degraded;

/// Object, verdict, whether it is final, and the message.
type Case = (Value, Health, bool, &'static str);

fn check(cases: impl IntoIterator<Item = Case>) {
    for (object, health, is_final, message) in cases {
        let want = HealthReport { health, message: message.into(), is_final };
        assert_eq!(assess(&object), want, "{object:#}");
    }
}

/// `base` with `patch` merged into it; `null` removes.
fn with(mut base: Value, patch: Value) -> Value {
    merge(&mut base, patch);
    base
}

fn merge(base: &mut Value, patch: Value) {
    match patch {
        Value::Object(patch) => {
            if !base.is_object() {
                *base = Value::Object(serde_json::Map::new());
            }
            let base = base.as_object_mut().expect("an object");
            for (key, value) in patch {
                match value {
                    Value::Null => _ = base.remove(&key),
                    value => merge(base.entry(key).or_insert(Value::Null), value),
                }
            }
        }
        other => *base = other,
    }
}
