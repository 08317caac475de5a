//! Kubernetes documents, and what their API server says of them.

use super::super::*;
use crate::model::*;
use serde_json::{Value, json};

pub fn application() -> Application {
    let destination = Destination::Kubernetes {
        namespace: "prod".into(),
        context: None,
        region: None,
        kubeconfig_secret_ref: None,
    };
    Application { destination, ..super::shop::application() }
}

/// A document in the file `<name>.yaml`, its first line 1, `spec` in line 4.
pub fn object(body: Value) -> Object {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let api_version = text("/apiVersion").unwrap();
    let name = text("/metadata/name").unwrap();
    let kind = text("/kind").unwrap();
    let rank = match kind.as_str() {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        "Deployment" | "Job" => 3,
        "HorizontalPodAutoscaler" => 4,
        _ => 2,
    };
    Object {
        key: ObjectKey {
            group: api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned(),
            kind,
            namespace: text("/metadata/namespace"),
            name: name.clone(),
        },
        api_version,
        origin: super::shop::at(&name, 1),
        turn: Turn { rank, ..Turn::default() },
        lines: [("spec", 4)].into_iter().collect(),
        body,
    }
}

pub fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// As the API server has it after an apply of ours: with its own fields, our labels, and a default.
pub fn applied(body: &Value) -> Value {
    let mut live = body.clone();
    live["metadata"]["namespace"] = json!("prod");
    live["metadata"]["uid"] = json!("8f2a");
    live["metadata"]["resourceVersion"] = json!("71");
    live["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    live["metadata"]["managedFields"] = json!([{"manager": "cutover", "operation": "Apply"}]);
    live["metadata"]["labels"]["applyset.kubernetes.io/part-of"] = json!("applyset-x-v1");
    live["metadata"]["labels"]["cutover.dev/application"] = json!("shop");
    live
}

pub fn found(body: &Value, live: Option<Value>, would_be: WouldBe) -> (ObjectKey, LiveObject) {
    let document = object(body.clone());
    let is_namespaced = !matches!(document.key.kind.as_str(), "Namespace" | "CustomResourceDefinition");
    let namespace = is_namespaced.then(|| document.key.namespace.clone().unwrap_or("prod".into()));
    let key = ObjectKey { namespace, ..document.key.clone() };
    let health = HealthReport::default();
    (document.key, LiveObject { key, live, would_be, health, filled: vec![] })
}

/// Documents and what is live, from one row each.
pub fn cluster(rows: Vec<(Value, Option<Value>, WouldBe)>) -> (Manifests, Live) {
    let (mut manifests, mut live) = (Manifests::default(), Live::default());
    for (body, object_live, would_be) in rows {
        let (key, found) = found(&body, object_live, would_be);
        live.objects.insert(key.clone(), found);
        manifests.objects.insert(key, object(body));
    }
    (manifests, live)
}
