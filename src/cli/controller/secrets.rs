//! Secrets with credentials, read from the cluster for each use, so that a rotated one is seen.

use super::repositories::ReadSecret;
use crate::controller::SourceTrouble;
use crate::engine::TroubleKind;
use crate::kubernetes::{Cluster, Resource};
use data_encoding::BASE64;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Reads Secrets of the cluster from threads where blocking is allowed; the requests run on `runtime`.
pub fn read_from(cluster: Arc<Cluster>, runtime: Handle) -> Box<ReadSecret> {
    let secrets = Resource::known("", "v1", "Secret", "secrets", true);
    Box::new(move |namespace, name| {
        let answer = runtime.block_on(cluster.get(&secrets, Some(namespace), name));
        let answer = answer.map_err(|trouble| SourceTrouble {
            message: format!("the Secret {namespace}/{name} can't be read: {}", trouble.message),
            is_transient: matches!(trouble.kind, TroubleKind::Transient | TroubleKind::LookAgain),
        })?;
        let object = answer.ok_or_else(|| SourceTrouble {
            message: format!("there is no Secret {namespace}/{name}"),
            is_transient: false,
        })?;
        Ok(data(&object))
    })
}

/// What the Secret holds; a value that is not base64, which no server stores, is left out.
fn data(object: &Value) -> BTreeMap<String, Vec<u8>> {
    let entries = object.get("data").and_then(Value::as_object).into_iter().flatten();
    let decoded = entries
        .filter_map(|(key, value)| Some((key.clone(), BASE64.decode(value.as_str()?.as_bytes()).ok()?)));
    decoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_values_of_a_secret_are_decoded() {
        let object = json!({"data": {"username": "cm9ib3Q=", "odd": 1, "worse": "%"}});
        assert_eq!(data(&object), BTreeMap::from([("username".to_owned(), b"robot".to_vec())]));
        assert_eq!(data(&json!({})), BTreeMap::new());
    }
}
