//! What the content of a blue/green Deployment is called.

use crate::engine::KubernetesDocuments;
use crate::model::{Container, Object, ObjectKey, RevisionId};
use crate::platform::kubernetes::left_alone::{leave, pointers};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Letters of a [`RevisionId`].
const DIGITS: usize = 16;

/// Names what the documents want: the specs of the Deployment and its Service, and the container and port that requests go
/// to. The number of replicas, labels and annotations of the objects themselves, ignored fields and the order of fields do
/// not count, and neither does what is carried along: an autoscaler is changed without a new version.
///
/// What a ConfigMap or Secret holds does not count either, just as a Deployment does not restart for it: pods that mount
/// one see the change without a restart. Who wants a rollout for it gives it a new name, or puts its hash into an
/// annotation of the pod template, as for any Deployment.
pub(super) fn revision_of(documents: &KubernetesDocuments, container: &Container) -> RevisionId {
    named(documents, container, vec![])
}

/// What earlier versions called the same documents. It is read for what they applied, and never written.
pub(super) fn former_name_of(documents: &KubernetesDocuments, container: &Container) -> RevisionId {
    let spec = |object: &Object| {
        let ObjectKey { kind, name, .. } = &object.key;
        json!([kind, name, object.body.get("spec")])
    };
    let mut carried: Vec<&Object> = documents.carried.iter().collect();
    carried.sort_by_key(|object| &object.key);
    named(documents, container, carried.into_iter().map(spec).collect())
}

fn named(documents: &KubernetesDocuments, container: &Container, carried: Vec<Value>) -> RevisionId {
    let KubernetesDocuments { deployment, service, carried: _, ignore_differences, force_conflicts: _ } =
        documents;
    let mut body = deployment.body.clone();
    let mut ignored = pointers(ignore_differences, &deployment.key, false);
    ignored.push("/spec/replicas".into());
    leave(&mut body, &Value::Null, &ignored);
    content_of(&json!({
        "deployment": body.get("spec"),
        "service": service.as_ref().map(|object| object.body.get("spec")),
        "carried": carried,
        "container": {"name": container.name, "port": container.port},
    }))
}

/// A name by content, whatever the order of fields.
pub(super) fn content_of(content: &Value) -> RevisionId {
    let mut hex = String::with_capacity(DIGITS);
    for byte in Sha256::digest(sorted(content).to_string()).iter().take(DIGITS / 2) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    RevisionId(hex)
}

/// The same value with its fields in the order of their names, and without those that are null.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields: BTreeMap<&String, &Value> = fields.collect();
            Value::Object(fields.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
