//! Holds the answers of applies against what was planned: an object on which an apply changed nothing of what it was to
//! change is not done, whatever the status of the answer.

use crate::diff::{Comparison, FieldChange, meaning};
use crate::model::ObjectKey;
use crate::plan::{LiveObject, WouldBe};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Fields that a sentence names.
const NAMED: usize = 5;

/// What this run's last reading planned for each object that is to change: as it was, and as it would be.
#[derive(Default)]
pub(super) struct Planned(Mutex<HashMap<ObjectKey, (Value, Value)>>);

impl Planned {
    /// Keeps what an object would be.
    pub(super) fn note(&self, object: &LiveObject) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&object.live, &object.would_be) {
            (Some(live), WouldBe::Object(would_be)) => {
                known.insert(object.key.clone(), (meaning(live, false), meaning(would_be, false)));
            }
            _ => drop(known.remove(&object.key)),
        }
    }

    /// A sentence if fields that were to change still are as they were in `answer`.
    pub(super) fn unmet(&self, key: &ObjectKey, answer: &Value) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        let (live, would_be) = known?;
        let planned = Comparison::of_objects(&live, &would_be).changes;
        let missing = Comparison::of_objects(&meaning(answer, false), &would_be).changes;
        // Something else than either is somebody's newer change, which the next look judges.
        let is_unmet = |change: &&FieldChange| {
            missing.iter().any(|missing| missing.path == change.path && missing.before == change.before)
        };
        let unmet: Vec<&str> = planned.iter().filter(is_unmet).map(|change| change.path.as_str()).collect();
        if unmet.is_empty() {
            return None;
        }
        let more = match unmet.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "the API server took the apply, but {}{more} {} as before; somebody else writes there, or an admission \
             webhook keeps it: look at metadata.managedFields (kubectl get --show-managed-fields)",
            unmet.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "),
            if unmet.len() == 1 { "is" } else { "are" },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HealthReport;
    use serde_json::json;

    #[test]
    fn a_planned_change_that_did_not_come_is_named_and_a_newer_one_is_not() {
        let object = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        let key = ObjectKey { kind: "ConfigMap".into(), name: "a".into(), ..ObjectKey::default() };
        let unmet = |answer: Value| {
            let planned = Planned::default();
            planned.note(&LiveObject {
                key: key.clone(),
                live: Some(object(json!({"a": "1", "old": "2"}))),
                would_be: WouldBe::Object(object(json!({"a": "3"}))),
                health: HealthReport::default(),
                filled: vec![],
            });
            planned.unmet(&key, &object(answer))
        };
        assert_eq!(unmet(json!({"a": "3"})), None);
        assert_eq!(unmet(json!({"a": "4"})), None, "somebody was faster");
        let stays = unmet(json!({"a": "3", "old": "2"})).expect("a sentence");
        assert!(stays.contains("but data.old is as before"), "{stays}");
        assert_eq!(Planned::default().unmet(&key, &object(json!({}))), None);
    }
}
