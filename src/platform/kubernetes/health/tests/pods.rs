use super::super::{Moment, Reasons, last_warning, reasons, timestamp};
use super::{DEGRADED, HEALTHY, PROGRESSING, check, with};
use crate::model::Timestamp;
use serde_json::{Value, json};

fn pod(name: &str, patch: Value) -> Value {
    let starting = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"kind": "ReplicaSet", "uid": "set"}]},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "app", "image": "registry.local/shop:2"}]},
        "status": {"phase": "Pending", "startTime": "2026-01-01T00:00:01Z", "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady",
                "message": "containers with unready status: [app]"}]}});
    with(starting, patch)
}

fn container(state: Value) -> Value {
    with(
        json!({"status": {"containerStatuses": [{"name": "app", "ready": false, "restartCount": 0, "state": {}}]}}),
        json!({"status": {"containerStatuses": [state]}}),
    )
}

fn waiting(reason: &str, message: &str, restarts: u64) -> Value {
    container(json!({"name": "app", "ready": false, "restartCount": restarts,
        "state": {"waiting": {"reason": reason, "message": message}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
            "finishedAt": "2026-01-01T01:00:00Z", "message": "password=s3cret"}}}))
}

fn after(seconds: u64) -> Timestamp {
    Timestamp(timestamp("2026-01-01T00:00:01Z").expect("a time").0 + seconds)
}

fn told(pods: &[Value], events: &[Value], now: Timestamp) -> Reasons {
    told_since(Timestamp(0), pods, events, now)
}

fn told_since(since: Timestamp, pods: &[Value], events: &[Value], now: Timestamp) -> Reasons {
    reasons(&pods.iter().collect::<Vec<_>>(), &["set"], events, Moment { now, since })
}

const NOT_FOUND: &str =
    "Back-off pulling image: ErrImagePull: rpc error: code = NotFound desc = https://x?sig=s3cret: not found";

#[test]
fn each_trouble_of_a_container_is_said_and_given_up_in_its_time() {
    let missing_key = "couldn't find key password in Secret shop/db";
    let root = "container has runAsNonRoot and image will run as root (pod: \"web\", container: app)";
    for (reason, message, restarts, at, text, is_final) in [
        ("InvalidImageName", "", 0, 0, "registry.local/shop:2 is no image name (container app)", true),
        (
            "ImagePullBackOff",
            NOT_FOUND,
            0,
            59,
            "image registry.local/shop:2 of container app cannot be pulled: it does not exist",
            false,
        ),
        (
            "ImagePullBackOff",
            NOT_FOUND,
            0,
            60,
            "image registry.local/shop:2 of container app cannot be pulled: it does not exist",
            true,
        ),
        (
            "ErrImagePull",
            "i/o timeout",
            0,
            599,
            "image registry.local/shop:2 of container app cannot be pulled: the registry cannot be reached",
            false,
        ),
        (
            "ErrImagePull",
            "i/o timeout",
            0,
            600,
            "image registry.local/shop:2 of container app cannot be pulled: the registry cannot be reached",
            true,
        ),
        (
            "ErrImageNeverPull",
            "",
            0,
            0,
            "image registry.local/shop:2 of container app is not on the node and may not be pulled",
            true,
        ),
        (
            "CrashLoopBackOff",
            "back-off 5m0s",
            4,
            9_999,
            "container app keeps crashing: exit code 137 (OOMKilled), 4 restarts",
            false,
        ),
        (
            "CrashLoopBackOff",
            "back-off 5m0s",
            5,
            0,
            "container app keeps crashing: exit code 137 (OOMKilled), 5 restarts",
            true,
        ),
        (
            "CreateContainerConfigError",
            "secret \"db\" not found",
            0,
            9_999,
            "container app cannot be set up: secret \"db\" not found",
            false,
        ),
        (
            "CreateContainerConfigError",
            missing_key,
            0,
            9_999,
            "container app cannot be set up: couldn't find key password in Secret shop/db",
            false,
        ),
        ("CreateContainerConfigError", "env X=s3cret", 0, 9_999, "container app cannot be set up", false),
        (
            "RunContainerError",
            "exec: \"/bin/x --token=s3cret\": executable file not found in $PATH",
            1,
            0,
            "container app cannot be started: its command is not in the image, 1 restart",
            false,
        ),
    ] {
        let found = told(&[pod("web-1", waiting(reason, message, restarts))], &[], after(at));
        let want = Reasons { sentences: vec![format!("pod web-1: {text}")], is_final };
        assert_eq!(found, want, "{reason} after {at} s");
    }
    assert!(told(&[pod("web-1", waiting("CreateContainerConfigError", root, 0))], &[], after(0)).is_final);
    assert_eq!(
        told(&[pod("web-1", waiting("ContainerCreating", "", 0))], &[], after(9_999)),
        Reasons::default()
    );
}

