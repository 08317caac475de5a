//! Kinds that the program does not know, by the conditions that controllers agree on.

use super::fields::{condition, flag};
use super::report::{degraded, failed, healthy, progressing, suspended};
use crate::model::HealthReport;
use serde_json::Value;

/// `Stalled` ends it, `Reconciling` is under way, then `Ready` or, without it, `Available` decides. `Ready: False` alone
/// is no failure: most controllers begin with it. Without a status, or with one that has none of these, there is nothing
/// to wait for that could be known to come.
pub(super) fn by_conditions(object: &Value) -> HealthReport {
    let of = |kind| condition(object, kind);
    if let Some(stalled) = of("Stalled").filter(|c| c.holds()) {
        return failed(format!("is stalled: {}", stalled.sentence()));
    }
    if flag(object, "/spec/suspend") || flag(object, "/spec/paused") {
        return suspended("is suspended");
    }
    if let Some(going_on) = of("Reconciling").filter(|c| c.holds()) {
        return progressing(going_on.sentence());
    }
    if let Some(bad) = of("Degraded").filter(|c| c.holds()) {
        return degraded(bad.sentence());
    }
    match of("Ready").or_else(|| of("Available")) {
        Some(ready) if ready.is_old => progressing("its controller has not seen the latest change yet"),
        Some(ready) if ready.status != "True" => {
            let sentence = ready.sentence();
            progressing(if sentence.is_empty() { "is not ready yet".into() } else { sentence })
        }
        _ => healthy(),
    }
}
