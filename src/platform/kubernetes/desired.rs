//! Documents as the cluster knows their kinds: where each goes, and what would be sent.

use super::applyset::{Identity, is_application, object_at};
use crate::kubernetes::{Kinds, Resource};
use crate::model::{Manifests, Object, ObjectKey};
use data_encoding::BASE64;
use serde_json::{Map, Value};

/// Fields of `metadata` that the API server sets. A document that was exported from a cluster has them; sent back, some
/// are refused and none changes anything.
const SERVERS_OWN: [&str; 6] =
    ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"];

/// Said of an Application in a cluster without the kind.
const UNSERVED: &str = "no controller of this cluster serves Applications, so that nothing would come of it: install one \
                        (`cutover install`), or give the file to `cutover controller --applications FOLDER`";

/// A document with where it goes.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub object: &'a Object,
    pub resource: Resource,
    /// With the namespace that it goes to, where the kind has one.
    pub key: ObjectKey,
}

/// What discovery says of a document's kind.
#[derive(Clone, Debug)]
pub(super) enum Resolved<'a> {
    Known(Wanted<'a>),
    /// A CustomResourceDefinition of the same documents brings the kind.
    Coming(ObjectKey),
    /// A sentence.
    Unknown(ObjectKey, String),
    /// Whether there is such a kind can't be told now; a sentence.
    Unclear(ObjectKey, String),
}

/// Looks a document up. Objects without a namespace of a kind that has one go to the application's.
pub(super) fn resolve<'a>(
    object: &'a Object,
    manifests: &Manifests,
    kinds: &Kinds,
    identity: &Identity,
) -> Resolved<'a> {
    let kind = &object.key.kind;
    let key = |namespaced: bool| {
        let written = object.key.namespace.as_deref().unwrap_or(identity.namespace());
        ObjectKey { namespace: namespaced.then(|| written.to_owned()), ..object.key.clone() }
    };
    if let Some(resource) = kinds.find(&object.api_version, kind) {
        return Resolved::Known(Wanted { object, key: key(resource.namespaced), resource: resource.clone() });
    }
    if let Some(namespaced) = defined_here(object, manifests) {
        return Resolved::Coming(key(namespaced));
    }
    if let Some(why) = kinds.uncertainty(&object.key.group) {
        return Resolved::Unclear(key(object.key.namespace.is_some()), why);
    }
    let message = match is_application(&object.body) {
        true => UNSERVED.to_owned(),
        false => format!(
            "the cluster has no kind {kind} of {}; {}",
            object.api_version,
            kinds.suggestion(&object.api_version, kind)
        ),
    };
    Resolved::Unknown(key(object.key.namespace.is_some()), message)
}

/// Whether a CustomResourceDefinition among the documents brings the object's kind, and if so whether it is namespaced.
fn defined_here(object: &Object, manifests: &Manifests) -> Option<bool> {
    let definitions = manifests
        .objects
        .values()
        .filter(|other| other.key.is("apiextensions.k8s.io", "CustomResourceDefinition"))
        .map(|other| &other.body["spec"]);
    let version = object.api_version.rsplit('/').next().unwrap_or_default();
    let serves = |spec: &Value| {
        let versions = spec["versions"].as_array().into_iter().flatten();
        let mut served = versions.filter(|v| v["served"] == true).filter_map(|v| v["name"].as_str());
        spec["group"] == object.key.group.as_str()
            && spec["names"]["kind"] == object.key.kind.as_str()
            && served.any(|name| name == version)
    };
    let mut fitting = definitions.filter(|spec| serves(spec));
    fitting.next().map(|spec| spec["scope"] == "Namespaced")
}

impl Wanted<'_> {
    /// What is applied: the document in its namespace with the marks of a member.
    pub(super) fn body(&self, identity: &Identity) -> Value {
        let mut body = without_servers_own(&self.object.body);
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            match &self.key.namespace {
                Some(namespace) => drop(metadata.insert("namespace".into(), namespace.as_str().into())),
                None => drop(metadata.shift_remove("namespace")),
            }
        }
        if self.key.is("", "Secret") {
            encode_plain_text(&mut body);
        }
        identity.mark(&mut body);
        body
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.key.namespace.as_deref()
    }
}

/// Puts a Secret's `stringData` under `data`, as the API server does. It keeps no note there of who applied it, so a key
/// that is taken out of `stringData` would stay (kubernetes/kubernetes#108008). What is no text is left for it to refuse.
pub(super) fn encode_plain_text(body: &mut Value) {
    let Some(fields) = body.as_object_mut() else { return };
    let Some(Value::Object(written)) = fields.get("stringData") else { return };
    let encoded = written.iter().filter(|(_, value)| !value.is_null());
    let encoded =
        encoded.map(|(key, value)| Some((key.clone(), BASE64.encode(value.as_str()?.as_bytes()).into())));
    let Some(encoded) = encoded.collect::<Option<Map<String, Value>>>() else { return };
    if fields.get("data").is_some_and(|data| !data.is_object() && !data.is_null()) {
        return;
    }
    fields.shift_remove("stringData");
    if !encoded.is_empty()
        && let Some(data) = object_at(body, "data").as_object_mut()
    {
        data.extend(encoded);
    }
}

