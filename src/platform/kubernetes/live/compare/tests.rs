use super::*;
use crate::platform::kubernetes::desired::encode_plain_text;
use serde_json::json;

/// The managed fields of an apply of `body`, as the API server writes them for the kinds of this test.
fn fields_of(body: &Value) -> Value {
    fn keys(name: &str) -> Option<&'static [&'static str]> {
        match name {
            "containers" | "env" | "volumes" => Some(&["name"]),
            "ports" => Some(&["containerPort", "protocol"]),
            "volumeMounts" => Some(&["mountPath"]),
            _ => None,
        }
    }
    fn owned(value: &Value, name: &str) -> Value {
        let is_atomic = matches!(name, "selector" | "fieldRef" | "resourceFieldRef" | "secretKeyRef");
        match value {
            Value::Object(fields) if !is_atomic => {
                let fields = fields.iter().filter(|(_, value)| !value.as_array().is_some_and(Vec::is_empty));
                fields.map(|(name, value)| (format!("f:{name}"), owned(value, name))).collect()
            }
            Value::Array(items) if name == "finalizers" => {
                items.iter().map(|item| (format!("v:{item}"), json!({}))).collect()
            }
            Value::Array(items) if keys(name).is_some() => {
                let name = |item: &Value| {
                    let key =
                        |key: &&str| ((*key).to_owned(), item.get(*key).cloned().unwrap_or(json!("TCP")));
                    let keys: Map<String, Value> = keys(name).unwrap_or_default().iter().map(key).collect();
                    format!("k:{}", Value::Object(keys))
                };
                let element = |item: &Value| {
                    let mut fields = owned(item, "");
                    fields["."] = json!({});
                    (name(item), fields)
                };
                items.iter().map(element).collect()
            }
            _ => json!({}),
        }
    }
    let mut fields = owned(body, "");
    for name in ["f:apiVersion", "f:kind"] {
        fields.as_object_mut().unwrap().shift_remove(name);
    }
    for name in ["f:name", "f:namespace"] {
        fields["f:metadata"].as_object_mut().unwrap().shift_remove(name);
    }
    fields
}

/// `live`, which our apply of `body` made.
fn made_by(body: &Value, mut live: Value) -> Value {
    live["metadata"]["managedFields"] = json!([
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}},
        {"manager": "cutover", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:annotations": {"f:cutover.dev/record": {}}}}},
        {"manager": "cutover", "operation": "Apply", "apiVersion": body["apiVersion"], "fieldsType": "FieldsV1",
            "fieldsV1": fields_of(body)}]);
    live
}

fn document() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "prod", "labels": {"app": "web"}, "finalizers": ["e.dev/a", "e.dev/b"]},
    "spec": {"replicas": 2, "paused": false, "strategy": {}, "selector": {"matchLabels": {"app": "web"}}, "template": {
        "metadata": {"labels": {"app": "web"}, "creationTimestamp": null},
        "spec": {"tolerations": [], "containers": [
            {"name": "app", "image": "web:1", "args": ["-v"], "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
                "ports": [{"containerPort": 8080}, {"containerPort": 8080, "protocol": "UDP"}],
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                "env": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""},
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                    {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]},
            {"name": "side", "image": "side:1", "resources": {}}],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "0.5Gi"}}]}}}})
}

fn live() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "prod", "uid": "u", "resourceVersion": "7", "labels": {"app": "web"},
        "annotations": {"cutover.dev/record": "r"}, "finalizers": ["e.dev/a", "e.dev/b"]},
    "spec": {"replicas": 2, "revisionHistoryLimit": 10, "strategy": {"type": "RollingUpdate"},
        "selector": {"matchLabels": {"app": "web"}}, "template": {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"restartPolicy": "Always", "containers": [
            {"name": "app", "image": "web:1", "imagePullPolicy": "IfNotPresent", "args": ["-v"],
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                "ports": [{"containerPort": 8080, "protocol": "TCP"}, {"containerPort": 8080, "protocol": "UDP"}],
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                "env": [{"name": "A", "value": "1"}, {"name": "EMPTY"},
                    {"name": "IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
                    {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}}]},
            {"name": "side", "image": "side:1", "resources": {}}],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "512Mi"}}]}}},
    "status": {"replicas": 2}})
}

/// Puts a value where the pointer says, or takes out what is there for `null` marked as `GONE`.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/");
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match (parent, value == json!("GONE")) {
        (Value::Object(fields), true) => {
            drop(fields.shift_remove(&last).unwrap_or_else(|| panic!("{pointer}")))
        }
        (Value::Object(fields), false) => drop(fields.insert(last, value)),
        (Value::Array(items), true) => drop(items.remove(last.parse().unwrap())),
        (Value::Array(items), false) if last == "-" => items.push(value),
        (Value::Array(items), false) => items[last.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{pointer}: {other}"),
    }
}

const APP: &str = "/spec/template/spec/containers/0";

