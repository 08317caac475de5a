//! Autoscalers and disruption budgets.

use super::fields::{Condition, condition, condition_in, count, mark};
use super::report::{degraded, healthy, healthy_but, progressing, suspended};
use super::untouched;
use crate::model::HealthReport;
use serde_json::Value;

/// Where `autoscaling/v1` keeps the conditions of `v2`, as JSON.
const V1_CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// It has to find its target and its metrics. Nothing is final: a target that has just started has no metrics yet.
pub(super) fn autoscaler(object: &Value) -> HealthReport {
    let kept = mark(object, "annotations", V1_CONDITIONS).and_then(|text| serde_json::from_str(text).ok());
    let kept: Option<Value> = kept;
    let of = |kind| condition(object, kind).or_else(|| condition_in(kept.as_ref(), kind, None));
    let Some(able) = of("AbleToScale") else {
        return progressing("the autoscaler has not looked at it yet");
    };
    if able.fails() {
        return degraded(format!("cannot scale: {}", able.sentence()));
    }
    match of("ScalingActive") {
        Some(active) if active.fails() && active.reason == "ScalingDisabled" => {
            suspended("does not scale a target of 0 pods")
        }
        Some(active) if active.fails() => degraded(format!("does not scale: {}", active.sentence())),
        _ => healthy(),
    }
}

/// In force once the controller has counted the pods; that it allows no disruption at the moment is its purpose.
pub(super) fn disruption_budget(object: &Value) -> HealthReport {
    if let Some(report) = untouched(object, "the disruption controller") {
        return report;
    }
    let allowed = condition(object, "DisruptionAllowed");
    if let Some(error) = allowed.filter(|c: &Condition<'_>| c.fails() && c.reason == "SyncFailed") {
        return degraded(format!("is not in force: {}", error.sentence()));
    }
    let (current, wanted) =
        (count(object, "/status/currentHealthy"), count(object, "/status/desiredHealthy"));
    match count(object, "/status/disruptionsAllowed") {
        0 => healthy_but(format!("allows no disruption now ({current} pods healthy, {wanted} needed)")),
        _ => healthy(),
    }
}
