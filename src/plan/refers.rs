//! References of pods to what they need to start, besides their own template.

use crate::model::ObjectKey;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The lists of containers in a pod's spec.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Where a container names a ConfigMap or Secret: what holds the name, and the kind.
const OF_CONTAINERS: [(&str, &str); 4] = [
    ("envFrom[].configMapRef", "ConfigMap"),
    ("envFrom[].secretRef", "Secret"),
    ("env[].valueFrom.configMapKeyRef", "ConfigMap"),
    ("env[].valueFrom.secretKeyRef", "Secret"),
];

/// Where a volume does; the last is the field with the name.
const OF_VOLUMES: [(&str, &str, &str); 13] = [
    ("configMap", "ConfigMap", "name"),
    ("secret", "Secret", "secretName"),
    ("projected.sources[].configMap", "ConfigMap", "name"),
    ("projected.sources[].secret", "Secret", "name"),
    ("azureFile", "Secret", "secretName"),
    ("cephfs.secretRef", "Secret", "name"),
    ("cinder.secretRef", "Secret", "name"),
    ("csi.nodePublishSecretRef", "Secret", "name"),
    ("flexVolume.secretRef", "Secret", "name"),
    ("iscsi.secretRef", "Secret", "name"),
    ("rbd.secretRef", "Secret", "name"),
    ("scaleIO.secretRef", "Secret", "name"),
    ("storageos.secretRef", "Secret", "name"),
];

/// Where a pod names Secrets that nothing in it reads: they are for whoever pulls its images.
const PULL_SECRETS: &str = "imagePullSecrets[]";

/// The ConfigMaps, Secrets, ServiceAccounts and PersistentVolumeClaims that a workload's pod template names, in its
/// namespace.
pub fn references(workload: &Value) -> BTreeSet<ObjectKey> {
    let mut keys: BTreeSet<ObjectKey> = configuration_of(workload).into_keys().collect();
    let spec = spec(workload);
    let mut note = |kind: &str, name: Option<&Value>| keys.extend(key(workload, kind, name));
    for account in ["serviceAccountName", "serviceAccount"] {
        note("ServiceAccount", spec.get(account));
    }
    for secret in all_at(spec, PULL_SECRETS) {
        note("Secret", secret.get("name"));
    }
    for claim in all_at(spec, "volumes[].persistentVolumeClaim") {
        note("PersistentVolumeClaim", claim.get("claimName"));
    }
    keys
}

/// The ConfigMaps and Secrets whose content the pods of a workload read, or have read for their volumes; true for one that
/// they do without if it is not there, as far as each place says.
pub fn configuration_of(workload: &Value) -> BTreeMap<ObjectKey, bool> {
    let mut found = BTreeMap::new();
    let mut note = |holder: &Value, kind: &str, field: &str| {
        if let Some(key) = key(workload, kind, holder.get(field)) {
            *found.entry(key).or_insert(true) &= holder["optional"] == true;
        }
    };
    let spec = spec(workload);
    for container in CONTAINERS.into_iter().flat_map(|list| all_at(spec, list)).flat_map(items) {
        for (place, kind) in OF_CONTAINERS {
            all_at(container, place).into_iter().for_each(|holder| note(holder, kind, "name"));
        }
    }
    for volume in all_at(spec, "volumes[]") {
        for (place, kind, field) in OF_VOLUMES {
            all_at(volume, place).into_iter().for_each(|holder| note(holder, kind, field));
        }
    }
    found
}

fn key(workload: &Value, kind: &str, name: Option<&Value>) -> Option<ObjectKey> {
    let namespace = workload.pointer("/metadata/namespace").and_then(Value::as_str);
    let (group, kind, name) = (String::new(), kind.to_owned(), name?.as_str()?.to_owned());
    Some(ObjectKey { group, kind, namespace: namespace.map(ToOwned::to_owned), name })
}

fn spec(workload: &Value) -> &Value {
    workload.pointer("/spec/template/spec").unwrap_or(&Value::Null)
}

/// What is at a path of fields; `[]` stands for each element of a list.
fn all_at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for step in path.split('.') {
        let (field, is_list) = step.strip_suffix("[]").map_or((step, false), |field| (field, true));
        let next = found.into_iter().filter_map(|value| value.get(field));
        found = match is_list {
            true => next.flat_map(items).collect(),
            false => next.collect(),
        };
    }
    found
}

/// The places that name a ConfigMap or Secret, as the table has them.
#[cfg(test)]
pub(super) fn places() -> BTreeSet<String> {
    let of_containers = CONTAINERS
        .iter()
        .flat_map(|list| OF_CONTAINERS.iter().map(move |(place, _)| format!("{list}[].{place}.name")));
    let of_volumes = OF_VOLUMES.iter().map(|(place, _, field)| format!("volumes[].{place}.{field}"));
    of_containers.chain(of_volumes).chain([format!("{PULL_SECRETS}.name")]).collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
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

    #[test]
    fn what_may_be_absent_is_told_if_every_place_says_so() {
        let optional = |optional: bool| json!({"configMapRef": {"name": "a", "optional": optional}});
        let of = |sources: Value| {
            let deployment = json!({"spec": {"template": {"spec": {"containers": [{"envFrom": sources}]}}}});
            configuration_of(&deployment).into_values().collect::<Vec<_>>()
        };
        assert_eq!(of(json!([optional(true)])), [true]);
        assert_eq!(of(json!([optional(true), optional(false)])), [false]);
        assert_eq!(of(json!([{"configMapRef": {"name": "a"}}])), [false]);
    }
}
