//! Objects that pass from one application to another: by an explicit pair, when the old owner no longer declares them, or
//! when its inventory is gone. That an owner is not seen from here passes nothing.

use super::Kubernetes;
use super::applyset::{Identity, PART_OF, label};
use super::live::belongs_to;
use crate::engine::{Neighbours, Trouble};
use crate::model::{Application, Destination, ObjectKey, marks};
use serde_json::Value;
use std::sync::Arc;

impl Kubernetes {
    /// Knows the other applications of the same process.
    #[must_use]
    pub fn beside(self, neighbours: Arc<dyn Neighbours>) -> Kubernetes {
        Kubernetes { neighbours, ..self }
    }

    /// Why the object is not ours to take, if it is somebody else's: a sentence with the ways out. `document` is what is
    /// going to be applied to it.
    pub(super) async fn owned_by_others(
        &self,
        key: &ObjectKey,
        document: &Value,
        live: &Value,
    ) -> Result<Option<String>, Trouble> {
        let Some(owner) = self.identity.other_owner(live) else { return Ok(None) };
        let set = label(live, PART_OF).unwrap_or_default();
        let name = label(live, marks::APPLICATION);
        if is_released(live, &self.identity) && annotation(document, marks::ADOPT) == name {
            return Ok(None);
        }
        let is_owner = |application: &Application| match &application.destination {
            Destination::Kubernetes { namespace, .. } => {
                Identity::new(&application.name, namespace).id() == set
            }
            Destination::Ecs { .. } => false,
        };
        let is_free = match self.neighbours.gave_up(&is_owner, &key.to_string()).await {
            Some(gave_up) => gave_up,
            // Only of an owner that is not seen from here is a missing inventory a word.
            None => self.has_inventory(set, name, key.namespace.as_deref()).await? == Some(false),
        };
        Ok((!is_free).then(|| belongs_to(&owner, self.identity.application(), name)))
    }

    /// Whether there is the inventory of this set; `None` if it is not known where that would lie, or is not of our making.
    async fn has_inventory(
        &self,
        set: &str,
        name: Option<&str>,
        near: Option<&str>,
    ) -> Result<Option<bool>, Trouble> {
        let Some(name) = name else { return Ok(None) };
        let mut owners =
            near.into_iter().chain([self.identity.namespace()]).map(|near| Identity::new(name, near));
        let Some(owner) = owners.find(|owner| owner.id() == set) else { return Ok(None) };
        let (kind, namespace) = (Identity::parent_resource(), Some(owner.namespace()));
        let found = self.cluster.get(&kind, namespace, &owner.parent_name()).await?;
        Ok(Some(found.is_some()))
    }
}

/// True if the old side, or an operator, gives the object to this application.
fn is_released(live: &Value, identity: &Identity) -> bool {
    annotation(live, marks::RELEASE) == Some(identity.application())
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(key)?.as_str()
}
