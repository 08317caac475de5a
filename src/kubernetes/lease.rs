//! A `coordination.k8s.io/v1` Lease as a register: its `resourceVersion` makes every write of it a compare-and-set.
//! What it says about time is for people, since it comes from other machines' clocks.

use super::{Cluster, Preconditions, Propagation, Resource};
use crate::engine::Trouble;
use crate::model::Timestamp;
use k8s_openapi::jiff;
use serde_json::{Value, json};
use std::time::Duration;

/// A Lease as it was read or written last.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseObject(Value);

/// How a Lease is to be written.
#[derive(Clone, Copy, Debug)]
pub struct LeaseForm<'a> {
    pub name: &'a str,
    pub label: (&'a str, &'a str),
    /// For people: after how long without a change it belongs to nobody.
    pub duration: Duration,
}

impl LeaseObject {
    /// `metadata.name`
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Who has it; `None` if it is free.
    pub fn holder(&self) -> Option<&str> {
        Some(self.text("/spec/holderIdentity")).filter(|holder| !holder.is_empty())
    }

    /// Differs after each write.
    pub fn version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// Differs from that of any other Lease at any time and in any cluster.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// The value of a label; empty without one.
    pub fn label(&self, key: &str) -> &str {
        self.0["metadata"]["labels"].get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Cluster {
    /// One Lease; `None` if it is not there.
    ///
    /// # Errors
    /// Those of [`Cluster::get`].
    pub async fn read_lease(&self, namespace: &str, name: &str) -> Result<Option<LeaseObject>, Trouble> {
        Ok(self.get(&resource(), Some(namespace), name).await?.map(LeaseObject))
    }

    /// The Leases of a namespace, as the store has them now, that bear a label.
    ///
    /// # Errors
    /// Those of [`Cluster::list`].
    pub async fn list_leases(&self, namespace: &str, label: &str) -> Result<Vec<LeaseObject>, Trouble> {
        let found = self.list(&resource(), Some(namespace), label).await?;
        Ok(found.into_iter().map(LeaseObject).collect())
    }

    /// Writes `holder` into the Lease (empty: it is free), if that is as it was `seen`, or not there if nothing was seen.
    ///
    /// # Errors
    /// [`crate::engine::TroubleKind::LookAgain`] or [`crate::engine::TroubleKind::Missing`] if it is not as it was seen;
    /// otherwise those of the request, after which it may have been written.
    pub async fn write_lease(
        &self,
        namespace: &str,
        form: LeaseForm<'_>,
        seen: Option<&LeaseObject>,
        holder: &str,
    ) -> Result<LeaseObject, Trouble> {
        let now = micro_time(self.clock().now());
        let before = |field: &str| seen.and_then(|lease| lease.0["spec"].get(field));
        let changes_hands = before("holderIdentity").and_then(Value::as_str).unwrap_or_default() != holder;
        let transitions = before("leaseTransitions").and_then(Value::as_u64).unwrap_or_default();
        let acquired = before("acquireTime").filter(|_| !changes_hands).cloned();
        let (key, value) = form.label;
        let mut metadata = json!({"name": form.name, "namespace": namespace, "labels": {key: value}});
        if let Some(lease) = seen {
            metadata["resourceVersion"] = lease.version().into();
        }
        let body = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": form.duration.as_secs(),
            "acquireTime": acquired.unwrap_or_else(|| now.clone().into()),
            "renewTime": now,
            "leaseTransitions": transitions + u64::from(changes_hands && !holder.is_empty()),
        }});
        let written = match seen {
            Some(_) => self.replace(&resource(), Some(namespace), &body).await,
            None => self.create(&resource(), Some(namespace), &body).await,
        };
        written.map(LeaseObject)
    }

    /// Deletes a Lease, if it is as it was seen.
    ///
    /// # Errors
    /// Those of [`Cluster::delete`].
    pub async fn delete_lease(&self, namespace: &str, seen: &LeaseObject) -> Result<(), Trouble> {
        let conditions = Preconditions::unchanged(&seen.0);
        self.delete(&resource(), Some(namespace), seen.name(), &conditions, Propagation::Background).await
    }
}

fn resource() -> Resource {
    Resource::known("coordination.k8s.io", "v1", "Lease", "leases", true)
}

/// `2026-11-22T04:08:25.000000Z`
fn micro_time(time: Timestamp) -> String {
    let seconds = i64::try_from(time.0).unwrap_or_default();
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}