#[test]
fn what_was_applied_is_the_same_whatever_the_server_and_others_added() {
    assert!(is_as_applied(&document(), &made_by(&document(), live())));
    for (pointer, value) in [
        ("/metadata/annotations/other", json!("x")),
        ("/metadata/labels/other", json!("x")),
        ("/metadata/finalizers/-", json!("foreground")),
        ("/status/replicas", json!(9)),
        ("/spec/revisionHistoryLimit", json!(3)),
        ("/spec/strategy/type", json!("Recreate")),
        ("/spec/template/spec/containers/-", json!({"name": "injected", "image": "mesh:1"})),
        ("/spec/template/spec/containers/0/env/-", json!({"name": "INJECTED", "value": "1"})),
        ("/spec/template/spec/containers/0/imagePullPolicy", json!("Always")),
    ] {
        let mut changed = made_by(&document(), live());
        set(&mut changed, pointer, value);
        assert!(is_as_applied(&document(), &changed), "{pointer}");
    }
}

#[test]
fn no_change_of_a_document_is_taken_for_none() {
    let changes = [
        ("/apiVersion".to_owned(), json!("apps/v1beta1")),
        ("/kind".into(), json!("StatefulSet")),
        ("/metadata/labels/app".into(), json!("shop")),
        ("/metadata/labels/new".into(), json!("x")),
        ("/metadata/labels/app".into(), json!("GONE")),
        ("/metadata/annotations".into(), json!({"a": "b"})),
        ("/metadata/finalizers/-".into(), json!("e.dev/c")),
        ("/metadata/finalizers/0".into(), json!("GONE")),
        ("/metadata/finalizers".into(), json!(["e.dev/b", "e.dev/a"])),
        ("/spec/replicas".into(), json!(3)),
        ("/spec/replicas".into(), json!("GONE")),
        ("/spec/replicas".into(), json!(null)),
        ("/spec/paused".into(), json!(true)),
        ("/spec/paused".into(), json!("GONE")),
        ("/spec/strategy".into(), json!({"type": "Recreate"})),
        ("/spec/strategy".into(), json!("GONE")),
        ("/spec/revisionHistoryLimit".into(), json!(10)),
        ("/spec/selector/matchLabels/tier".into(), json!("front")),
        ("/spec/selector".into(), json!({})),
        ("/spec/selector/matchExpressions".into(), json!([])),
        ("/spec/template/metadata/labels/app".into(), json!("shop")),
        ("/spec/template/spec/tolerations".into(), json!([{"operator": "Exists"}])),
        ("/spec/template/spec/restartPolicy".into(), json!("Always")),
        ("/spec/template/spec/containers/1".into(), json!("GONE")),
        ("/spec/template/spec/containers/1/name".into(), json!("other")),
        ("/spec/template/spec/containers/1/name".into(), json!("app")),
        ("/spec/template/spec/containers/-".into(), json!({"name": "third", "image": "x"})),
        ("/spec/template/spec/volumes/0/emptyDir".into(), json!({})),
        ("/spec/template/spec/volumes/0/emptyDir/sizeLimit".into(), json!("512M")),
        (format!("{APP}/image"), json!("web:2")),
        (format!("{APP}/image"), json!("GONE")),
        (format!("{APP}/imagePullPolicy"), json!("IfNotPresent")),
        (format!("{APP}/args"), json!(["-v", "-x"])),
        (format!("{APP}/args"), json!([])),
        (format!("{APP}/args"), json!("GONE")),
        (format!("{APP}/resources/limits/cpu"), json!(2)),
        (format!("{APP}/resources/limits/memory"), json!("1073741824")),
        (format!("{APP}/resources/limits/memory"), json!("GONE")),
        (format!("{APP}/resources"), json!({})),
        (format!("{APP}/ports/0/protocol"), json!("SCTP")),
        (format!("{APP}/ports/0/name"), json!("http")),
        (format!("{APP}/ports/0/containerPort"), json!(8081)),
        (format!("{APP}/ports/0"), json!("GONE")),
        (format!("{APP}/volumeMounts/0/mountPath"), json!("/var")),
        (format!("{APP}/volumeMounts/0/readOnly"), json!(true)),
        (format!("{APP}/env/0/value"), json!("1000m")),
        (format!("{APP}/env/0/value"), json!("")),
        (format!("{APP}/env/0/value"), json!(1)),
        (format!("{APP}/env/1/value"), json!("x")),
        (format!("{APP}/env/2/valueFrom/fieldRef/fieldPath"), json!("status.hostIP")),
        (format!("{APP}/env/3/valueFrom/resourceFieldRef/divisor"), json!("1m")),
        (format!("{APP}/env/-"), json!({"name": "A", "value": "1"})),
        (
            format!("{APP}/env/0"),
            json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}),
        ),
    ];
    let live = made_by(&document(), live());
    for (pointer, value) in changes {
        let mut changed = document();
        set(&mut changed, &pointer, value.clone());
        assert!(!is_as_applied(&changed, &live), "{pointer} = {value} is taken for the same");
    }
    let mut turned = document();
    turned["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().reverse();
    assert!(!is_as_applied(&turned, &live), "the order of containers");
}