#[test]
fn what_went_wrong_before_the_wait_is_not_held_against_it() {
    let crashing = [pod("web-1", waiting("CrashLoopBackOff", "", 9))];
    for (since, is_final) in [(3_599, true), (3_601, false)] {
        assert_eq!(
            told_since(after(since - 1), &crashing, &[], after(9_999)).is_final,
            is_final,
            "since {since}"
        );
    }
    let unpulled = [pod("web-1", waiting("ImagePullBackOff", NOT_FOUND, 0))];
    for (now, is_final) in [(559, false), (560, true)] {
        assert_eq!(told_since(after(500), &unpulled, &[], after(now)).is_final, is_final, "at {now}");
    }
    let hopeless = [pod("web-1", waiting("InvalidImageName", "", 0))];
    assert!(told_since(after(500), &hopeless, &[], after(500)).is_final);
}

#[test]
fn the_same_trouble_of_several_pods_is_said_once_the_final_one_first() {
    let mut pods: Vec<Value> =
        (1..=3).map(|n| pod(&format!("web-{n}"), waiting("CrashLoopBackOff", "", n))).collect();
    pods.push(pod("web-4", waiting("InvalidImageName", "", 0)));
    assert_eq!(
        told(&pods, &[], after(0)),
        Reasons {
            sentences: vec![
                "pod web-4: registry.local/shop:2 is no image name (container app)".into(),
                "3 pods: container app keeps crashing: exit code 137 (OOMKilled), 3 restarts".into(),
            ],
            is_final: true,
        }
    );
}

#[test]
fn a_job_decides_itself_how_often_its_pods_may_crash() {
    let of_job = json!({"metadata": {"ownerReferences": [{"kind": "Job", "uid": "j"}]}});
    let crashing = with(pod("load-1", waiting("CrashLoopBackOff", "", 9)), of_job.clone());
    assert!(!told(&[crashing], &[], after(0)).is_final);
    let ended = container(
        json!({"name": "load", "restartCount": 0, "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}),
    );
    let failed = with(with(pod("load-2", ended), of_job), json!({"status": {"phase": "Failed"}}));
    assert_eq!(
        told(&[failed], &[], after(0)).sentences,
        ["pod load-2: container load ended: exit code 3 (Error)"]
    );
}

#[test]
fn pods_that_go_or_have_ended_well_are_no_trouble() {
    let going = with(
        pod("a", waiting("InvalidImageName", "", 0)),
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    );
    let done = with(pod("b", json!({})), json!({"status": {"phase": "Succeeded"}}));
    assert_eq!(told(&[going, done], &[], after(9_999)), Reasons::default());
}

#[test]
fn the_schedulers_sentence_is_passed_on_and_an_evicted_pod_says_why() {
    let unscheduled = json!({"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu."}]}});
    let evicted = json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}});
    let found = told(&[pod("a", unscheduled), pod("b", evicted)], &[], after(9_999));
    assert!(!found.is_final);
    assert_eq!(
        found.sentences,
        [
            "pod b: Evicted: The node was low on resource: memory",
            "pod a: cannot be scheduled: 0/3 nodes are available: 3 Insufficient cpu",
        ]
    );
}

#[test]
fn a_closed_readiness_gate_is_named_once_the_containers_are_ready() {
    let gate = "target-health.elbv2.k8s.aws/k8s-web";
    let gated = json!({"spec": {"readinessGates": [{"conditionType": gate}]}, "status": {"phase": "Running",
        "conditions": [{"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": "False"}]}});
    assert_eq!(
        told(&[pod("a", gated)], &[], after(0)).sentences,
        ["pod a: waits for readiness gate target-health.elbv2.k8s.aws/k8s-web"]
    );
}

fn event(uid: &str, reason: &str, message: &str, at: &str) -> Value {
    json!({"type": "Warning", "reason": reason, "message": message, "lastTimestamp": at,
        "involvedObject": {"kind": "Pod", "uid": uid, "fieldPath": "spec.containers{app}"}})
}

