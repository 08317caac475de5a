//! Claims and volumes.

use super::fields::{condition, mark, text};
use super::report::{degraded, failed, healthy, healthy_but, progressing};
use crate::model::HealthReport;
use serde_json::Value;

/// A pending claim is judged without its storage class here; see [`waits_for_first_pod`].
pub(super) fn claim(object: &Value) -> HealthReport {
    match text(object, "/status/phase") {
        Some("Bound") => bound(object),
        Some("Lost") => failed("the volume that it was bound to is gone"),
        _ if is_being_provisioned(object) => progressing("its volume is being provisioned"),
        _ => match text(object, "/spec/storageClassName") {
            Some(class) => progressing(format!("is not bound yet (storage class {class})")),
            None => {
                progressing("is not bound yet, and without a storage class only an existing volume can be")
            }
        },
    }
}

fn bound(object: &Value) -> HealthReport {
    let holds = |kind| condition(object, kind).filter(|c| c.holds());
    if let Some(error) = holds("ControllerResizeError").or_else(|| holds("NodeResizeError")) {
        return degraded(format!("cannot be resized: {}", error.sentence()));
    }
    if holds("FileSystemResizePending").is_some() {
        // Some drivers resize under a running pod, others when the next one starts; neither is awaited here.
        return healthy_but("its file system grows when a pod mounts it the next time");
    }
    if holds("Resizing").is_some() {
        return progressing("is being resized");
    }
    healthy()
}

/// Set by the volume binder when it asks a driver for a volume, not before.
fn is_being_provisioned(object: &Value) -> bool {
    ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"]
        .iter()
        .any(|key| mark(object, "annotations", key).is_some())
}

/// True for a claim that stays pending until a pod uses it, which is no reason to wait: the pods come in a later turn
/// of the sync, and wait for it themselves. `binding_mode` is its storage class's `volumeBindingMode`; `None` if the
/// class could not be read. Then, too, it is not waited for, since that might never end.
pub fn waits_for_first_pod(object: &Value, binding_mode: Option<&str>) -> bool {
    text(object, "/status/phase").is_none_or(|phase| phase == "Pending")
        && mark(object, "annotations", "volume.kubernetes.io/selected-node").is_none()
        && !is_being_provisioned(object)
        && binding_mode != Some("Immediate")
}

pub(super) fn volume(object: &Value) -> HealthReport {
    match text(object, "/status/phase") {
        Some("Available" | "Bound") => healthy(),
        Some("Released") => healthy_but("its claim is gone; spec.claimRef keeps others from binding it"),
        Some("Failed") => degraded(format!(
            "reclaiming it failed: {}",
            text(object, "/status/message").unwrap_or("no reason given")
        )),
        _ => progressing("is not available yet"),
    }
}
