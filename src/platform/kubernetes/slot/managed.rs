//! Whether an object is still as we sent it, told by who manages its fields: nobody can change a field without the server
//! noting that it is theirs.

use crate::kubernetes::FIELD_MANAGER;
use crate::platform::kubernetes::left_alone::{element, our_fields};
use crate::platform::kubernetes::takeover::FieldSet;
use serde_json::Value;

/// True if every field of `sent`'s spec is one that our last apply owns on `live`, or a patch of our own since: one field
/// patched, the API server writes all of an autoscaler's metrics in its own spelling, and counts that as the patch's.
/// What was applied has to be known from elsewhere; what others added beside it does not count, and neither does the
/// number of replicas.
pub(in crate::platform::kubernetes) fn is_ours_as_sent(live: &Value, sent: &Value) -> bool {
    if our_fields(live).is_none() {
        return false;
    }
    let owned = FieldSet::united(&our_sets(live)).to_fields();
    let Some(owned) = owned.get("f:spec") else { return false };
    let Some(spec) = sent.get("spec").and_then(Value::as_object) else { return false };
    let fields = spec.iter().filter(|(name, _)| *name != "replicas");
    fields.into_iter().all(|(name, value)| is_covered(value, owned.get(format!("f:{name}"))))
}

/// What our applies and our patches own.
fn our_sets(live: &Value) -> Vec<FieldSet> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let is_ours = |entry: &&Value| entry["manager"] == FIELD_MANAGER && entry.get("subresource").is_none();
    entries.filter(is_ours).map(|entry| FieldSet::parse(&entry["fieldsV1"])).collect()
}

fn is_covered(value: &Value, owned: Option<&Value>) -> bool {
    // The server leaves out what is empty, and with it the note of whose it was.
    if is_nothing(value) {
        return true;
    }
    let Some(owned) = owned else { return false };
    // Owned as a whole.
    if owned.as_object().is_none_or(serde_json::Map::is_empty) {
        return true;
    }
    match value {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| is_covered(value, owned.get(format!("f:{name}"))))
        }
        Value::Array(items) => items.iter().all(|item| match element(item, Some(owned)) {
            Some((_, owned)) => is_covered(item, Some(owned)),
            None => owned.get(format!("v:{item}")).is_some(),
        }),
        _ => true,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(owned: Value) -> Value {
        json!({"metadata": {"managedFields": [{"manager": "cutover", "operation": "Apply", "fieldsV1": {"f:spec": owned}}]}})
    }

    #[test]
    fn a_field_that_somebody_else_changed_is_not_ours_any_more() {
        let sent = json!({"spec": {"replicas": 3, "paused": false, "selector": {"matchLabels": {"a": "b"}}, "template":
            {"metadata": {"creationTimestamp": null}, "spec": {"volumes": [],
                "containers": [{"name": "app", "image": "web:1", "ports": [{"containerPort": 80}], "args": ["x"]}]}}}});
        let owned = |image: Value| {
            let mut container = json!({".": {}, "f:name": {}, "f:args": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}});
            if image.is_object() {
                container["f:image"] = image;
            }
            json!({"f:paused": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": container}}}})
        };
        assert!(is_ours_as_sent(&live(owned(json!({}))), &sent), "replicas do not count");
        assert!(!is_ours_as_sent(&live(owned(Value::Null)), &sent), "kubectl set image took it");
        assert!(!is_ours_as_sent(&live(json!({})), &sent));
        let mut patched = live(owned(Value::Null));
        let entries = patched["metadata"]["managedFields"].as_array_mut().expect("entries");
        let image =
            json!({"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}}});
        entries.push(json!({"manager": "cutover", "operation": "Update", "fieldsV1": {"f:spec": image}}));
        assert!(is_ours_as_sent(&patched, &sent), "a patch of our own is none of somebody else");
        assert!(!is_ours_as_sent(&json!({"metadata": {}}), &sent));
    }
}
