//! An Application as an object of a cluster.

use super::request::parse_request;
use crate::config;
use crate::controller::Registered;
use crate::model::{AppKey, Lineage, marks, parse_rfc3339};
use serde_json::Value;

/// Characters that are shown of an annotation that is no request.
const SHOWN: usize = 80;

/// Namespace and name.
pub(super) fn key_of(object: &Value) -> AppKey {
    AppKey { namespace: text(object, "namespace").to_owned(), name: text(object, "name").to_owned() }
}

/// Reads an Application. `last` is how it was before, of which what can't have changed is taken.
pub(super) fn registered_of(object: &Value, last: Option<&Registered>) -> Registered {
    let metadata = &object["metadata"];
    let annotation = |name: &str| metadata["annotations"][name].as_str();
    let key = key_of(object);
    let uid = text(object, "uid").to_owned();
    let generation = metadata["generation"].as_i64().unwrap_or_default();
    let known = last.filter(|last| last.uid == uid && last.generation == generation);
    let asked = annotation(marks::REQUEST).filter(|text| !text.is_empty());
    let request = asked.and_then(parse_request);
    let no_request = asked.filter(|_| request.is_none()).map(shown);
    Registered {
        generation,
        created: parse_rfc3339(text(object, "creationTimestamp")).unwrap_or_default(),
        application: match known {
            Some(last) => last.application.clone(),
            None => config::application_of(object),
        },
        is_suspended: annotation(marks::SUSPEND) == Some("true"),
        request,
        no_request,
        lineage: match annotation(marks::PARENT) {
            Some(text) => {
                Lineage::parse(text).map_err(|why| format!("metadata.annotations.{}: {why}", marks::PARENT))
            }
            None => Ok(Lineage::default()),
        },
        // One that another version of this program wrote, or a person, and that can't be read, is none.
        status: serde_json::from_value(object["status"].clone()).unwrap_or_default(),
        is_going: metadata.get("deletionTimestamp").is_some(),
        is_guarded: finalizers(object).any(|finalizer| finalizer == marks::CASCADE),
        key,
        uid,
    }
}

/// True if nothing that the controller looks at differs.
pub(super) fn is_same(a: &Registered, b: &Registered) -> bool {
    let Registered {
        key,
        uid,
        generation,
        created,
        application,
        is_suspended,
        request,
        no_request,
        lineage,
        status,
        is_going,
        is_guarded,
    } = a;
    *key == b.key
        && *uid == b.uid
        && *generation == b.generation
        && *created == b.created
        && *is_suspended == b.is_suspended
        && *request == b.request
        && *no_request == b.no_request
        && *lineage == b.lineage
        && *status == b.status
        && *is_going == b.is_going
        && *is_guarded == b.is_guarded
        && *application == b.application
}

/// The finalizers of an object.
pub(super) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    let found = object["metadata"]["finalizers"].as_array();
    found.into_iter().flatten().filter_map(Value::as_str)
}

/// The beginning of what may be anything.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::RequestVerb;
    use serde_json::json;

    #[test]
    fn what_an_object_says_beside_its_spec_is_read() {
        let mut object = json!({
            "metadata": {
                "namespace": "team-a", "name": "shop", "uid": "u1", "generation": 4,
                "creationTimestamp": "2026-11-25T21:19:16Z",
                "annotations": {"cutover.dev/request": "abort web 2026-1", "cutover.dev/suspend": "true"},
            },
            "spec": {"source": {"repoURL": "https://git.example/x.git"}, "destination": {"ecs": {"cluster": "prod"}}},
            "status": {"sync": "Synced", "conditions": []},
        });
        let read = registered_of(&object, None);
        assert_eq!(read.key.to_string(), "team-a/shop");
        assert_eq!(
            (read.uid.as_str(), read.generation, read.created.to_string().as_str()),
            ("u1", 4, "2026-11-25T21:19:16Z")
        );
        assert!(read.application.is_ok() && read.is_suspended && !read.is_going);
        assert_eq!(read.lineage, Ok(Lineage::default()));
        let request = read.request.clone().expect("a request");
        assert_eq!((request.verb, request.workload.as_deref()), (RequestVerb::Abort, Some("web")));
        assert_eq!(read.status.sync, crate::model::SyncState::Synced);
        object["metadata"]["annotations"] =
            json!({"cutover.dev/request": "sudo rm", "cutover.dev/suspend": "no"});
        object["status"] = json!({"sync": "Odd"});
        let read = registered_of(&object, Some(&read));
        assert!(read.request.is_none() && !read.is_suspended);
        assert_eq!(read.no_request.as_deref(), Some("sudo rm"));
        assert_eq!(read.status, Default::default());
        object["metadata"]["annotations"] = json!({"cutover.dev/parent": "ops/root as deployer"});
        assert_eq!(registered_of(&object, None).lineage.expect("one").to_string(), "ops/root as deployer");
        object["metadata"]["annotations"] = json!({"cutover.dev/parent": ""});
        assert!(registered_of(&object, None).lineage.is_err(), "what can't be read is no freedom");
    }
}