#[test]
fn events_tell_what_no_status_does_and_only_recent_ones_of_these_pods() {
    let running = json!({"status": {"phase": "Running", "containerStatuses": [
        {"name": "app", "ready": false, "restartCount": 0, "state": {"running": {}}}]}});
    let unhealthy = "Readiness probe failed: HTTP probe failed with statuscode: 503";
    let quota = "Error creating: pods \"web-9\" is forbidden: exceeded quota: team, requested: pods=1";
    let events = [
        event("a", "Unhealthy", unhealthy, "2026-01-01T00:05:00Z"),
        event(
            "b",
            "FailedMount",
            "MountVolume.SetUp failed for volume \"tls\" : secret \"tls\" not found",
            "2026-01-01T00:05:00Z",
        ),
        event("other", "Unhealthy", unhealthy, "2026-01-01T00:05:00Z"),
        event("set", "FailedCreate", quota, "2026-01-01T00:05:00Z"),
        event("a", "FailedMount", "old", "2025-12-31T23:00:00Z"),
        event("a", "Pulled", "s3cret", "2026-01-01T00:05:00Z"),
    ];
    let found = told(&[pod("a", running), pod("b", json!({}))], &events, after(300));
    assert!(!found.is_final);
    assert_eq!(
        found.sentences,
        [
            "pod a: readiness probe fails: HTTP 503 (container app)",
            "pod b: volume tls: secret tls not found",
            "pods cannot be made: exceeded quota: team, requested: pods=1",
        ]
    );
}

#[test]
fn the_newest_warning_about_an_object_is_told() {
    let events = [
        event("pvc", "ProvisioningFailed", "no driver\n", "2026-01-01T00:05:00Z"),
        event("pvc", "ProvisioningFailed", "older", "2026-01-01T00:04:00Z"),
        event("other", "Failed", "other", "2026-01-01T00:06:00Z"),
    ];
    assert_eq!(last_warning(&events, "pvc", after(300)).as_deref(), Some("ProvisioningFailed: no driver"));
    assert_eq!(last_warning(&events, "pvc", after(9_999)), None);
    assert_eq!(last_warning(&events, "none", after(300)), None);
}

#[test]
fn an_older_kubelets_pull_error_is_read_from_its_event() {
    let events =
        [event("a", "Failed", "Failed to pull image \"x\": manifest unknown", "2026-01-01T00:01:00Z")];
    let found =
        told(&[pod("a", waiting("ImagePullBackOff", "Back-off pulling image \"x\"", 0))], &events, after(60));
    assert!(found.is_final);
    assert!(found.sentences[0].ends_with("cannot be pulled: it does not exist"), "{:?}", found.sentences);
}

#[test]
fn nothing_secret_and_nothing_endless_gets_into_a_sentence() {
    let many: Vec<Value> =
        (0..50).map(|n| pod(&format!("p{n}"), waiting(&format!("Strange{n}"), "s3cret", 0))).collect();
    let found = told(&many, &[], after(0));
    assert_eq!(found.sentences.len(), 6);
    assert_eq!(found.sentences[5], "and 45 more");
    let hostile = pod("p", waiting(&"x".repeat(1_000_000), "", 0));
    let all = format!("{:?}{:?}", found.sentences, told(&[hostile], &[], after(0)));
    assert!(!all.contains("s3cret") && all.len() < 2_000, "{all}");
}

#[test]
fn a_pod_by_itself_is_ready_has_ended_well_or_has_failed() {
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let once = json!({"spec": {"restartPolicy": "Never"}});
    let failed =
        container(json!({"name": "app", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}));
    check([
        (pod("a", ready.clone()), HEALTHY, false, ""),
        (pod("a", with(ready, once)), PROGRESSING, false, "has not ended yet"),
        (pod("a", json!({})), PROGRESSING, false, "containers with unready status: [app]"),
        (pod("a", json!({"status": {"phase": "Succeeded"}})), HEALTHY, false, ""),
        (
            with(pod("a", failed), json!({"status": {"phase": "Failed"}})),
            DEGRADED,
            true,
            "container app ended: exit code 2 (Error)",
        ),
        (
            pod("a", waiting("InvalidImageName", "", 0)),
            DEGRADED,
            true,
            "registry.local/shop:2 is no image name (container app)",
        ),
        (
            pod("a", waiting("ImagePullBackOff", NOT_FOUND, 0)),
            PROGRESSING,
            false,
            "image registry.local/shop:2 of container app cannot be pulled: it does not exist",
        ),
    ]);
}
