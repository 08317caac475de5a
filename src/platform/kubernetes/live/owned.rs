//! Members of the ApplySet, with the reason why some of them stay even if Git does not have them; and doubts about whether
//! these are all.

use super::definitions::defined;
use super::lists::{Lists, Place};
use crate::engine::{Deployment, Trouble, TroubleKind};
use crate::kubernetes::{Kinds, Resource};
use crate::model::{ObjectKey, Turn, marks, rank};
use crate::plan::Owned;
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::applyset::Parent;
use crate::platform::kubernetes::inventory::place;
use crate::platform::kubernetes::prune::held_by;
use crate::platform::kubernetes::slots::{AllSlots, Protection, slot_mark};
use serde_json::Value;
use std::collections::BTreeSet;

/// Says whether an object goes when it is no longer in Git; our own and Argo CD's way.
const PRUNE: &str = "cutover.dev/prune";
/// The wave of an object, in both ways of saying it.
const WAVES: [&str; 2] = ["cutover.dev/wave", "argocd.argoproj.io/sync-wave"];
const ARGO_OPTIONS: &str = "argocd.argoproj.io/sync-options";

impl Kubernetes {
    /// All members, those included that are on their way out. `declared` is what documents name.
    pub(super) async fn owned(
        &self,
        deployment: &Deployment,
        lists: &Lists,
        slots: &AllSlots,
        declared: &BTreeSet<&ObjectKey>,
    ) -> Vec<Owned> {
        let bare = self.bare_definitions(lists, declared).await;
        let protection = Protection::find(lists.members(&self.identity), &slots.live);
        let steered = deployment.manifests.steered_objects();
        let is_pattern = |key: &ObjectKey| {
            let written = |object: &&ObjectKey| object.is("", "Service") && object.name == key.name;
            key.is("", "Service") && steered.keys().any(written)
        };
        let declared = slots.objects.values().flat_map(|slots| slots.blue.iter().chain(&slots.green));
        let declared: BTreeSet<&ObjectKey> = declared.map(|object| &object.key).collect();
        let members = lists.members(&self.identity).map(|(key, live)| {
            let is_used = slots.keys.contains(key) && !declared.contains(key);
            let used = is_used.then(|| "a slot uses it as it is".to_owned());
            let pattern = is_pattern(key).then(|| {
                "documents name it: the slots' own Services are made after it, and others may still use it".to_owned()
            });
            let own = key.is("", "Namespace") && key.name == self.identity.namespace();
            let own = own.then(|| {
                "it is the application's own namespace; everything in it would go, and what the application owns is \
                 written down there".to_owned()
            });
            let kept = own.or_else(|| kept(key, live, bare.contains(key)));
            let in_use = kept.or(protection.reason(key).map(ToOwned::to_owned)).or(used).or(pattern);
            Owned {
                document: key.label(),
                resource: key.to_string(),
                target_groups: protection.target_groups(key),
                in_use,
                is_kept_for_now: false,
                steered_by: protection.steered_by(key).map(ToString::to_string),
                leaving: held_by(live),
                turn: turn_of(key, live),
                slot: slot_mark(key, live),
            }
        });
        members.collect()
    }

    /// CustomResourceDefinitions that leave Git and take nothing along but what leaves Git with them: there is no object of
    /// the kind, in any namespace, that is not a member and undeclared.
    pub(super) async fn bare_definitions(
        &self,
        lists: &Lists,
        declared: &BTreeSet<&ObjectKey>,
    ) -> BTreeSet<ObjectKey> {
        let mut bare = BTreeSet::new();
        for (key, live) in lists.members(&self.identity) {
            if !key.is("apiextensions.k8s.io", "CustomResourceDefinition") || declared.contains(key) {
                continue;
            }
            // One that can't be looked through is not bare.
            let Ok(objects) = self.objects_of(live).await else { continue };
            let leaves = |(object, live): &(ObjectKey, Value)| {
                self.identity.owns(live) && !declared.contains(object) && kept(object, live, false).is_none()
            };
            if objects.iter().all(leaves) {
                bare.insert(key.clone());
            }
        }
        bare
    }

