//! Of what a watch tells only that is kept which verdicts and reasons are made from.

use serde_json::{Map, Value, json};

pub(super) enum Kept {
    Yes(Value),
    /// Nothing is wrong with it, and only what is wrong is of interest.
    No,
}

/// The object without what nobody looks at: who manages which field, and data, which may be secret. Of pods that a
/// controller made only those that are not ready are kept; of all pods only a part. A pod that nobody made from a
/// template is awaited by itself, so that it is kept whatever its state.
pub(super) fn slim(object: Value) -> Kept {
    match is_pod(&object) {
        true if is_controlled(&object) && is_fine(&object) => Kept::No,
        true => Kept::Yes(slim_pod(&object)),
        false => Kept::Yes(without_bulk(object)),
    }
}

/// The object without who manages which field, and without data.
pub(in crate::platform::kubernetes) fn without_bulk(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        for data in ["data", "stringData", "binaryData"] {
            fields.remove(data);
        }
    }
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

fn is_pod(object: &Value) -> bool {
    let is = |field: &str, value: &str| object.get(field).and_then(Value::as_str) == Some(value);
    is("apiVersion", "v1") && is("kind", "Pod")
}

fn is_controlled(pod: &Value) -> bool {
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
}

fn is_fine(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let is_ready = conditions.into_iter().flatten().any(|one| {
        one.get("type").and_then(Value::as_str) == Some("Ready")
            && one.get("status").and_then(Value::as_str) == Some("True")
    });
    let has_ended = pod.pointer("/status/phase").and_then(Value::as_str) == Some("Succeeded");
    is_ready || has_ended || pod.pointer("/metadata/deletionTimestamp").is_some()
}

fn slim_pod(pod: &Value) -> Value {
    let part = |of: &Value, fields: &[&str]| -> Value {
        let kept = fields.iter().filter_map(|field| Some(((*field).to_owned(), of.get(field)?.clone())));
        Value::Object(kept.collect::<Map<_, _>>())
    };
    let none = Value::Null;
    let [metadata, spec, status] =
        ["metadata", "spec", "status"].map(|field| pod.get(field).unwrap_or(&none));
    let images = |field: &str| -> Vec<Value> {
        let containers = spec.get(field).and_then(Value::as_array);
        containers.into_iter().flatten().map(|one| part(one, &["name", "image"])).collect()
    };
    let mut slim_spec = part(spec, &["restartPolicy", "readinessGates"]);
    slim_spec["containers"] = images("containers").into();
    slim_spec["initContainers"] = images("initContainers").into();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": part(metadata, &["name", "namespace", "uid", "resourceVersion", "generation", "labels",
            "ownerReferences", "creationTimestamp", "deletionTimestamp"]),
        "spec": slim_spec,
        "status": part(status, &["phase", "reason", "message", "startTime", "conditions", "initContainerStatuses",
            "containerStatuses"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_data_nor_environment_is_kept() {
        let kept = |object| match slim(object) {
            Kept::Yes(object) => object,
            Kept::No => panic!("not kept"),
        };
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "c2VjcmV0"}, "metadata": {"name": "s",
            "managedFields": [{}], "annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "secret"}}});
        assert_eq!(
            kept(secret),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {"a": "b"}}})
        );
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": {"x": "secret"}},
            "spec": {"restartPolicy": "Always", "containers": [{"name": "app", "image": "web:1", "env": [{"name": "A",
                "value": "secret"}], "args": ["secret"]}]}, "status": {"phase": "Pending"}});
        assert_eq!(
            kept(pod),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"restartPolicy": "Always",
                "containers": [{"name": "app", "image": "web:1"}], "initContainers": []}, "status": {"phase": "Pending"}})
        );
    }
}
