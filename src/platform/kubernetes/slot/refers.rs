//! What pods need to start, besides their own template.

use crate::model::ObjectKey;
use serde_json::Value;
use std::collections::BTreeSet;

/// The ConfigMaps, Secrets, ServiceAccounts and PersistentVolumeClaims that a workload's pod template names, in its
/// namespace.
pub(in crate::platform::kubernetes) fn references(workload: &Value) -> BTreeSet<ObjectKey> {
    let namespace = workload.pointer("/metadata/namespace").and_then(Value::as_str).map(ToOwned::to_owned);
    let mut found = BTreeSet::new();
    let mut note = |kind: &str, name: Option<&Value>| {
        if let Some(name) = name.and_then(Value::as_str) {
            let (group, kind, name) = (String::new(), kind.to_owned(), name.to_owned());
            found.insert(ObjectKey { group, kind, namespace: namespace.clone(), name });
        }
    };
    let none = Value::Null;
    let spec = workload.pointer("/spec/template/spec").unwrap_or(&none);
    for account in ["serviceAccountName", "serviceAccount"] {
        note("ServiceAccount", spec.get(account));
    }
    items(spec, "imagePullSecrets").for_each(|secret| note("Secret", secret.get("name")));
    for volume in items(spec, "volumes") {
        note("ConfigMap", volume.pointer("/configMap/name"));
        note("Secret", volume.pointer("/secret/secretName"));
        note("PersistentVolumeClaim", volume.pointer("/persistentVolumeClaim/claimName"));
        note("Secret", volume.pointer("/csi/nodePublishSecretRef/name"));
        for source in volume.get("projected").into_iter().flat_map(|projected| items(projected, "sources")) {
            note("ConfigMap", source.pointer("/configMap/name"));
            note("Secret", source.pointer("/secret/name"));
        }
    }
    let containers = ["containers", "initContainers"].into_iter().flat_map(|field| items(spec, field));
    for container in containers {
        for source in items(container, "envFrom") {
            note("ConfigMap", source.pointer("/configMapRef/name"));
            note("Secret", source.pointer("/secretRef/name"));
        }
        for variable in items(container, "env") {
            note("ConfigMap", variable.pointer("/valueFrom/configMapKeyRef/name"));
            note("Secret", variable.pointer("/valueFrom/secretKeyRef/name"));
        }
    }
    found
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_that_a_pod_cannot_start_without_is_found() {
        let deployment = json!({"metadata": {"namespace": "shop"}, "spec": {"template": {"spec": {
            "serviceAccountName": "runner",
            "imagePullSecrets": [{"name": "registry"}],
            "volumes": [
                {"name": "a", "configMap": {"name": "files"}},
                {"name": "b", "secret": {"secretName": "tls"}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "d", "projected": {"sources": [{"configMap": {"name": "more"}}, {"secret": {"name": "token"}},
                    {"downwardAPI": {}}]}},
                {"name": "e", "emptyDir": {}}],
            "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "senv"}}]}],
            "containers": [{"name": "app", "env": [
                {"name": "A", "value": "x"},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "key", "key": "k"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "skey", "key": "k"}}}]}]}}}});
        let found: Vec<String> = references(&deployment).iter().map(ObjectKey::to_string).collect();
        assert_eq!(
            found,
            [
                "ConfigMap/shop/env",
                "ConfigMap/shop/files",
                "ConfigMap/shop/key",
                "ConfigMap/shop/more",
                "PersistentVolumeClaim/shop/data",
                "Secret/shop/registry",
                "Secret/shop/senv",
                "Secret/shop/skey",
                "Secret/shop/tls",
                "Secret/shop/token",
                "ServiceAccount/shop/runner"
            ]
        );
        assert_eq!(references(&json!({"spec": {"template": 3}})).len(), 0);
    }
}
