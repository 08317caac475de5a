//! What marks an application's objects: the labels of an ApplySet (Kubernetes enhancement 3659), which other tools
//! understand, and our own.
//!
//! Members bear `applyset.kubernetes.io/part-of: <id>`. The set itself is a ConfigMap that lists the kinds and
//! namespaces where members may be found. It is widened before a member of a new kind is written and narrowed only after
//! the last one is gone, so that no crash can leave a member that it does not lead to.

use crate::kubernetes::{FIELD_MANAGER, Resource};
use crate::model::{ObjectKey, marks};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The label of members.
pub(super) const PART_OF: &str = marks::MEMBER;
pub(super) const ID: &str = "applyset.kubernetes.io/id";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
const OUR_TOOLS: &str = "cutover/";
const OUR_TOOLING: &str = concat!("cutover/v", env!("CARGO_PKG_VERSION"));

/// An application in its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    application: String,
    namespace: String,
    id: String,
    /// What is written down on Applications among the documents.
    lineage: Option<String>,
}

impl Identity {
    /// The application `name`, whose ApplySet is a ConfigMap in `namespace`.
    pub fn new(name: &str, namespace: &str) -> Identity {
        // Name, namespace, kind and group of the parent; the core group is empty.
        let parent = format!("{}.{namespace}.ConfigMap.", parent_name(name));
        let digest = BASE64URL_NOPAD.encode(&Sha256::digest(parent.as_bytes()));
        Identity {
            application: name.into(),
            namespace: namespace.into(),
            id: format!("applyset-{digest}-v1"),
            lineage: None,
        }
    }

    /// With what Applications among the documents come from.
    #[must_use]
    pub fn recording(self, lineage: Option<String>) -> Identity {
        Identity { lineage, ..self }
    }

    /// The application's name.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// Where objects go that say no other namespace, and where the ApplySet and the lock are.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `applyset-…-v1`
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The selector of all members.
    pub fn selector(&self) -> String {
        format!("{PART_OF}={}", self.id)
    }

    /// Puts the labels of a member on an object that is going to be applied.
    pub fn mark(&self, body: &mut Value) {
        let labels = object_at(object_at(body, "metadata"), "labels");
        labels[PART_OF] = self.id.as_str().into();
        labels[marks::APPLICATION] = self.application.as_str().into();
        if let Some(lineage) = self.lineage.as_ref().filter(|_| is_application(body)) {
            object_at(object_at(body, "metadata"), "annotations")[marks::PARENT] = lineage.as_str().into();
        }
    }

    /// True for a member. Controllers copy labels to what they make (a Service's to its EndpointSlices), so it has to
    /// be something that we applied, too.
    pub fn owns(&self, live: &Value) -> bool {
        label(live, PART_OF) == Some(self.id.as_str()) && is_applied_by_us(live) && !is_controlled(live)
    }

    /// Who else owns an object: a sentence's end, `application shop`.
    pub fn other_owner(&self, live: &Value) -> Option<String> {
        let set = label(live, PART_OF).filter(|id| *id != self.id)?;
        Some(match label(live, marks::APPLICATION) {
            Some(application) => format!("application {application} (ApplySet {set})"),
            None => format!("another tool's ApplySet {set}"),
        })
    }

    pub(super) fn parent_name(&self) -> String {
        parent_name(&self.application)
    }

    pub(super) fn parent_resource() -> Resource {
        Resource::known("", "v1", "ConfigMap", "configmaps", true)
    }
}

/// True for an Application of this program, in any version.
pub(super) fn is_application(object: &Value) -> bool {
    let group = object["apiVersion"].as_str().and_then(|api| api.split_once('/')).map(|(group, _)| group);
    group == Some("cutover.dev") && object["kind"] == "Application"
}

fn parent_name(application: &str) -> String {
    format!("cutover-{application}")
}

/// True for the ConfigMap of a set that this program keeps.
pub(super) fn is_parent(object: &Value) -> bool {
    let tooling = object["metadata"]["annotations"].get(TOOLING).and_then(Value::as_str);
    label(object, ID).is_some() && tooling.is_some_and(|tooling| tooling.starts_with(OUR_TOOLS))
}

fn is_applied_by_us(live: &Value) -> bool {
    let managers = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    managers.is_some_and(|managers| managers.iter().any(|entry| entry["manager"] == FIELD_MANAGER))
}

fn is_controlled(live: &Value) -> bool {
    let owners = live.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true))
}

pub(super) fn label<'a>(live: &'a Value, key: &str) -> Option<&'a str> {
    live.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// The object under `field`, made if it is not there.
pub(super) fn object_at<'a>(value: &'a mut Value, field: &str) -> &'a mut Value {
    if !value.get(field).is_some_and(Value::is_object) {
        value[field] = Value::Object(Map::new());
    }
    &mut value[field]
}

/// What the set's ConfigMap says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parent {
    /// `Deployment.apps`, `ConfigMap`.
    pub group_kinds: BTreeSet<String>,
    /// Besides the set's own.
    pub namespaces: BTreeSet<String>,
    /// Which content each hook ran for.
    pub data: BTreeMap<String, String>,
    /// As it was read; `None` if it is not there yet.
    pub resource_version: Option<String>,
    /// Why it does not tell which members there are, a sentence: somebody else keeps it, or emptied it.
    pub uncertain: Option<String>,
    /// True if it is not ours to write.
    pub is_foreign: bool,
}