/// A document without what only the API server sets.
pub(super) fn without_servers_own(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        SERVERS_OWN.iter().for_each(|field| drop(metadata.shift_remove(*field)));
    }
    body
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{FieldLines, Origin, Turn};
    use serde_json::json;

    /// An object as the reader of documents makes it.
    pub(in crate::platform::kubernetes) fn object(body: Value) -> Object {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
        let api_version = text("/apiVersion").unwrap_or_default();
        Object {
            key: ObjectKey {
                group: api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned(),
                kind: text("/kind").unwrap_or_default(),
                namespace: text("/metadata/namespace"),
                name: text("/metadata/name").unwrap_or_default(),
            },
            api_version,
            origin: Origin { file: "a.yaml".into(), line: 1 },
            turn: Turn::default(),
            body,
            lines: FieldLines::default(),
        }
    }

    #[test]
    fn plain_text_is_sent_as_the_server_keeps_it() {
        for (body, expected) in [
            (
                json!({"stringData": {"a": "x"}, "data": {"a": "AA==", "b": "AA=="}}),
                json!({"data": {"a": "eA==", "b": "AA=="}}),
            ),
            (json!({"stringData": {"a": "x", "n": null}}), json!({"data": {"a": "eA=="}})),
            (json!({"stringData": {}}), json!({})),
            (json!({"stringData": {"a": 1}}), json!({"stringData": {"a": 1}})),
        ] {
            let mut encoded = body.clone();
            encode_plain_text(&mut encoded);
            assert_eq!(encoded, expected, "{body}");
        }
    }

    #[test]
    fn a_kind_that_comes_with_the_documents_is_not_unknown() {
        let definition = object(
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.e.dev"}, "spec": {"group": "e.dev", "scope": "Namespaced",
            "names": {"kind": "Thing"}, "versions": [{"name": "v1", "served": true}, {"name": "v2", "served": false}]}}),
        );
        let manifests =
            Manifests { objects: [(definition.key.clone(), definition)].into(), ..Manifests::default() };
        let identity = Identity::new("shop", "prod");
        let resolved = |version: &str, kind: &str| {
            let thing = object(
                json!({"apiVersion": format!("e.dev/{version}"), "kind": kind, "metadata": {"name": "t"}}),
            );
            match resolve(&thing, &manifests, &Kinds::default(), &identity) {
                Resolved::Coming(key) => key.to_string(),
                Resolved::Unknown(_, why) => why,
                other => format!("{other:?}"),
            }
        };
        assert_eq!(resolved("v1", "Thing"), "Thing.e.dev/prod/t");
        assert!(resolved("v2", "Thing").contains("no kind Thing of e.dev/v2"));
        assert!(resolved("v1", "Think").contains("no kind Think"));
    }

    #[test]
    fn an_application_that_nobody_serves_names_who_would_and_one_that_is_served_bears_where_it_comes_from() {
        let child = object(json!({"apiVersion": "cutover.dev/v1alpha1", "kind": "Application",
            "metadata": {"name": "shop", "annotations": {"a": "b"}}, "spec": {}}));
        let identity = Identity::new("root", "prod").recording(Some("ops/root".into()));
        match resolve(&child, &Manifests::default(), &Kinds::default(), &identity) {
            Resolved::Unknown(_, why) => {
                assert!(why.contains("`cutover controller --applications FOLDER`"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        let body = |object: &Object| {
            let resource = Resource::known("cutover.dev", "v1alpha1", "Application", "applications", true);
            Wanted { object, resource, key: object.key.clone() }.body(&identity)
        };
        assert_eq!(
            body(&child)["metadata"]["annotations"],
            json!({"a": "b", "cutover.dev/parent": "ops/root"})
        );
        let other = object(
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "a"}}),
        );
        assert_eq!(body(&other)["metadata"].get("annotations"), None);
    }

    #[test]
    fn what_the_server_sets_is_not_sent_and_the_namespace_is() {
        let exported = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c",
            "resourceVersion": "7", "uid": "u", "managedFields": []}, "data": {"a": "b"}, "status": {}}));
        let key = ObjectKey { namespace: Some("prod".into()), ..exported.key.clone() };
        let resource = Resource::known("", "v1", "ConfigMap", "configmaps", true);
        let identity = Identity::new("shop", "prod");
        let body = Wanted { object: &exported, resource, key }.body(&identity);
        assert_eq!(
            body,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "metadata": {"name": "c", "namespace": "prod",
                "labels": {"applyset.kubernetes.io/part-of": identity.id(), "cutover.dev/application": "shop"}}})
        );
    }
}
