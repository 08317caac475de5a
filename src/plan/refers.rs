//! References of pods to what they need to start, besides their own template.

use crate::model::ObjectKey;
use serde_json::Value;
use std::collections::BTreeSet;

/// The ConfigMaps, Secrets, ServiceAccounts and PersistentVolumeClaims that a workload's pod template names, in its
/// namespace.
pub fn references(workload: &Value) -> BTreeSet<ObjectKey> {
    let mut found = Found::of(workload);
    found.configuration(workload);
    let spec = spec(workload);
    for account in ["serviceAccountName", "serviceAccount"] {
        found.note("ServiceAccount", spec.get(account));
    }
    items(spec, "imagePullSecrets").for_each(|secret| found.note("Secret", secret.get("name")));
    for volume in items(spec, "volumes") {
        found.note("PersistentVolumeClaim", volume.pointer("/persistentVolumeClaim/claimName"));
        found.note("Secret", volume.pointer("/csi/nodePublishSecretRef/name"));
    }
    found.keys
}

/// The ConfigMaps and Secrets whose content the containers of a workload's pods read.
pub fn configuration_of(workload: &Value) -> BTreeSet<ObjectKey> {
    let mut found = Found::of(workload);
    found.configuration(workload);
    found.keys
}

struct Found {
    namespace: Option<String>,
    keys: BTreeSet<ObjectKey>,
}

impl Found {
    fn of(workload: &Value) -> Found {
        let namespace = workload.pointer("/metadata/namespace").and_then(Value::as_str);
        Found { namespace: namespace.map(ToOwned::to_owned), keys: BTreeSet::new() }
    }

    fn note(&mut self, kind: &str, name: Option<&Value>) {
        if let Some(name) = name.and_then(Value::as_str) {
            let (group, kind, name) = (String::new(), kind.to_owned(), name.to_owned());
            self.keys.insert(ObjectKey { group, kind, namespace: self.namespace.clone(), name });
        }
    }

    fn configuration(&mut self, workload: &Value) {
        let spec = spec(workload);
        for volume in items(spec, "volumes") {
            self.note("ConfigMap", volume.pointer("/configMap/name"));
            self.note("Secret", volume.pointer("/secret/secretName"));
            self.projected(volume);
        }
        let containers = ["containers", "initContainers"].into_iter().flat_map(|field| items(spec, field));
        for container in containers {
            for source in items(container, "envFrom") {
                self.note("ConfigMap", source.pointer("/configMapRef/name"));
                self.note("Secret", source.pointer("/secretRef/name"));
            }
            for variable in items(container, "env") {
                self.note("ConfigMap", variable.pointer("/valueFrom/configMapKeyRef/name"));
                self.note("Secret", variable.pointer("/valueFrom/secretKeyRef/name"));
            }
        }
    }

    fn projected(&mut self, volume: &Value) {
        for source in volume.get("projected").into_iter().flat_map(|projected| items(projected, "sources")) {
            self.note("ConfigMap", source.pointer("/configMap/name"));
            self.note("Secret", source.pointer("/secret/name"));
        }
    }
}

fn spec(workload: &Value) -> &Value {
    workload.pointer("/spec/template/spec").unwrap_or(&Value::Null)
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
