//! Fields that are neither compared nor written: `ignoreDifferences`, and the number of replicas under an autoscaler.
//!
//! Leaving a field out of an apply is not enough where we own it: the API server then removes it, and `replicas` falls
//! back to 1. So a field that is still ours is sent with the value that it has; as soon as somebody else changes it, as
//! an autoscaler does, it is theirs, and we stop sending it. On an object that is not there yet the document's value is
//! sent: nobody else has said anything so far.

use crate::kubernetes::FIELD_MANAGER;
use crate::model::{IgnoreDifferences, ObjectKey};
use serde_json::{Map, Value};

/// The JSON pointers of an object's fields that are left alone.
pub(super) fn pointers(rules: &[IgnoreDifferences], key: &ObjectKey, is_autoscaled: bool) -> Vec<String> {
    let is_of = |rule: &&IgnoreDifferences| {
        rule.group == key.group
            && (rule.kind == "*" || rule.kind == key.kind)
            && rule.name.as_ref().is_none_or(|name| *name == key.name)
            && rule.namespace.as_ref().is_none_or(|namespace| Some(namespace) == key.namespace.as_ref())
    };
    let declared = rules.iter().filter(is_of).flat_map(|rule| rule.json_pointers.iter().cloned());
    declared.chain(is_autoscaled.then(|| "/spec/replicas".to_owned())).collect()
}

/// Takes the fields out of what will be applied over `live`, or keeps them as they are where they are still ours. True
/// if one was kept: the apply then must not hit a newer object than `live`.
pub(super) fn leave(body: &mut Value, live: &Value, pointers: &[String]) -> bool {
    let owned = our_fields(live);
    let mut kept = false;
    for pointer in pointers {
        let steps: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        if let Some((last, path)) = steps.split_last() {
            kept |= leave_one(Some(&mut *body), Some(live), owned, path, last);
        }
    }
    kept
}

fn leave_one(
    body: Option<&mut Value>,
    live: Option<&Value>,
    owned: Option<&Value>,
    path: &[String],
    last: &str,
) -> bool {
    let Some(body) = body else { return false };
    let Some((step, rest)) = path.split_first() else {
        return leave_here(body, live, owned, last);
    };
    match body {
        Value::Object(fields) => {
            let owned = owned.and_then(|owned| owned.get(format!("f:{step}")));
            leave_one(fields.get_mut(step), live.and_then(|live| live.get(step)), owned, rest, last)
        }
        Value::Array(items) => {
            let Some(item) = step.parse().ok().and_then(|index: usize| items.get_mut(index)) else {
                return false;
            };
            let element = element(item, owned);
            let live = live.and_then(Value::as_array).and_then(|items| {
                items.iter().find(|live| element.is_some_and(|(keys, _)| has_keys(live, keys)))
            });
            leave_one(Some(item), live, element.map(|(_, owned)| owned), rest, last)
        }
        _ => false,
    }
}

fn leave_here(body: &mut Value, live: Option<&Value>, owned: Option<&Value>, last: &str) -> bool {
    let Value::Object(fields) = body else { return false };
    let is_ours = owned.is_some_and(|owned| owned.get(format!("f:{last}")).is_some());
    match live.and_then(|live| live.get(last)).filter(|_| is_ours) {
        Some(value) => {
            fields.insert(last.to_owned(), value.clone());
            true
        }
        None => {
            fields.shift_remove(last);
            false
        }
    }
}

/// The managed fields of the list element that has the same keys as `item`: its keys and what is owned of it.
pub(super) fn element<'a>(item: &Value, owned: Option<&'a Value>) -> Option<(&'a str, &'a Value)> {
    let elements = owned?.as_object()?.iter();
    let mut keyed = elements.filter_map(|(name, owned)| Some((name.strip_prefix("k:")?, owned)));
    keyed.find(|(keys, _)| has_keys(item, keys))
}

fn has_keys(item: &Value, keys: &str) -> bool {
    let Ok(keys) = serde_json::from_str::<Map<String, Value>>(keys) else { return false };
    keys.iter().all(|(key, value)| item.get(key).is_none_or(|found| found == value))
}

/// True if `item` is the element that the managed fields call `name`: `k:{"name":"app"}`, `v:"a"`.
pub(super) fn is_called(item: &Value, name: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    if let Some(value) = name.strip_prefix("v:") {
        return !item.is_object() && parse(value).as_ref() == Some(item);
    }
    let Some(Value::Object(keys)) = name.strip_prefix("k:").and_then(parse) else { return false };
    !keys.is_empty()
        && keys.iter().all(|(key, value)| match item.get(key) {
            Some(found) => found == value,
            // The one key that has a default.
            None => item.is_object() && key == "protocol" && value == "TCP",
        })
}

/// What our applies own of an object.
pub(super) fn our_fields(live: &Value) -> Option<&Value> {
    our_entry(live)?.get("fieldsV1")
}

/// The entry of our applies in an object's managed fields.
pub(super) fn our_entry(live: &Value) -> Option<&Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    entries.iter().find(|entry| {
        entry["manager"] == FIELD_MANAGER
            && entry["operation"] == "Apply"
            && entry.get("subresource").is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(replicas: u32, ours: Value) -> Value {
        json!({"metadata": {"managedFields": [
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "cutover", "operation": "Apply", "fieldsV1": ours}]},
            "spec": {"replicas": replicas, "containers": [{"name": "b", "image": "b:9"}, {"name": "a", "image": "a:9"}]}})
    }

    #[test]
    fn replicas_that_an_autoscaler_changed_are_not_sent_and_those_still_ours_stay_as_they_are() {
        let pointers = pointers(&[], &ObjectKey::default(), true);
        let mut body = json!({"spec": {"replicas": 2, "paused": false}});
        assert!(!leave(&mut body, &live(7, json!({"f:spec": {"f:paused": {}}})), &pointers));
        assert_eq!(body, json!({"spec": {"paused": false}}));
        let mut body = json!({"spec": {"replicas": 2}});
        assert!(leave(&mut body, &live(7, json!({"f:spec": {"f:replicas": {}}})), &pointers));
        assert_eq!(body, json!({"spec": {"replicas": 7}}), "a removed field would fall back to its default");
    }

    #[test]
    fn a_field_of_a_list_is_found_by_its_elements_keys() {
        let ours = json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}}});
        let pointers = ["/spec/containers/0/image".to_owned(), "/spec/containers/1/image".to_owned()];
        let mut body =
            json!({"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}});
        assert!(leave(&mut body, &live(1, ours), &pointers));
        assert_eq!(body, json!({"spec": {"containers": [{"name": "a", "image": "a:9"}, {"name": "b"}]}}));
    }

    #[test]
    fn rules_hold_for_what_they_name() {
        let rule = IgnoreDifferences {
            group: "apps".into(),
            kind: "*".into(),
            name: Some("web".into()),
            namespace: None,
            json_pointers: vec!["/a~1b".into()],
        };
        let key = |name: &str| ObjectKey {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: None,
            name: name.into(),
        };
        assert_eq!(pointers(std::slice::from_ref(&rule), &key("web"), false), ["/a~1b"]);
        assert_eq!(pointers(std::slice::from_ref(&rule), &key("api"), false), [""; 0]);
        let mut body = json!({"a/b": 1, "c": 2});
        leave(&mut body, &json!({}), &pointers(&[rule], &key("web"), false));
        assert_eq!(body, json!({"c": 2}));
    }
}
