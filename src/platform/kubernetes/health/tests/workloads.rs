use super::{Case, DEGRADED, HEALTHY, PROGRESSING, SUSPENDED, check, with};
use serde_json::{Value, json};

fn deployment(patch: Value) -> Value {
    let settled = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": 4},
        "spec": {"replicas": 3, "progressDeadlineSeconds": 600},
        "status": {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
            "availableReplicas": 3, "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                    "message": "Deployment has minimum availability."},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                    "message": "ReplicaSet \"web-5d\" has successfully progressed."}]}});
    with(settled, patch)
}

#[test]
fn a_deployment_is_healthy_only_when_all_pods_are_updated_and_available_and_no_old_one_is_left() {
    let quota = "pods \"web-5d-x\" is forbidden: exceeded quota: team";
    check([
        (deployment(json!({})), HEALTHY, false, ""),
        (
            deployment(json!({"metadata": {"generation": 5}})),
            PROGRESSING,
            false,
            "its controller has not seen the latest change yet",
        ),
        (
            deployment(json!({"status": null})),
            PROGRESSING,
            false,
            "the controller manager has not looked at it yet",
        ),
        (deployment(json!({"status": {"updatedReplicas": 1}})), PROGRESSING, false, "1 of 3 pods updated"),
        (deployment(json!({"status": {"replicas": 4}})), PROGRESSING, false, "1 of the old pods left to go"),
        (
            deployment(json!({"status": {"availableReplicas": null, "readyReplicas": null}})),
            PROGRESSING,
            false,
            "0 of 3 pods available",
        ),
        (
            deployment(json!({"status": {"availableReplicas": 2, "conditions": [{"type": "Progressing",
                "status": "False", "reason": "ProgressDeadlineExceeded",
                "message": "ReplicaSet \"web-6f\" has timed out progressing."}]}})),
            DEGRADED,
            true,
            "2 of 3 pods available, and no progress for 600 s",
        ),
        (
            deployment(json!({"status": {"updatedReplicas": 0, "conditions": [
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": quota}]}})),
            DEGRADED,
            false,
            "pods cannot be made: pods \"web-5d-x\" is forbidden: exceeded quota: team",
        ),
        (
            deployment(json!({"status": {"updatedReplicas": 0, "conditions": [{"type": "Progressing",
                "status": "False", "reason": "ReplicaSetCreateError", "message": "no"}]}})),
            DEGRADED,
            false,
            "0 of 3 pods updated; no",
        ),
        (
            deployment(json!({"spec": {"paused": true}, "status": {"updatedReplicas": 1}})),
            SUSPENDED,
            false,
            "is paused",
        ),
    ] as [Case; 10]);
}

#[test]
fn a_deployment_of_no_pods_is_healthy_without_counts_and_one_without_a_count_wants_one_pod() {
    let none =
        json!({"replicas": null, "updatedReplicas": null, "readyReplicas": null, "availableReplicas": null});
    check([
        (deployment(json!({"spec": {"replicas": 0}, "status": none})), HEALTHY, false, ""),
        (
            deployment(json!({"spec": {"replicas": null}, "status": none})),
            PROGRESSING,
            false,
            "0 of 1 pods updated",
        ),
    ]);
}

#[test]
fn what_is_being_deleted_is_not_at_rest_and_names_what_holds_it() {
    let deleted = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let held = json!({"metadata": {"finalizers": ["foregroundDeletion", "example.com/keep"]}});
    check([
        (deployment(deleted.clone()), PROGRESSING, false, "is being deleted"),
        (
            deployment(with(deleted, held)),
            PROGRESSING,
            false,
            "is being deleted, held by foregroundDeletion, example.com/keep",
        ),
    ]);
}

fn stateful_set(patch: Value) -> Value {
    let settled = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "generation": 2},
        "spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}},
        "status": {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "currentReplicas": 3, "updatedReplicas": 3, "currentRevision": "db-2", "updateRevision": "db-2",
            "collisionCount": 0}});
    with(settled, patch)
}

#[test]
fn a_stateful_set_is_judged_by_its_update_strategy() {
    let half = json!({"status": {"updatedReplicas": 1, "currentReplicas": 2, "currentRevision": "db-1"}});
    let partition = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}});
    let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}});
    let unready = json!({"status": {"readyReplicas": 2, "availableReplicas": 2}});
    check([
        (stateful_set(json!({})), HEALTHY, false, ""),
        (stateful_set(half.clone()), PROGRESSING, false, "1 of 3 pods updated"),
        (
            stateful_set(with(half.clone(), partition.clone())),
            HEALTHY,
            false,
            "2 pods stay as they were (partition 2)",
        ),
        (
            stateful_set(with(with(half.clone(), partition), json!({"status": {"updatedReplicas": 0}}))),
            PROGRESSING,
            false,
            "0 of 1 pods updated",
        ),
        (
            stateful_set(with(half.clone(), on_delete.clone())),
            HEALTHY,
            false,
            "2 pods stay as they were until somebody deletes them (OnDelete)",
        ),
        (
            stateful_set(with(with(half, on_delete), unready.clone())),
            PROGRESSING,
            false,
            "2 of 3 pods available",
        ),
        (stateful_set(unready), PROGRESSING, false, "2 of 3 pods available"),
        (
            stateful_set(json!({"status": {"currentRevision": "db-1"}})),
            PROGRESSING,
            false,
            "its new revision is not the current one yet",
        ),
        (stateful_set(json!({"status": {"replicas": 4}})), PROGRESSING, false, "1 pods too many"),
        (
            stateful_set(json!({"status": {"observedGeneration": null}})),
            PROGRESSING,
            false,
            "the controller manager has not looked at it yet",
        ),
        // minReadySeconds: ready is not yet available.
        (
            stateful_set(json!({"status": {"availableReplicas": 0}})),
            PROGRESSING,
            false,
            "0 of 3 pods available",
        ),
    ]);
}