    /// All objects of the kind that this definition defines, in all namespaces.
    ///
    /// # Errors
    /// If they can't be listed.
    pub(in crate::platform::kubernetes) async fn objects_of(
        &self,
        definition: &Value,
    ) -> Result<Vec<(ObjectKey, Value)>, Trouble> {
        let Some((group, kind)) = defined(definition) else { return Ok(vec![]) };
        let kinds = self.cluster.kinds().await?;
        let Some(resource) = kinds.preferred(&group, &kind) else {
            let doing = format!("listing objects of {kind}.{group}");
            let message = "the cluster does not serve it".to_owned();
            return Err(Trouble { kind: TroubleKind::Missing, doing, message });
        };
        let objects = self.cluster.list(resource, None, "").await?;
        Ok(objects.into_iter().map(|live| (resource.key_of(&live), live)).collect())
    }

    /// Notes why the lists may lack members although each was read: the inventory does not tell where they are. Of a set that
    /// lost it, members are looked for among all kinds, so that the next one leads to them.
    pub(super) async fn doubt(&self, kinds: &Kinds, parent: &Parent, lists: &mut Lists) {
        let place = place(&self.identity);
        if let Some(why) = &parent.uncertain {
            lists.miss(&format!("{place} {why}, so nobody knows what else there is"));
        } else if parent.resource_version.is_none() && lists.members(&self.identity).next().is_some() {
            lists.miss(&format!(
                "{place} is missing although objects bear its label, so nobody knows what else there is; it is made anew \
                 when something is applied"
            ));
        } else {
            return;
        }
        self.find_everywhere(kinds, lists).await;
    }

    /// Looks for members among all kinds: in all namespaces or, where that may not be listed, in those that are known. Gives
    /// back what could not be read.
    pub(super) async fn find_everywhere(&self, kinds: &Kinds, lists: &mut Lists) -> Vec<Trouble> {
        let namespaces: BTreeSet<String> = lists
            .iter()
            .filter_map(|(key, _)| key.namespace.clone())
            .chain([self.identity.namespace().to_owned()])
            .collect();
        let all = kinds.all().filter(|resource| self.may_have(resource));
        let everywhere: Vec<Place> = all.map(|resource| Place::members(resource, None)).collect();
        let unread = self.find_more(lists, everywhere).await;
        let (denied, mut unread): (Vec<_>, Vec<_>) = unread
            .into_iter()
            .partition(|(place, trouble)| place.resource.namespaced && trouble.kind == TroubleKind::Denied);
        let each = |(place, _): &(Place, Trouble)| -> Vec<Place> {
            namespaces.iter().map(|namespace| Place::members(&place.resource, Some(namespace))).collect()
        };
        unread.extend(self.find_more(lists, denied.iter().flat_map(each).collect()).await);
        unread.extend(denied);
        unread.into_iter().map(|(_, trouble)| trouble).collect()
    }

    fn may_have(&self, resource: &Resource) -> bool {
        resource.namespaced || self.allowed.has_cluster_kind(&resource.group, &resource.kind)
    }
}

/// When an object's turn came, as far as it says so itself.
pub(super) fn turn_of(key: &ObjectKey, live: &Value) -> Turn {
    let annotation = |key: &&str| live["metadata"]["annotations"].get(*key).and_then(Value::as_str);
    let wave = WAVES.iter().find_map(annotation).and_then(|wave| wave.trim().parse().ok()).unwrap_or(0);
    Turn { wave, rank: rank(&key.group, &key.kind), ..Turn::default() }
}

