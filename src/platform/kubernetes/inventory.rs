//! What one run knows of the application's ApplySet.

use super::applyset::{Identity, Parent, group_kind};
use super::jobs::{is_of_job, record_name};
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
    /// True if these are all members.
    is_complete: bool,
    own_namespace: Option<OwnNamespace>,
}

/// The application's own namespace, where it is for the application to make it.
#[derive(Clone)]
pub(super) enum OwnNamespace {
    /// By its document: what is applied.
    Declared(Resource, Value),
    /// By `sync.createNamespace`: as nobody's.
    Made,
}

impl Seen {
    /// Takes out what was noted of Jobs that are neither declared nor `kept`; true if there was any. Their names may be made
    /// of versions, and would become ever more.
    fn forget_jobs(&self, parent: &mut Parent, kept: Option<&ObjectKey>) -> bool {
        let before = parent.data.len();
        if parent.uncertain.is_none() && parent.data.keys().any(|name| is_of_job(name)) {
            let declared = self.declared.iter().chain(kept).filter(|key| key.is("batch", "Job"));
            let declared: BTreeSet<String> = declared.map(record_name).collect();
            parent.data.retain(|name, _| !is_of_job(name) || declared.contains(name));
        }
        parent.data.len() < before
    }
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
        is_complete: bool,
        own_namespace: Option<OwnNamespace>,
    ) {
        *self.seen() = Seen { members, declared, is_complete, own_namespace };
    }

    pub(super) fn own_namespace(&self) -> Option<OwnNamespace> {
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
    /// one write a sync, and none for a sync that brings nothing new. What was noted of Jobs that left Git goes.
    pub(super) async fn widen(
        &self,
        cluster: &Cluster,
        identity: &Identity,
        member: &ObjectKey,
    ) -> Result<(), Trouble> {
        let mut known = self.parent.lock().await;
        let mut parent = match known.take() {
            Some(parent) => parent,
            None => fetch(cluster, identity).await?,
        };
        let one = leading_to(std::iter::once(member), identity);
        let has_forgotten = self.seen().forget_jobs(&mut parent, Some(member));
        if parent.resource_version.is_some() && one.is_within(&parent) && !has_forgotten {
            *known = Some(parent);
            return Ok(());
        }
        // Only now, since it looks at every document: once a sync, not once a member.
        let wanted = leading_to(self.seen().declared.iter().chain([member]), identity);
        let mut next = parent;
        if next.resource_version.is_none() || next.uncertain.is_some() {
            // What was found of a set that lost its inventory is led to again.
            let found = leading_to(self.seen().members.iter(), identity);
            next.group_kinds.extend(found.group_kinds);
            next.namespaces.extend(found.namespaces);
        }
        next.group_kinds.extend(wanted.group_kinds);
        next.namespaces.extend(wanted.namespaces);
        *known = Some(write(cluster, identity, &next).await?);
        Ok(())
    }

    /// A member is gone. The set no longer leads to kinds and namespaces that have no others, and what was noted of Jobs
    /// that left Git goes with it: those that come back run again.
    pub(super) async fn narrow(
        &self,
        cluster: &Cluster,
        identity: &Identity,
        gone: &ObjectKey,
    ) -> Result<(), Trouble> {
        let wanted = {
            let mut seen = self.seen();
            seen.members.remove(gone);
            if !seen.is_complete {
                return Ok(());
            }
            leading_to(seen.members.iter().chain(&seen.declared), identity)
        };
        let mut known = self.parent.lock().await;
        let Some(mut parent) = known.take() else { return Ok(()) };
        let has_forgotten = self.seen().forget_jobs(&mut parent, None);
        // Not only by this one: a run that was cut off after its last deletion has left the set wider than need be.
        let is_wider = wanted.is_within(&parent) && !parent.is_within(&wanted);
        if is_wider {
            (parent.group_kinds, parent.namespaces) = (wanted.group_kinds, wanted.namespaces);
        }
        if is_wider || has_forgotten {
            parent = write(cluster, identity, &parent).await?;
        }
        *known = Some(parent);
        Ok(())
    }

    /// Writes down how the run of a Job ended that is no hook.
    pub(super) async fn note_job(
        &self,
        cluster: &Cluster,
        identity: &Identity,
        job: &ObjectKey,
        end: &str,
    ) -> Result<(), Trouble> {
        let name = record_name(job);
        let mut known = self.parent.lock().await;
        let mut parent = match known.take() {
            Some(parent) => parent,
            None => fetch(cluster, identity).await?,
        };
        if parent.data.get(&name).map(String::as_str) != Some(end) {
            self.seen().forget_jobs(&mut parent, Some(job));
            parent.data.insert(name, end.to_owned());
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
    Ok(found.map_or_else(Parent::default, |found| Parent::parse(&found, identity)))
}

async fn write(cluster: &Cluster, identity: &Identity, parent: &Parent) -> Result<Parent, Trouble> {
    if let Some(why) = parent.uncertain.as_ref().filter(|_| parent.is_foreign) {
        let message =
            format!("it {why}; nothing new can be applied without it: delete or rename that ConfigMap");
        return Err(Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("writing {}", place(identity)),
            message,
        });
    }
    let how = Apply { force: true, dry_run: false };
    let resource = Identity::parent_resource();
    let applied = cluster.apply(&resource, Some(identity.namespace()), &parent.body(identity), how).await;
    let written = applied.map_err(|refusal| refusal.into_trouble(&format!("writing {}", place(identity))))?;
    Ok(Parent::parse(&written, identity))
}

/// What people find it by.
pub(super) fn place(identity: &Identity) -> String {
    format!("the inventory ConfigMap/{}/{}", identity.namespace(), identity.parent_name())
}
