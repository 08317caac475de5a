//! Autoscalers, budgets, the API's own machinery, and kinds that nobody here knows.

use super::{DEGRADED, HEALTHY, PROGRESSING, SUSPENDED, check, with};
use serde_json::{Value, json};

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message})
}

#[test]
fn an_autoscaler_has_to_find_its_target_and_its_metrics() {
    let scaler = |conditions: Value| json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "status": {"conditions": conditions}});
    let able = condition("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size");
    let active = |status: &str, reason: &str| condition("ScalingActive", status, reason, "why");
    check([
        (scaler(json!(null)), PROGRESSING, false, "the autoscaler has not looked at it yet"),
        (scaler(json!([able, active("True", "ValidMetricFound")])), HEALTHY, false, ""),
        (
            scaler(json!([able, active("False", "FailedGetResourceMetric")])),
            DEGRADED,
            false,
            "does not scale: why",
        ),
        (
            scaler(json!([able, active("False", "ScalingDisabled")])),
            SUSPENDED,
            false,
            "does not scale a target of 0 pods",
        ),
        (
            scaler(json!([condition(
                "AbleToScale",
                "False",
                "FailedGetScale",
                "deployments \"web\" not found"
            )])),
            DEGRADED,
            false,
            "cannot scale: deployments \"web\" not found",
        ),
    ]);
    let kept = json!([able, active("False", "FailedGetResourceMetric")]).to_string();
    check([(
        json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "status": {"currentReplicas": 1},
            "metadata": {"annotations": {"autoscaling.alpha.kubernetes.io/conditions": kept}}}),
        DEGRADED,
        false,
        "does not scale: why",
    )]);
}

#[test]
fn a_budget_that_allows_nothing_is_in_force_all_the_same() {
    let budget = |patch| {
        let base = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"generation": 1},
            "status": {"observedGeneration": 1, "currentHealthy": 2, "desiredHealthy": 2, "disruptionsAllowed": 0}});
        with(base, patch)
    };
    check([
        (budget(json!({})), HEALTHY, false, "allows no disruption now (2 pods healthy, 2 needed)"),
        (budget(json!({"status": {"disruptionsAllowed": 1}})), HEALTHY, false, ""),
        (
            budget(json!({"status": {"observedGeneration": null}})),
            PROGRESSING,
            false,
            "the disruption controller has not looked at it yet",
        ),
        (
            budget(
                json!({"status": {"conditions": [condition("DisruptionAllowed", "False", "SyncFailed", "no scale")]}}),
            ),
            DEGRADED,
            false,
            "is not in force: no scale",
        ),
    ]);
}

#[test]
fn a_namespace_that_goes_says_what_is_left_in_it() {
    let namespace =
        |patch| with(json!({"apiVersion": "v1", "kind": "Namespace", "status": {"phase": "Active"}}), patch);
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Terminating",
        "conditions": [condition("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances")]}});
    check([
        (namespace(json!({})), HEALTHY, false, ""),
        (
            namespace(going),
            PROGRESSING,
            false,
            "is being deleted: Some content in the namespace has finalizers remaining: example.com/keep in 1 resource \
             instances",
        ),
    ]);
}

#[test]
fn a_definition_is_established_with_its_names_accepted() {
    let definition = |conditions: Value| {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "status": {"conditions": conditions}})
    };
    let accepted = condition("NamesAccepted", "True", "NoConflicts", "no conflicts found");
    check([
        (definition(json!(null)), PROGRESSING, false, "is not established yet"),
        (
            definition(json!([accepted, condition("Established", "False", "Installing", "")])),
            PROGRESSING,
            false,
            "is not established yet",
        ),
        (
            definition(json!([accepted, condition("Established", "True", "InitialNamesAccepted", "")])),
            HEALTHY,
            false,
            "",
        ),
        (
            definition(json!([
                condition("NamesAccepted", "False", "PluralConflict", "\"shops\" is already in use"),
                condition("Established", "False", "NotAccepted", "")
            ])),
            DEGRADED,
            true,
            "its names are not accepted: \"shops\" is already in use",
        ),
    ]);
}

#[test]
fn an_aggregated_api_waits_for_the_pods_behind_it() {
    let service = |conditions: Value| json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "status": {"conditions": conditions}});
    check([
        (service(json!([condition("Available", "True", "Passed", "all checks passed")])), HEALTHY, false, ""),
        (
            service(json!([condition(
                "Available",
                "False",
                "MissingEndpoints",
                "endpoints have no addresses"
            )])),
            PROGRESSING,
            false,
            "is not available: endpoints have no addresses",
        ),
        (service(json!(null)), PROGRESSING, false, "is not available yet"),
    ]);
}

