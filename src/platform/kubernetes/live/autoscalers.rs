//! Which workloads an autoscaler decides about. Read from the documents and from the cluster: a
//! HorizontalPodAutoscaler may have been made by hand, or by KEDA.

use super::lists::{Lists, Place};
use crate::kubernetes::Kinds;
use crate::model::ObjectKey;
use crate::platform::kubernetes::desired::Wanted;
use serde_json::Value;
use std::collections::BTreeSet;

/// Namespace, group, kind and name of what is scaled.
#[derive(Default)]
pub(in crate::platform::kubernetes) struct Autoscalers(BTreeSet<ObjectKey>);

impl Autoscalers {
    /// Adds the lists of autoscalers in the namespaces where a document says a number of replicas; they take the place
    /// of those of members.
    pub(super) fn places(places: &mut BTreeSet<Place>, wanted: &[&Wanted<'_>], kinds: &Kinds) {
        let Some(resource) = kinds.preferred("autoscaling", "HorizontalPodAutoscaler") else { return };
        let says_replicas = |wanted: &&&Wanted<'_>| {
            wanted.object.body.pointer("/spec/replicas").is_some() && wanted.key.namespace.is_some()
        };
        for namespace in wanted.iter().filter(says_replicas).filter_map(|wanted| wanted.namespace()) {
            places.retain(|place| {
                place.namespace.as_deref() != Some(namespace)
                    || place.resource.kind != resource.kind
                    || place.resource.group != resource.group
            });
            // In the version that documents use, if they do, so that what is read can be compared.
            let written = wanted.iter().find(|wanted| wanted.key.is(&resource.group, &resource.kind));
            let resource = written.map_or(resource, |wanted| &wanted.resource);
            places.insert(Place { all: true, ..Place::members(resource, Some(namespace)) });
        }
    }

    /// All that documents and cluster have.
    pub(super) fn find(wanted: &[&Wanted<'_>], lists: &Lists) -> Autoscalers {
        let declared = wanted.iter().map(|wanted| (&wanted.key, &wanted.object.body));
        Autoscalers(lists.iter().chain(declared).filter_map(|(key, body)| target(key, body)).collect())
    }

    /// Those of single objects, where nothing was listed.
    pub(in crate::platform::kubernetes) fn of<'a>(
        objects: impl Iterator<Item = (ObjectKey, &'a Value)>,
    ) -> Autoscalers {
        Autoscalers(objects.filter_map(|(key, body)| target(&key, body)).collect())
    }

    pub(in crate::platform::kubernetes) fn scale(&self, key: &ObjectKey) -> bool {
        self.0.contains(key)
    }
}

fn target(key: &ObjectKey, body: &Value) -> Option<ObjectKey> {
    if !key.is("autoscaling", "HorizontalPodAutoscaler") {
        return None;
    }
    let reference = body.pointer("/spec/scaleTargetRef")?;
    let text = |field: &str| reference.get(field).and_then(Value::as_str);
    let group =
        text("apiVersion").and_then(|version| version.rsplit_once('/')).map_or("", |(group, _)| group);
    Some(ObjectKey {
        group: group.to_owned(),
        kind: text("kind")?.to_owned(),
        namespace: key.namespace.clone(),
        name: text("name")?.to_owned(),
    })
}
