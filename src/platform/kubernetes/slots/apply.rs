//! Applies one object of a slot.

use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::{Apply, FIELD_MANAGER, Refusal};
use crate::plan::{FieldConflict, WouldBe};
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::live::refused;
use crate::platform::kubernetes::slot::{Part, Steered};
use crate::platform::kubernetes::takeover::{Spot, Takeover, due};
use serde_json::Value;

impl Kubernetes {
    /// True if fields of others are taken without asking.
    pub(super) fn takes_fields(&self, steered: &Steered<'_>, part: &Part<'_>) -> bool {
        self.forces(steered.documents.force_conflicts || part.is_taken_over, part.live)
    }

    /// The takeover that goes before an apply of the part.
    ///
    /// # Errors
    /// A sentence if a former manager still writes.
    pub(super) fn takeover_of(
        &self,
        steered: &Steered<'_>,
        part: &Part<'_>,
    ) -> Result<Option<Takeover>, String> {
        let takes_all = self.takes_all(steered.documents.force_conflicts || part.is_taken_over);
        match due(part.live, &part.body, &part.left_alone, takes_all) {
            Err(_) if self.takes_fields(steered, part) => Ok(None),
            other => other,
        }
    }

    /// Brings a part to what is wanted. What is live must still be as it was read: it was decided upon.
    pub(super) async fn apply_part(&self, steered: &Steered<'_>, part: &Part<'_>) -> Result<Value, Trouble> {
        let doing = format!("apply {}", part.key);
        if part.live.is_some_and(|live| live.pointer("/metadata/deletionTimestamp").is_some()) {
            let message = "it is being deleted, and is made anew when it is gone".into();
            return Err(Trouble { kind: TroubleKind::Transient, doing, message });
        }
        let resource = self.resource_of(&part.key, &part.api_version).await?;
        self.inventory.widen(&self.cluster, &self.identity, &part.key).await?;
        let mut body = part.body.clone();
        if let Some(live) = part.live {
            for field in ["uid", "resourceVersion"] {
                body["metadata"][field] = live["metadata"][field].clone();
            }
        }
        let forces = self.takes_fields(steered, part);
        let takeover = self.takeover_of(steered, part);
        let takeover = takeover.map_err(|message| Trouble {
            kind: TroubleKind::Rejected,
            doing: doing.clone(),
            message,
        })?;
        if let (Some(live), Some(takeover)) = (part.live, &takeover) {
            let spot = Spot { resource: &resource, namespace: Some(steered.namespace) };
            let taken = self.take_over(spot, live, takeover).await?;
            body["metadata"]["resourceVersion"] = taken["metadata"]["resourceVersion"].clone();
        }
        let apply = async |force| {
            self.cluster
                .apply(&resource, Some(steered.namespace), &body, Apply { force, dry_run: false })
                .await
        };
        let applied = match apply(forces).await {
            Err(Refusal::Conflicts(conflicts)) if conflicts.iter().all(is_yielding) => apply(true).await,
            other => other,
        };
        applied.map_err(|refusal| match refusal {
            Refusal::Invalid { message, fields } => {
                let message = match part.document.map(|document| refused(document, &message, &fields)) {
                    Some(WouldBe::Refused { message, .. }) => message,
                    _ => message,
                };
                Trouble { kind: TroubleKind::Rejected, doing: doing.clone(), message }
            }
            other => other.into_trouble(&doing),
        })
    }
}

/// True for a field that we take without being told to: one that a patch of our own made, and the number of replicas,
/// which the machine decides on.
pub(super) fn is_yielding(conflict: &FieldConflict) -> bool {
    conflict.manager == FIELD_MANAGER || conflict.field == ".spec.replicas"
}
