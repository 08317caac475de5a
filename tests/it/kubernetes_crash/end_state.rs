//! Every object of a namespace as text, without what may differ between two ways to the same end: ids, times, versions,
//! random names.
//!
//! The inventory may lead to more than there is: a process that dies after its last deletion cannot narrow it, and a sync
//! that finds nothing to do does not write. It must never lead to less, which is what is compared here.

use crate::crash::end_state::plain;
use crate::kube_support::Space;
use cutover::model::marks;
use cutover::platform::kubernetes::Identity;
use cutover::rollout::Record;
use kube::Client;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Pods and slices have random names, and are as the ReplicaSets and Services that they come from. The lock of a process
/// that died at its very end stays.
const KINDS: [&str; 13] = [
    "api/v1/namespaces/NS/configmaps",
    "api/v1/namespaces/NS/secrets",
    "api/v1/namespaces/NS/services",
    "api/v1/namespaces/NS/serviceaccounts",
    "api/v1/namespaces/NS/persistentvolumeclaims",
    "apis/apps/v1/namespaces/NS/deployments",
    "apis/apps/v1/namespaces/NS/replicasets",
    "apis/apps/v1/namespaces/NS/statefulsets",
    "apis/batch/v1/namespaces/NS/jobs",
    "apis/autoscaling/v2/namespaces/NS/horizontalpodautoscalers",
    "apis/policy/v1/namespaces/NS/poddisruptionbudgets",
    "apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles",
    "apis/networking.k8s.io/v1/namespaces/NS/ingresses",
];

/// What the server and its controllers count up.
const VOLATILE: [&str; 9] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "time",
    "clusterIP",
    "clusterIPs",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "selfLink",
];

/// All of it, with the namespace's name taken out.
pub async fn end_state(space: &Space) -> String {
    let mut parts = Map::new();
    let mut listed = vec![];
    for path in KINDS {
        listed.push((path, list(&space.client, &path.replace("NS", &space.name)).await));
    }
    let members = kinds_of_members(&listed);
    for (path, listed) in listed {
        for mut object in listed {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let kind = path.rsplit('/').next().unwrap_or_default();
            // Every namespace has it.
            if name == "kube-root-ca.crt" {
                continue;
            }
            tidy(&mut object, kind);
            leads_to(&mut object, &members);
            parts.insert(format!("{kind}/{name}"), object);
        }
    }
    let identity = Identity::new("shop", &space.name);
    let text = serde_json::to_string_pretty(&Value::Object(parts)).expect("text");
    text.replace(identity.id(), "[set]").replace(&space.name, "[namespace]")
}

/// `Deployment.apps` of everything that bears the set's label.
fn kinds_of_members(listed: &[(&str, Vec<Value>)]) -> BTreeSet<String> {
    let is_member =
        |object: &&Value| object["metadata"]["labels"].get("applyset.kubernetes.io/part-of").is_some();
    let kind = |path: &str, object: &Value| match path.split('/').nth(1) {
        Some(group) if path.starts_with("apis/") => {
            format!("{}.{group}", object["kind"].as_str().unwrap_or_default())
        }
        _ => object["kind"].as_str().unwrap_or_default().to_owned(),
    };
    let of = |(path, objects): &(&str, Vec<Value>)| -> Vec<String> {
        objects.iter().filter(is_member).map(|object| kind(path, object)).collect()
    };
    listed.iter().flat_map(of).collect()
}

/// Of the kinds that the inventory leads to, keeps those that there is something of.
fn leads_to(object: &mut Value, members: &BTreeSet<String>) {
    let pointer = "/metadata/annotations/applyset.kubernetes.io~1contains-group-kinds";
    if let Some(Value::String(kinds)) = object.pointer_mut(pointer) {
        let there: Vec<&str> = kinds.split(',').filter(|kind| members.contains(*kind)).collect();
        *kinds = there.join(",");
    }
}

async fn list(client: &Client, path: &str) -> Vec<Value> {
    let request = http::Request::get(format!("/{path}")).body(vec![]).expect("a request");
    let list: Value = client.request(request).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    // What is listed does not say its kind.
    let kind = list["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
    let mut items = list["items"].as_array().cloned().unwrap_or_default();
    items.iter_mut().for_each(|item| item["kind"] = kind.as_str().into());
    items
}

fn tidy(object: &mut Value, kind: &str) {
    let replicas = object.pointer("/status/readyReplicas").cloned();
    let succeeded = object.pointer("/status/succeeded").cloned();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
        fields.insert("at rest".into(), serde_json::json!([replicas, succeeded]));
    }
    // What others wrote is theirs; what we own says whether a write was made in another way.
    if let Some(Value::Array(managers)) = object.pointer_mut("/metadata/managedFields") {
        managers.retain(|manager| manager["manager"] == "cutover");
    }
    let record = format!("/metadata/annotations/{}", marks::RECORD.replace('/', "~1"));
    if let Some(Value::String(text)) = object.pointer_mut(&record) {
        *text = Record::from_tag(text).map_or_else(|| format!("no record: {text}"), plain);
    }
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.shift_remove(marks::INTENT);
    }
    // A Deployment's generation counts its annotations' changes, too, and a note whose answer was lost is written again;
    // its revision is what tells whether pods were replaced. A ReplicaSet's counts how it was scaled.
    if matches!(kind, "deployments" | "replicasets")
        && let Some(metadata) = object["metadata"].as_object_mut()
    {
        metadata.shift_remove("generation");
    }
    without_volatile(object);
}

fn without_volatile(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_volatile),
        Value::Object(fields) => {
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            fields.values_mut().for_each(without_volatile);
            fields.sort_keys();
        }
        _ => {}
    }
}

/// The lines that differ, with a little around them.
pub fn difference(wanted: &str, got: &str) -> String {
    similar::TextDiff::from_lines(wanted, got)
        .unified_diff()
        .context_radius(3)
        .header("undisturbed", "disturbed")
        .to_string()
}