/// Why an object stays although it is no longer in Git: its annotations say so, or don't say the word that its kind needs,
/// unless it `is_bare`: nothing goes with it.
pub(in crate::platform::kubernetes) fn kept(key: &ObjectKey, live: &Value, is_bare: bool) -> Option<String> {
    let annotation = |key: &str| live["metadata"]["annotations"].get(key).and_then(Value::as_str);
    let argo = annotation(ARGO_OPTIONS).unwrap_or_default();
    let word = annotation(PRUNE);
    if word.is_some_and(|value| value == "false" || value == "disabled") {
        return Some(format!("its annotation {PRUNE} says that it stays"));
    }
    if argo.split(',').any(|option| option.trim() == "Prune=false") {
        return Some(format!("its annotation {ARGO_OPTIONS} says that it stays"));
    }
    let owner = live["metadata"]["labels"].get(marks::APPLICATION).and_then(Value::as_str);
    if let Some(heir) = annotation(marks::RELEASE).filter(|heir| Some(*heir) != owner) {
        return Some(format!("its annotation {} gives it to application {heir}", marks::RELEASE));
    }
    let along = takes_along(key, live).filter(|_| word != Some(marks::ALLOWED) && !is_bare)?;
    let at = key.namespace.as_ref().map_or(String::new(), |namespace| format!(" -n {namespace}"));
    // Argo CD's kind has the same name.
    let kind = match key.group.as_str() {
        "cutover.dev" => format!("{}.{}", key.kind.to_lowercase(), key.group),
        _ => key.kind.to_lowercase(),
    };
    Some(format!(
        "{along} would go with it, so it stays until its annotation {PRUNE} is `{allowed}`; if that is meant: kubectl \
         annotate {kind}{at} {} {PRUNE}={allowed}",
        key.name,
        allowed = marks::ALLOWED
    ))
}

/// What nobody can bring back goes with an object of this kind.
fn takes_along(key: &ObjectKey, live: &Value) -> Option<&'static str> {
    match (key.group.as_str(), key.kind.as_str()) {
        ("cutover.dev", "Application") if live["spec"]["deletion"] == "cascade" => {
            Some("everything that it has brought about (spec.deletion: cascade)")
        }
        ("", "Namespace") => Some("everything in the namespace, whoever made it,"),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            Some("all objects of its kind, in every namespace and whoever made them,")
        }
        ("", "PersistentVolumeClaim" | "PersistentVolume") => Some("its data"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(group: &str, kind: &str) -> ObjectKey {
        ObjectKey { group: group.into(), kind: kind.into(), namespace: None, name: "x".into() }
    }

    #[test]
    fn what_takes_data_along_goes_only_if_it_was_said() {
        let said = |annotations: Value| json!({"metadata": {"annotations": annotations}});
        for (group, kind) in [
            ("", "Namespace"),
            ("", "PersistentVolumeClaim"),
            ("", "PersistentVolume"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ] {
            let key = key(group, kind);
            let why = kept(&key, &said(json!({})), false).expect("kept");
            assert!(why.contains("cutover.dev/prune=allowed") && why.contains(&kind.to_lowercase()), "{why}");
            assert_eq!(kept(&key, &said(json!({PRUNE: "allowed"})), false), None, "{kind}");
            assert_eq!(kept(&key, &said(json!({})), true), None, "{kind}: nothing goes with it");
            assert!(kept(&key, &said(json!({PRUNE: "disabled"})), true).is_some(), "{kind}");
            assert!(
                kept(&key, &said(json!({PRUNE: "allowed", ARGO_OPTIONS: "Prune=false"})), true).is_some(),
                "who says no is heard"
            );
        }
        let child = |deletion: &str| json!({"metadata": {"annotations": {}}, "spec": {"deletion": deletion}});
        let application = key("cutover.dev", "Application");
        assert!(kept(&application, &child("cascade"), false).is_some());
        assert_eq!(kept(&application, &child("orphan"), false), None);
        assert_eq!(kept(&key("", "ConfigMap"), &said(json!({})), false), None);
        assert!(kept(&key("", "ConfigMap"), &said(json!({PRUNE: "false"})), false).is_some());
    }
}
