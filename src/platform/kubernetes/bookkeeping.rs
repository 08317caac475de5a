//! Objects in which this program keeps notes of its own: the inventory and the lock of an application. No document may
//! declare them, since whoever writes them decides what is pruned and who writes.

use super::Kubernetes;
use super::applyset::{ID, Identity, is_parent, label};
use super::desired::Resolved;
use crate::engine::{Deployment, Trouble, TroubleKind};
use crate::kubernetes::{Preconditions, Propagation, Resource};
use crate::model::{Object, ObjectKey, marks};
use serde_json::Value;

impl Kubernetes {
    /// Passes if no document declares what this program keeps for itself.
    ///
    /// # Errors
    /// One that names every document that does, with file and line.
    pub(super) fn refuse_bookkeeping(
        &self,
        deployment: &Deployment,
        resolved: &[(&Object, Resolved<'_>)],
    ) -> Result<(), Trouble> {
        let wrong: Vec<String> = resolved
            .iter()
            .filter_map(|(object, resolved)| {
                let Resolved::Known(wanted) = resolved else { return None };
                let what = kept_by_us(&wanted.key, &object.body, &self.identity)?;
                Some(format!("{}: {}: {what}", object.origin_of("metadata.name"), object.label()))
            })
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let doing = format!("reading the documents of {}", deployment.application.name);
        Err(Trouble { kind: TroubleKind::Rejected, doing, message: wrong.join("; ") })
    }
}

impl Kubernetes {
    /// The inventory as it is now, if there is one that is ours; or the lock that an earlier end left behind.
    pub(super) async fn bookkeeping(&self) -> Result<Option<Value>, Trouble> {
        if let Some(inventory) = self.own_inventory().await? {
            return Ok(Some(inventory));
        }
        let (namespace, name) = (self.identity.namespace(), self.identity.parent_name());
        let lease = Resource::known("coordination.k8s.io", "v1", "Lease", "leases", true);
        self.cluster.get(&lease, Some(namespace), &name).await
    }

    async fn own_inventory(&self) -> Result<Option<Value>, Trouble> {
        let (namespace, name) = (self.identity.namespace(), self.identity.parent_name());
        let found = self.cluster.get(&Identity::parent_resource(), Some(namespace), &name).await?;
        Ok(found.filter(|found| label(found, ID) == Some(self.identity.id()) && is_parent(found)))
    }

    /// Deletes the inventory, if it is ours and as it is read now.
    pub(super) async fn drop_bookkeeping(&self) -> Result<(), Trouble> {
        let Some(inventory) = self.own_inventory().await? else { return Ok(()) };
        let (namespace, name) = (self.identity.namespace(), self.identity.parent_name());
        let same = Preconditions::unchanged(&inventory);
        let kind = Identity::parent_resource();
        self.cluster.delete(&kind, Some(namespace), &name, &same, Propagation::Background).await?;
        self.inventory.forget().await;
        Ok(())
    }
}

/// Why a document must not declare this object, if it must not.
fn kept_by_us(key: &ObjectKey, body: &Value, identity: &Identity) -> Option<String> {
    let is_own = key.name == identity.parent_name() && key.namespace.as_deref() == Some(identity.namespace());
    let what = match (key.group.as_str(), key.kind.as_str()) {
        ("", "ConfigMap") if is_own => "the inventory",
        ("coordination.k8s.io", "Lease") if is_own => "the lock",
        // Whose locks and seats there are elsewhere is not known, and with a foreign holder in one nobody works.
        ("coordination.k8s.io", "Lease") if key.name.starts_with("cutover-") => "the lock of an application",
        ("coordination.k8s.io", "Lease") if key.name.starts_with("cutover.") => "the seat of a controller",
        ("", "ConfigMap") if is_parent(body) => "the inventory of an application",
        _ => return None,
    };
    Some(format!("{what} is kept by cutover itself; rename the object, or take the document out of Git"))
}

/// Whose inventory a live object is, as the end of a refusal.
pub(super) fn inventory_of(live: &Value) -> Option<String> {
    let is_inventory = live["kind"] == "ConfigMap" && is_parent(live);
    let application = label(live, marks::APPLICATION).unwrap_or("another application");
    is_inventory.then(|| {
        format!("it is the inventory of {application}, which cutover keeps itself; rename the object")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inventories_and_the_lock_are_no_documents() {
        let identity = Identity::new("shop", "prod");
        let key = |group: &str, kind: &str, namespace: &str, name: &str| ObjectKey {
            group: group.into(),
            kind: kind.into(),
            namespace: Some(namespace.into()),
            name: name.into(),
        };
        let plain = json!({"kind": "ConfigMap"});
        let exported = json!({"kind": "ConfigMap", "metadata": {"name": "x",
            "labels": {"applyset.kubernetes.io/id": "applyset-x-v1", "cutover.dev/application": "blog"},
            "annotations": {"applyset.kubernetes.io/tooling": "cutover/v0.1.0"}}});
        for (key, body, says) in [
            (key("", "ConfigMap", "prod", "cutover-shop"), &plain, Some("the inventory is kept")),
            (key("coordination.k8s.io", "Lease", "prod", "cutover-shop"), &plain, Some("the lock")),
            (
                key("coordination.k8s.io", "Lease", "test", "cutover-blog"),
                &plain,
                Some("the lock of an application"),
            ),
            (key("coordination.k8s.io", "Lease", "test", "cutover.seat-0"), &plain, Some("the seat")),
            (key("coordination.k8s.io", "Lease", "test", "blog"), &plain, None),
            (key("", "ConfigMap", "test", "x"), &exported, Some("the inventory of an application")),
            (key("", "ConfigMap", "test", "cutover-shop"), &plain, None),
            (key("", "ConfigMap", "prod", "cutover-shop-settings"), &plain, None),
            (key("", "Secret", "prod", "cutover-shop"), &plain, None),
        ] {
            let found = kept_by_us(&key, body, &identity);
            assert_eq!(found.is_some(), says.is_some(), "{key}: {found:?}");
            assert!(found.unwrap_or_default().contains(says.unwrap_or_default()), "{key}");
        }
        assert!(inventory_of(&exported).expect("an inventory").contains("inventory of blog"));
        assert_eq!(inventory_of(&plain), None);
    }
}
