//! Deleting what is no longer in Git.

use super::Kubernetes;
use super::applyset::parse_group_kind;
use super::live::kept;
use crate::engine::{Settled, Trouble, TroubleKind};
use crate::kubernetes::{Preconditions, Propagation, Resource};
use crate::model::ObjectKey;
use crate::plan::PlanItem;
use serde_json::Value;

impl Kubernetes {
    /// Tells one member to go, after it was read once more: what no longer bears our label, or was made anew by somebody
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
                // Somebody may have made an object of the kind, or taken the word back, since it was planned.
                let is_bare = key.is("apiextensions.k8s.io", "CustomResourceDefinition")
                    && kept(&key, &live, false).is_some()
                    && self.objects_of(&live).await?.is_empty();
                if let Some(why) = kept(&key, &live, is_bare) {
                    return Err(trouble(&why));
                }
                if let Some(why) = self.still_steered(&key, &live).await? {
                    return Err(trouble(&why));
                }
                let same = Preconditions::unchanged(&live);
                let namespace = key.namespace.as_deref();
                self.cluster.delete(&resource, namespace, &key.name, &same, Propagation::Background).await?;
            }
        }
        Ok(())
    }

    /// Whether a member that was told to go is gone. Until then it stays in the inventory: finalizers may hold it for ever.
    pub(super) async fn settle_prune(&self, item: &PlanItem) -> Result<Settled, Trouble> {
        // Its kind went, and with it every object.
        let Some((resource, key)) = self.named(&item.resource).await? else { return Ok(Settled::Steady) };
        let live = self.cluster.get(&resource, key.namespace.as_deref(), &key.name).await;
        let live = match live {
            Err(trouble) if trouble.kind == TroubleKind::Missing => None,
            live => live?,
        };
        if let Some(live) = live.filter(|live| self.identity.owns(live)) {
            let state = held_by(&live).unwrap_or_else(|| "is being deleted".into());
            return Ok(Settled::InProgress { state, troubles: vec![] });
        }
        self.inventory.narrow(&self.cluster, &self.identity, &key).await?;
        Ok(Settled::Steady)
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

/// What an object on its way out still waits for; `None` if nobody told it to go.
pub(super) fn held_by(live: &Value) -> Option<String> {
    live.pointer("/metadata/deletionTimestamp")?;
    let names = |pointer: &str| -> Vec<&str> {
        let found = live.pointer(pointer).and_then(Value::as_array);
        found.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let finalizers = [names("/metadata/finalizers"), names("/spec/finalizers")].concat();
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    // A Namespace says there what is left in it.
    let left = conditions.filter(|one| {
        let kind = one["type"].as_str().unwrap_or_default();
        live["kind"] == "Namespace" && kind.ends_with("Remaining") && one["status"] == "True"
    });
    let left: Vec<&str> = left.filter_map(|one| one["message"].as_str()).collect();
    Some(match (finalizers.as_slice(), left.is_empty()) {
        ([], _) => "is being deleted".to_owned(),
        (["kubernetes"], true) => "is being deleted, with everything in it".to_owned(),
        (_, false) => format!("is being deleted; {}", left.join("; ")),
        ([one], true) => {
            format!("is being deleted, which the finalizer {one} holds up; who set it has to let go")
        }
        (many, true) => {
            format!(
                "is being deleted, which the finalizers {} hold up; who set them have to let go",
                many.join(", ")
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_holds_a_deletion_up_is_told() {
        let going = |finalizers: Value| json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": finalizers}});
        assert_eq!(held_by(&json!({"metadata": {"finalizers": ["a.dev/x"]}})), None);
        assert_eq!(held_by(&going(json!([]))).as_deref(), Some("is being deleted"));
        let one = held_by(&going(json!(["a.dev/x"]))).expect("going");
        assert!(one.contains("the finalizer a.dev/x holds"), "{one}");
        let two = held_by(&going(json!(["a.dev/x", "b.dev/y"]))).expect("going");
        assert!(two.contains("a.dev/x, b.dev/y"), "{two}");
        let mut namespace = going(json!([]));
        namespace["kind"] = "Namespace".into();
        namespace["spec"] = json!({"finalizers": ["kubernetes"]});
        assert!(held_by(&namespace).expect("going").contains("with everything in it"));
        namespace["status"] = json!({"conditions": [{"type": "NamespaceFinalizersRemaining", "status": "True",
            "message": "Some content in the namespace has finalizers remaining: a.dev/x in 1 resource instances"}]});
        assert!(held_by(&namespace).expect("going").contains("a.dev/x in 1 resource"));
    }
}
