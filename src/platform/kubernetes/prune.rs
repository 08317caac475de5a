//! Deleting what is no longer in Git.

use super::Kubernetes;
use super::applyset::parse_group_kind;
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::{Preconditions, Propagation, Resource};
use crate::model::ObjectKey;
use crate::plan::PlanItem;

impl Kubernetes {
    /// Deletes one member, after it was read once more: what no longer bears our label, or was made anew by somebody
    /// else, stays.
    pub(super) async fn prune(&self, item: &PlanItem) -> Result<(), Trouble> {
        let trouble = |message: &str| Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("prune {}", item.resource),
            message: message.into(),
        };
        let (resource, key) = self
            .named(&item.resource)
            .await?
            .ok_or_else(|| trouble("the cluster has no such kind any more"))?;
        if let Some(why) = self.beyond(&key) {
            return Err(trouble(&why));
        }
        if let Some(live) = self.cluster.get(&resource, key.namespace.as_deref(), &key.name).await? {
            if !self.identity.owns(&live) {
                return Err(trouble("it no longer bears the application's label and is left alone"));
            }
            if live.pointer("/metadata/deletionTimestamp").is_none() {
                let same = Preconditions::unchanged(&live);
                let namespace = key.namespace.as_deref();
                self.cluster.delete(&resource, namespace, &key.name, &same, Propagation::Background).await?;
            }
        }
        self.inventory.narrow(&self.cluster, &self.identity, &key).await
    }

    /// What a plan's item names: `Deployment.apps/shop/web`, `Namespace/shop`.
    pub(super) async fn named(&self, text: &str) -> Result<Option<(Resource, ObjectKey)>, Trouble> {
        let mut parts = text.splitn(3, '/');
        let (group, kind) = parse_group_kind(parts.next().unwrap_or_default());
        let (first, second) = (parts.next().unwrap_or_default(), parts.next());
        let (namespace, name) = second.map_or((None, first), |name| (Some(first.to_owned()), name));
        let key = ObjectKey { group: group.into(), kind: kind.into(), namespace, name: name.into() };
        let kinds = self.cluster.kinds().await?;
        Ok(kinds.preferred(group, kind).map(|resource| (resource.clone(), key)))
    }
}