impl Parent {
    /// Reads the ConfigMap. One that somebody else keeps tells nothing of the application's members.
    pub(super) fn parse(live: &Value, identity: &Identity) -> Parent {
        let annotation = |key: &str| live["metadata"]["annotations"].get(key).and_then(Value::as_str);
        let version = live["metadata"]["resourceVersion"].as_str().map(ToOwned::to_owned);
        let foreign = match annotation(TOOLING) {
            Some(tooling) if !tooling.starts_with(OUR_TOOLS) => {
                Some(format!("is an ApplySet of another tool ({tooling})"))
            }
            _ if label(live, ID) != Some(identity.id()) => Some("was made by somebody else".to_owned()),
            _ => None,
        };
        if let Some(why) = foreign {
            return Parent {
                uncertain: Some(why),
                is_foreign: true,
                resource_version: version,
                ..Parent::default()
            };
        }
        let uncertain = annotation(GROUP_KINDS).is_none().then(|| "lost its list of kinds".to_owned());
        let list = |key: &str| {
            let names = annotation(key).unwrap_or_default().split(',').map(str::trim);
            names.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
        };
        let data = live["data"].as_object().into_iter().flatten();
        Parent {
            group_kinds: list(GROUP_KINDS),
            namespaces: list(NAMESPACES),
            data: data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
            resource_version: version,
            uncertain,
            is_foreign: false,
        }
    }

    /// What is applied.
    pub(super) fn body(&self, identity: &Identity) -> Value {
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(",");
        let mut metadata = json!({
            "name": identity.parent_name(),
            "namespace": identity.namespace,
            "labels": {ID: identity.id, marks::APPLICATION: identity.application},
            "annotations": {TOOLING: OUR_TOOLING, GROUP_KINDS: list(&self.group_kinds), NAMESPACES: list(&self.namespaces)},
        });
        // With it the apply only holds for the ConfigMap as it was read.
        if let Some(version) = &self.resource_version {
            metadata["resourceVersion"] = version.as_str().into();
        }
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": self.data})
    }

    /// Everything that this one leads to, the other one does, too.
    pub(super) fn is_within(&self, other: &Parent) -> bool {
        self.group_kinds.is_subset(&other.group_kinds) && self.namespaces.is_subset(&other.namespaces)
    }
}

/// `Deployment.apps`, `ConfigMap`.
pub(super) fn group_kind(key: &ObjectKey) -> String {
    match key.group.as_str() {
        "" => key.kind.clone(),
        group => format!("{}.{group}", key.kind),
    }
}

/// Group and kind of what [`group_kind`] wrote.
pub(super) fn parse_group_kind(text: &str) -> (&str, &str) {
    text.split_once('.').map_or(("", text), |(kind, group)| (group, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_one_that_the_enhancement_prescribes() {
        let identity = Identity::new("shop", "prod");
        // printf 'cutover-shop.prod.ConfigMap.' | openssl dgst -sha256 -binary | basenc --base64url | tr -d =
        assert_eq!(identity.id(), "applyset-sXuo4BTxiPJskLrm8mPjQzDGkSgXYHmOx7RNPT1pcoI-v1");
        assert!(identity.id().len() <= 63, "too long for a label");
        assert_ne!(identity.id(), Identity::new("shop", "test").id());
    }

    #[test]
    fn a_member_is_what_we_applied_and_what_nobody_made_from_it() {
        let identity = Identity::new("shop", "prod");
        let mut body = json!({"metadata": {"name": "a", "labels": {"app": "web"}}});
        identity.mark(&mut body);
        assert_eq!(label(&body, "app"), Some("web"));
        assert!(!identity.owns(&body), "nobody applied it");
        body["metadata"]["managedFields"] = json!([{"manager": "cutover", "operation": "Apply"}]);
        assert!(identity.owns(&body));
        assert_eq!(identity.other_owner(&body), None);
        let other = Identity::new("blog", "prod");
        assert!(!other.owns(&body));
        assert!(other.other_owner(&body).expect("owned").starts_with("application shop"));
        body["metadata"]["ownerReferences"] = json!([{"controller": true}]);
        assert!(!identity.owns(&body), "a controller's copy");
        let mut bare = json!({});
        identity.mark(&mut bare);
        assert_eq!(label(&bare, marks::APPLICATION), Some("shop"));
    }

    #[test]
    fn the_parent_survives_the_cluster_and_one_of_somebody_else_tells_nothing() {
        let identity = Identity::new("shop", "prod");
        let parent = Parent {
            group_kinds: ["ConfigMap", "Deployment.apps"].map(Into::into).into(),
            namespaces: ["extra".into()].into(),
            data: [("hook".into(), "hash".into())].into(),
            resource_version: Some("7".into()),
            ..Parent::default()
        };
        assert_eq!(Parent::parse(&parent.body(&identity), &identity), parent);
        assert!(Parent::default().is_within(&parent) && !parent.is_within(&Parent::default()));
        let mut foreign = parent.body(&identity);
        foreign["metadata"]["annotations"][TOOLING] = "kubectl/v1.36".into();
        let mut by_hand = parent.body(&identity);
        by_hand["metadata"]["labels"] = json!({});
        let of_other = parent.body(&Identity::new("blog", "prod"));
        for live in [foreign, by_hand, of_other] {
            let found = Parent::parse(&live, &identity);
            assert!(
                found.is_foreign && found.uncertain.is_some() && found.group_kinds.is_empty(),
                "{found:?}"
            );
        }
        let mut emptied = parent.body(&identity);
        emptied["metadata"]["annotations"] = json!({});
        let found = Parent::parse(&emptied, &identity);
        assert!(!found.is_foreign && found.uncertain.is_some(), "{found:?}");
        assert_eq!(parse_group_kind("Deployment.apps"), ("apps", "Deployment"));
        assert_eq!(parse_group_kind("ConfigMap"), ("", "ConfigMap"));
    }
}