#[test]
fn no_change_of_a_live_object_that_an_apply_would_undo_is_taken_for_none() {
    let changes = [
        ("/metadata/deletionTimestamp".to_owned(), json!("2026-01-01T00:00:00Z")),
        ("/metadata/labels/app".into(), json!("shop")),
        ("/metadata/labels".into(), json!("GONE")),
        ("/metadata/finalizers".into(), json!(["e.dev/a"])),
        ("/spec/replicas".into(), json!(3)),
        ("/spec/replicas".into(), json!("GONE")),
        ("/spec/paused".into(), json!(true)),
        ("/spec/strategy".into(), json!("GONE")),
        ("/spec/selector/matchLabels/tier".into(), json!("front")),
        ("/spec/template/spec/containers/1".into(), json!("GONE")),
        ("/spec/template/spec/tolerations".into(), json!([{"operator": "Exists"}])),
        (format!("{APP}/image"), json!("web:2")),
        (format!("{APP}/args"), json!(["-x"])),
        (format!("{APP}/args"), json!("GONE")),
        (format!("{APP}/resources/limits/cpu"), json!("1500m")),
        (format!("{APP}/ports/0/protocol"), json!("SCTP")),
        (format!("{APP}/env/0/value"), json!("2")),
        (format!("{APP}/env/2/valueFrom/fieldRef/apiVersion"), json!("v2")),
        (format!("{APP}/env/3/valueFrom/resourceFieldRef/divisor"), json!("1m")),
        ("/metadata/managedFields/2".into(), json!("GONE")),
        ("/metadata/managedFields".into(), json!("GONE")),
        ("/metadata/managedFields/2/apiVersion".into(), json!("apps/v1beta1")),
        ("/metadata/managedFields/2/subresource".into(), json!("scale")),
        ("/metadata/managedFields/2/operation".into(), json!("Update")),
        ("/metadata/managedFields/2/manager".into(), json!("kubectl")),
        ("/metadata/managedFields/1/operation".into(), json!("Apply")),
        ("/metadata/managedFields/2/fieldsV1/f:spec/f:replicas".into(), json!("GONE")),
        ("/metadata/managedFields/2/fieldsV1/f:spec/f:minReadySeconds".into(), json!({})),
        ("/metadata/managedFields/2/fieldsV1/f:metadata/f:finalizers/v:\"e.dev~1c\"".into(), json!({})),
    ];
    for (pointer, value) in changes {
        let mut changed = made_by(&document(), live());
        set(&mut changed, &pointer, value.clone());
        assert!(!is_as_applied(&document(), &changed), "{pointer} = {value} is taken for the same");
    }
}

#[test]
fn a_secret_in_plain_text_is_compared_with_what_the_server_made_of_it() {
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"a": "b"}},
        "stringData": {"password": "hunter2"}, "data": {"raw": "AAA="}});
    let kept = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"a": "b"}},
        "data": {"password": "aHVudGVyMg==", "raw": "AAA="}, "type": "Opaque"});
    let encoded = |body: &Value| {
        let mut body = body.clone();
        encode_plain_text(&mut body);
        body
    };
    let live = made_by(&encoded(&body), kept.clone());
    assert!(is_as_applied(&encoded(&body), &live));
    assert!(
        !is_as_applied(&encoded(&body), &made_by(&body, kept)),
        "applied as plain text, to be taken over"
    );
    for (pointer, value) in [
        ("/stringData/password", json!("hunter3")),
        ("/stringData/more", json!("x")),
        ("/stringData/password", json!("GONE")),
        ("/stringData", json!("GONE")),
        ("/data/raw", json!("AAE=")),
    ] {
        let mut changed = body.clone();
        set(&mut changed, pointer, value);
        assert!(!is_as_applied(&encoded(&changed), &live), "{pointer}");
    }
    let mut drifted = live;
    drifted["data"]["password"] = json!("aHVudGVyMw==");
    assert!(!is_as_applied(&encoded(&body), &drifted));
}

#[test]
fn nothing_is_known_of_the_fields_of_custom_resources() {
    let body = json!({"apiVersion": "e.dev/v1", "kind": "Thing", "metadata": {"name": "t", "labels": {"a": "b"}},
        "spec": {"limits": {"cpu": "1000m"}, "paused": false, "labels": {}, "strategy": {}}});
    assert!(is_as_applied(&body, &made_by(&body, body.clone())));
    for (pointer, value) in [
        ("/spec/limits/cpu", json!("1")),
        ("/spec/paused", json!("GONE")),
        ("/spec/labels", json!("GONE")),
        ("/spec/strategy/type", json!("x")),
    ] {
        let mut changed = body.clone();
        set(&mut changed, pointer, value);
        assert!(!is_as_applied(&body, &made_by(&body, changed)), "{pointer}");
    }
}
