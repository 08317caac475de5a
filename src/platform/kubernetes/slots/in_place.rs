//! Changes what is carried along with a slot's Deployment (autoscalers, disruption budgets) where it stands: its pods do
//! not notice, so a new bound of an autoscaler is no new version and takes no rollout.

use super::hold::SCALES_DOWN;
use crate::engine::{Deployment, Rollout, Trouble, TroubleKind};
use crate::model::{ObjectKey, Slot};
use crate::plan::{CARRIED_ALONG, PlanItem};
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::slot::{Part, desired_count};
use serde_json::{Value, json};

/// A slot's copy of a document, as an item of a plan names it.
struct Carried {
    rollout: Rollout,
    slot: Slot,
    key: ObjectKey,
}

impl Kubernetes {
    fn carried(&self, deployment: &Deployment, item: &PlanItem) -> Result<Option<Carried>, Trouble> {
        // Asked of every item, and what follows names the revision of every rollout.
        if !CARRIED_ALONG.contains(&item.kind.as_str()) {
            return Ok(None);
        }
        for rollout in deployment.rollouts() {
            let steered = self.steered(&rollout)?;
            for slot in Slot::BOTH {
                let mut keys = steered.carried_keys(slot).into_iter();
                let found = keys.find(|key| key.to_string() == item.resource);
                if let Some(key) = found {
                    return Ok(Some(Carried { rollout, slot, key }));
                }
            }
        }
        Ok(None)
    }

    /// True for an item about a slot's copy. Nothing waits for one: an autoscaler without metrics never comes to rest, and
    /// the pods serve without it.
    pub(in crate::platform::kubernetes) fn is_about_carried(
        &self,
        deployment: &Deployment,
        item: &PlanItem,
    ) -> Result<bool, Trouble> {
        Ok(self.carried(deployment, item)?.is_some())
    }

    /// Applies a slot's copy; false if the item is about something else.
    pub(in crate::platform::kubernetes) async fn apply_carried(
        &self,
        deployment: &Deployment,
        item: &PlanItem,
    ) -> Result<bool, Trouble> {
        let Some(Carried { rollout, slot, key, .. }) = self.carried(deployment, item)? else {
            return Ok(false);
        };
        let steered = self.steered(&rollout)?;
        let live = self.live_slots(&steered).await?;
        let live = live.get(slot);
        let Some(workload) = &live.deployment else {
            let message = "the slot's Deployment is not there any more".into();
            return Err(Trouble { kind: TroubleKind::LookAgain, doing: format!("apply {key}"), message });
        };
        let parts = steered.parts(slot, live, desired_count(workload));
        let Some(mut part) = parts.into_iter().find(|part| part.key == key) else { return Ok(false) };
        keep_hold(&mut part);
        self.apply_part(&steered, &part).await?;
        Ok(true)
    }
}

/// Whether an autoscaler takes pods away is the rollout's to say.
fn keep_hold(part: &mut Part<'_>) {
    let is_held = part.live.is_some_and(|live| live.pointer(SCALES_DOWN) == Some(&json!("Disabled")));
    if let Some(policy) = part.body.pointer_mut(SCALES_DOWN).filter(|_| is_held) {
        *policy = Value::from("Disabled");
    }
}
