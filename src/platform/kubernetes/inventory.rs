//! What one run knows of the application's ApplySet.

use super::applyset::{Identity, Parent, group_kind};
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::{Apply, Cluster, Resource};
use crate::model::ObjectKey;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(super) struct Inventory {
    /// `None` until it was read, and again when others may have written it.
    parent: tokio::sync::Mutex<Option<Parent>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Members that are there, and those that documents declare.
    members: BTreeSet<ObjectKey>,
    declared: BTreeSet<ObjectKey>,
    /// The Namespace document of the application's own namespace.
    own_namespace: Option<(Resource, Value)>,
}

impl Inventory {
    /// What was read before we were the only writer counts no more.
    pub(super) async fn forget(&self) {
        *self.parent.lock().await = None;
    }

    /// Notes what a reading of everything found.
    pub(super) fn note(
        &self,
        members: BTreeSet<ObjectKey>,
        declared: BTreeSet<ObjectKey>,
        own_namespace: Option<(Resource, Value)>,
    ) {
        *self.seen() = Seen { members, declared, own_namespace };
    }

    pub(super) fn own_namespace(&self) -> Option<(Resource, Value)> {
        self.seen().own_namespace.clone()
    }

    /// Reads the set's ConfigMap anew.
    pub(super) async fn read(&self, cluster: &Cluster, identity: &Identity) -> Result<Parent, Trouble> {
        let mut known = self.parent.lock().await;
        let parent = fetch(cluster, identity).await?;
        *known = Some(parent.clone());
        Ok(parent)
    }

    /// Makes sure that the set leads to a member before that is written. All declared ones come with it, so that this is
    /// one write a sync, and none for a sync that brings nothing new.
    pub(super) async fn widen(
        &self,
        cluster: &Cluster,
        identity: &Identity,
        member: &ObjectKey,
    ) -> Result<(), Trouble> {
        let mut known = self.parent.lock().await;
        let parent = match known.take() {
            Some(parent) => parent,
            None => fetch(cluster, identity).await?,
        };
        let one = leading_to(std::iter::once(member), identity);
        if parent.resource_version.is_some() && one.is_within(&parent) {
            *known = Some(parent);
            return Ok(());
        }
        // Only now, since it looks at every document: once a sync, not once a member.
        let wanted = leading_to(self.seen().declared.iter().chain([member]), identity);
        let mut next = parent;
        next.group_kinds.extend(wanted.group_kinds);
        next.namespaces.extend(wanted.namespaces);
        *known = Some(write(cluster, identity, &next).await?);
        Ok(())
    }

    /// A member is gone. The set no longer leads to kinds and namespaces that have no others.
    pub(super) async fn narrow(
        &self,
        cluster: &Cluster,
        identity: &Identity,
        gone: &ObjectKey,
    ) -> Result<(), Trouble> {
        let wanted = {
            let mut seen = self.seen();
            seen.members.remove(gone);
            leading_to(seen.members.iter().chain(&seen.declared), identity)
        };
        let mut known = self.parent.lock().await;
        let Some(mut parent) = known.take() else { return Ok(()) };
        // Not only by this one: a run that was cut off after its last deletion has left the set wider than need be.
        if wanted.is_within(&parent) && !parent.is_within(&wanted) {
            (parent.group_kinds, parent.namespaces) = (wanted.group_kinds, wanted.namespaces);
            parent = write(cluster, identity, &parent).await?;
        }
        *known = Some(parent);
        Ok(())
    }

    /// Writes down which content a hook ran for.
    pub(super) async fn note_hook(
        &self,
        cluster: &Cluster,
        identity: &Identity,
        hook: &str,
        content: &str,
    ) -> Result<(), Trouble> {
        let mut known = self.parent.lock().await;
        let mut parent = match known.take() {
            Some(parent) => parent,
            None => fetch(cluster, identity).await?,
        };
        if parent.data.get(hook).map(String::as_str) != Some(content) {
            parent.data.insert(hook.to_owned(), content.to_owned());
            parent = write(cluster, identity, &parent).await?;
        }
        *known = Some(parent);
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn leading_to<'a>(keys: impl Iterator<Item = &'a ObjectKey>, identity: &Identity) -> Parent {
    let mut parent = Parent::default();
    for key in keys {
        parent.group_kinds.insert(group_kind(key));
        parent.namespaces.extend(key.namespace.clone().filter(|namespace| namespace != identity.namespace()));
    }
    parent
}

async fn fetch(cluster: &Cluster, identity: &Identity) -> Result<Parent, Trouble> {
    let resource = Identity::parent_resource();
    let found = cluster.get(&resource, Some(identity.namespace()), &identity.parent_name()).await?;
    found.as_ref().map_or_else(|| Ok(Parent::default()), |found| parse(found, identity))
}

async fn write(cluster: &Cluster, identity: &Identity, parent: &Parent) -> Result<Parent, Trouble> {
    let how = Apply { force: true, dry_run: false };
    let resource = Identity::parent_resource();
    let applied = cluster.apply(&resource, Some(identity.namespace()), &parent.body(identity), how).await;
    let written = applied.map_err(|refusal| refusal.into_trouble(&format!("writing {}", place(identity))))?;
    parse(&written, identity)
}

fn parse(found: &Value, identity: &Identity) -> Result<Parent, Trouble> {
    Parent::parse(found).map_err(|message| Trouble {
        kind: TroubleKind::Rejected,
        doing: format!("reading {}", place(identity)),
        message,
    })
}

fn place(identity: &Identity) -> String {
    format!("the inventory ConfigMap/{}/{}", identity.namespace(), identity.parent_name())
}