#[test]
fn an_unknown_kind_is_judged_by_the_conditions_controllers_agree_on() {
    let custom = |conditions: Value| {
        json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"generation": 2},
            "status": {"conditions": conditions}})
    };
    let old = json!({"type": "Ready", "status": "True", "observedGeneration": 1});
    check([
        (custom(json!([condition("Ready", "True", "Ready", "")])), HEALTHY, false, ""),
        (
            custom(json!([condition(
                "Ready",
                "False",
                "DoesNotExist",
                "Issuing certificate as Secret does not exist"
            )])),
            PROGRESSING,
            false,
            "Issuing certificate as Secret does not exist",
        ),
        (custom(json!([old])), PROGRESSING, false, "its controller has not seen the latest change yet"),
        (
            custom(json!([
                condition("Reconciling", "True", "Progressing", "building"),
                condition("Ready", "True", "", "")
            ])),
            PROGRESSING,
            false,
            "building",
        ),
        (
            custom(json!([
                condition("Stalled", "True", "InvalidURL", "bad URL"),
                condition("Ready", "False", "", "")
            ])),
            DEGRADED,
            true,
            "is stalled: bad URL",
        ),
        (custom(json!([condition("Available", "False", "", "")])), PROGRESSING, false, "is not ready yet"),
        (
            custom(json!([condition("Degraded", "True", "", "lost a member")])),
            DEGRADED,
            false,
            "lost a member",
        ),
        (custom(json!([condition("Synced", "True", "", "")])), HEALTHY, false, ""),
        (json!({"apiVersion": "example.com/v1", "kind": "Thing"}), HEALTHY, false, ""),
        (
            json!({"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"suspend": true},
                "status": {"conditions": [condition("Ready", "False", "", "")]}}),
            SUSPENDED,
            false,
            "is suspended",
        ),
        (
            json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"generation": 2},
                "status": {"observedGeneration": 1, "conditions": [condition("Ready", "True", "", "")]}}),
            PROGRESSING,
            false,
            "its controller has not seen the latest change yet",
        ),
    ]);
}

#[test]
fn what_has_no_status_of_interest_is_what_it_says() {
    for (version, kind) in [
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "ServiceAccount"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ] {
        check([(
            json!({"apiVersion": version, "kind": kind, "metadata": {"generation": 1}}),
            HEALTHY,
            false,
            "",
        )]);
    }
    check([(json!(null), HEALTHY, false, ""), (json!({"kind": 7, "status": []}), HEALTHY, false, "")]);
}

#[test]
fn an_application_is_well_once_its_controller_says_so_of_the_present_spec() {
    let child = |generation: u64, conditions: Value| {
        json!({"apiVersion": "cutover.dev/v1alpha1", "kind": "Application", "metadata": {"generation": 2},
            "spec": {"source": {"targetRevision": "main"}},
            "status": {"observedGeneration": generation, "revision": "abc", "conditions": conditions}})
    };
    let ready = |status: &str, reason: &str| condition("Ready", status, reason, "why");
    let stalled = condition("Stalled", "True", "InvalidDocuments", "why");
    let pinned = json!({"spec": {"source": {"targetRevision": "c".repeat(40)}}});
    check([
        (
            with(child(2, json!([])), json!({"status": null})),
            PROGRESSING,
            false,
            "no controller has looked at it as it is now",
        ),
        (
            child(1, json!([ready("True", "Synced")])),
            PROGRESSING,
            false,
            "its controller has not seen the latest change yet",
        ),
        (child(2, json!([])), PROGRESSING, false, "its controller has not judged it yet"),
        (child(2, json!([ready("True", "Synced")])), HEALTHY, false, ""),
        (child(2, json!([ready("Unknown", "Progressing")])), PROGRESSING, false, "Progressing: why"),
        (child(2, json!([ready("False", "Suspended")])), SUSPENDED, false, "is suspended"),
        (
            child(2, json!([ready("False", "InvalidDocuments"), stalled])),
            DEGRADED,
            true,
            "InvalidDocuments: why",
        ),
        (child(2, json!([ready("False", "RolloutFailed")])), DEGRADED, true, "RolloutFailed: why"),
        (
            with(child(2, json!([ready("True", "Synced")])), pinned.clone()),
            PROGRESSING,
            false,
            "the commit that it names is not synced yet",
        ),
        (
            with(
                child(2, json!([ready("True", "Synced")])),
                with(pinned, json!({"status": {"revision": "c".repeat(40)}})),
            ),
            HEALTHY,
            false,
            "",
        ),
    ]);
}
