//! Autoscalers of a slot that does not serve may add pods, but take none away.
//!
//! A candidate with few requests, or a previous version with none, looks idle to its autoscaler, which would leave it with
//! the fewest pods just before the requests come (back). So scaling down is off until the slot serves for good. It is a
//! patch of that one field: which version of the autoscaler the slot has stays as it was.

use crate::engine::Trouble;
use crate::model::{ObjectKey, Slot};
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::slot::{Steered, applied_revision};
use serde_json::{Value, json};

/// Where an autoscaler says whether it scales down.
pub(super) const SCALES_DOWN: &str = "/spec/behavior/scaleDown/selectPolicy";

/// Whether a slot's autoscalers take pods away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScaleDown {
    Off,
    AsWritten,
}

impl Kubernetes {
    /// Sets this for those of the slot's autoscalers that we have made.
    pub(super) async fn set_scale_down(
        &self,
        steered: &Steered<'_>,
        slot: Slot,
        scale_down: ScaleDown,
    ) -> Result<(), Trouble> {
        for (document, key) in steered.documents.carried.iter().zip(steered.carried_keys(slot)) {
            if !is_autoscaler(&key) || document.api_version == "autoscaling/v1" {
                continue;
            }
            let resource = self.resource_of(&key, &document.api_version).await?;
            let live = self.cluster.get(&resource, Some(steered.namespace), &key.name).await?;
            let Some(live) = live.filter(|live| applied_revision(live).is_some()) else { continue };
            let wanted = match scale_down {
                ScaleDown::Off => json!("Disabled"),
                // The API's own default.
                ScaleDown::AsWritten => document.body.pointer(SCALES_DOWN).cloned().unwrap_or(json!("Max")),
            };
            let is_off = live.pointer(SCALES_DOWN) == Some(&json!("Disabled"));
            if is_off == (wanted == "Disabled") {
                continue;
            }
            let patch = json!({"metadata": {"uid": live["metadata"]["uid"]},
                "spec": {"behavior": {"scaleDown": {"selectPolicy": wanted}}}});
            self.cluster.merge_patch(&resource, Some(steered.namespace), &key.name, &patch).await?;
        }
        Ok(())
    }
}

pub(super) fn is_autoscaler(key: &ObjectKey) -> bool {
    key.is("autoscaling", "HorizontalPodAutoscaler")
}

/// What is sent of an autoscaler, without the field that is patched.
pub(super) fn without_hold(sent: &Value) -> Value {
    let mut sent = sent.clone();
    if let Some(fields) = sent.pointer_mut("/spec/behavior/scaleDown").and_then(Value::as_object_mut) {
        fields.shift_remove("selectPolicy");
    }
    sent
}
