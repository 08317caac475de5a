use super::super::waits_for_first_pod;
use super::{DEGRADED, HEALTHY, PROGRESSING, check, with};
use serde_json::{Value, json};

fn claim(patch: Value) -> Value {
    let pending = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"storageClassName": "gp3", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Pending"}});
    with(pending, patch)
}

fn provisioned() -> Value {
    json!({"metadata": {"annotations": {"volume.kubernetes.io/storage-provisioner": "ebs.csi.aws.com"}}})
}

#[test]
fn a_claim_is_at_rest_when_it_is_bound() {
    let bound = |kind: &str| {
        json!({"status": {"phase": "Bound", "conditions": [
            {"type": kind, "status": "True", "message": "why"}]}})
    };
    check([
        (claim(json!({})), PROGRESSING, false, "is not bound yet (storage class gp3)"),
        (
            claim(json!({"spec": {"storageClassName": ""}})),
            PROGRESSING,
            false,
            "is not bound yet, and without a storage class only an existing volume can be",
        ),
        (claim(provisioned()), PROGRESSING, false, "its volume is being provisioned"),
        (claim(json!({"status": {"phase": "Bound"}})), HEALTHY, false, ""),
        (claim(bound("Resizing")), PROGRESSING, false, "is being resized"),
        (
            claim(bound("FileSystemResizePending")),
            HEALTHY,
            false,
            "its file system grows when a pod mounts it the next time",
        ),
        (claim(bound("ControllerResizeError")), DEGRADED, false, "cannot be resized: why"),
        (
            claim(json!({"status": {"phase": "Lost"}})),
            DEGRADED,
            true,
            "the volume that it was bound to is gone",
        ),
    ]);
}

#[test]
fn a_claim_that_waits_for_its_first_pod_is_not_waited_for() {
    let selected = json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}});
    for (object, mode, waits) in [
        (claim(json!({})), Some("WaitForFirstConsumer"), true),
        (claim(json!({})), None, true),
        (claim(json!({})), Some("Immediate"), false),
        (claim(json!({"status": null})), Some("WaitForFirstConsumer"), true),
        (claim(selected), Some("WaitForFirstConsumer"), false),
        (claim(provisioned()), Some("WaitForFirstConsumer"), false),
        (claim(json!({"status": {"phase": "Lost"}})), Some("WaitForFirstConsumer"), false),
    ] {
        assert_eq!(waits_for_first_pod(&object, mode), waits, "{object} {mode:?}");
    }
}

#[test]
fn a_volume_is_judged_by_its_phase() {
    let volume = |phase: &str| json!({"apiVersion": "v1", "kind": "PersistentVolume", "status": {"phase": phase, "message": "in use"}});
    check([
        (volume("Available"), HEALTHY, false, ""),
        (volume("Bound"), HEALTHY, false, ""),
        (volume("Pending"), PROGRESSING, false, "is not available yet"),
        (volume("Failed"), DEGRADED, false, "reclaiming it failed: in use"),
        (volume("Released"), HEALTHY, false, "its claim is gone; spec.claimRef keeps others from binding it"),
    ]);
}