#[test]
fn a_daemon_set_is_healthy_when_every_node_that_shall_run_it_does() {
    let daemon_set = |patch| {
        let settled = json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"generation": 1},
            "spec": {"updateStrategy": {"type": "RollingUpdate"}},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
                "updatedNumberScheduled": 2, "numberReady": 2, "numberAvailable": 2, "numberMisscheduled": 0}});
        with(settled, patch)
    };
    let on_delete =
        json!({"spec": {"updateStrategy": {"type": "OnDelete"}}, "status": {"updatedNumberScheduled": 1}});
    check([
        (daemon_set(json!({})), HEALTHY, false, ""),
        (
            daemon_set(json!({"status": {"updatedNumberScheduled": 1}})),
            PROGRESSING,
            false,
            "1 of 2 pods updated",
        ),
        (
            daemon_set(json!({"status": {"numberAvailable": null}})),
            PROGRESSING,
            false,
            "0 of 2 pods available",
        ),
        (
            daemon_set(on_delete),
            HEALTHY,
            false,
            "1 pods stay as they were until somebody deletes them (OnDelete)",
        ),
        (
            daemon_set(json!({"status": {"desiredNumberScheduled": 0}})),
            HEALTHY,
            false,
            "no node is to run it",
        ),
        (
            daemon_set(json!({"status": null})),
            PROGRESSING,
            false,
            "the controller manager has not looked at it yet",
        ),
    ]);
}

#[test]
fn a_replica_set_has_its_pods_available_and_no_other() {
    let replica_set = |patch| {
        let settled = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"generation": 1},
            "spec": {"replicas": 2}, "status": {"observedGeneration": 1, "replicas": 2, "availableReplicas": 2}});
        with(settled, patch)
    };
    let failure = json!({"status": {"availableReplicas": 1, "conditions": [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "denied"}]}});
    check([
        (replica_set(json!({})), HEALTHY, false, ""),
        (
            replica_set(json!({"status": {"availableReplicas": 1}})),
            PROGRESSING,
            false,
            "1 of 2 pods available",
        ),
        (replica_set(failure), DEGRADED, false, "pods cannot be made: denied"),
        (replica_set(json!({"status": {"replicas": 3}})), PROGRESSING, false, "1 pods too many"),
    ]);
}

#[test]
fn a_job_ends_by_its_conditions_and_not_by_counting() {
    let job = |patch| {
        let running = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generation": 1},
            "spec": {"completions": 1, "parallelism": 1, "backoffLimit": 2, "suspend": false},
            "status": {"active": 1, "ready": 1, "startTime": "2026-01-01T00:00:00Z"}});
        with(running, patch)
    };
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({"status": {"active": null, "conditions": [
            {"type": kind, "status": "True", "reason": reason, "message": message}]}})
    };
    let backoff = "Job has reached the specified backoff limit";
    check([
        (job(json!({})), PROGRESSING, false, "0 of 1 completed, 1 running"),
        (job(json!({"status": null})), PROGRESSING, false, "0 of 1 completed, 0 running"),
        (
            job(json!({"status": {"failed": 1}})),
            PROGRESSING,
            false,
            "0 of 1 completed, 1 running, 1 failed (given up after 2 retries)",
        ),
        // Succeeded, but the controller has not said so yet.
        (
            job(json!({"status": {"succeeded": 1, "active": null}})),
            PROGRESSING,
            false,
            "1 of 1 completed, 0 running",
        ),
        (job(condition("Complete", "CompletionsReached", "Reached expected number")), HEALTHY, false, ""),
        (
            job(condition("Failed", "BackoffLimitExceeded", backoff)),
            DEGRADED,
            true,
            "failed: Job has reached the specified backoff limit (BackoffLimitExceeded)",
        ),
        (
            job(condition("FailureTarget", "BackoffLimitExceeded", backoff)),
            PROGRESSING,
            false,
            "is failing: Job has reached the specified backoff limit (BackoffLimitExceeded)",
        ),
        (job(json!({"spec": {"suspend": true}})), SUSPENDED, false, "is suspended"),
    ]);
    let cron = |suspend: bool| json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"suspend": suspend}, "status": {}});
    check([(cron(false), HEALTHY, false, ""), (cron(true), SUSPENDED, false, "is suspended")]);
}
