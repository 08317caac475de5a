//! The Gateway API: classes, gateways and routes.

use super::fields::{Condition, clean, condition, condition_in, items, number, text};
use super::report::{degraded, healthy, progressing};
use crate::model::HealthReport;
use serde_json::Value;

pub(super) fn gateway_class(object: &Value) -> HealthReport {
    match condition(object, "Accepted") {
        Some(accepted) if accepted.holds() => healthy(),
        Some(accepted) if accepted.fails() => refused(&accepted),
        _ => progressing("no controller has accepted it yet"),
    }
}

/// Accepted, and programmed into a data plane (`Ready` with older controllers).
pub(super) fn gateway(object: &Value) -> HealthReport {
    let class = clean(text(object, "/spec/gatewayClassName").unwrap_or_default());
    match condition(object, "Accepted") {
        Some(accepted) if accepted.fails() => return refused(&accepted),
        Some(accepted) if accepted.holds() => {}
        _ => return progressing(format!("no controller of class {class} has accepted it yet")),
    }
    match condition(object, "Programmed").or_else(|| condition(object, "Ready")) {
        Some(programmed) if programmed.holds() => healthy(),
        // False while addresses are assigned, too.
        Some(programmed) if programmed.fails() => progressing(programmed.sentence()),
        _ => progressing("is not programmed yet"),
    }
}

/// Every gateway it names has to accept it and to resolve its backends. Several controllers may speak for one parent;
/// one that accepts is enough. Nothing is final: the gateway, the backend or the grant may come.
pub(super) fn route(object: &Value) -> HealthReport {
    let generation = number(object, "/metadata/generation");
    for parent in items(object, "/spec/parentRefs") {
        let name = clean(text(parent, "/name").unwrap_or_default());
        let mut worst = progressing(format!("gateway {name} has not taken it up yet"));
        let mut is_taken = false;
        for said in items(object, "/status/parents").filter(|said| speaks_of(said, parent)) {
            let of = |kind| condition_in(said.get("conditions"), kind, generation);
            match of("Accepted") {
                Some(accepted) if accepted.holds() => is_taken = true,
                Some(accepted) if accepted.fails() => worst = at(&name, &accepted),
                _ => continue,
            }
            if let Some(resolved) = of("ResolvedRefs").filter(Condition::fails) {
                return at(&name, &resolved);
            }
        }
        if !is_taken {
            return worst;
        }
    }
    healthy()
}

/// Whether an element of `status.parents` is about this element of `spec.parentRefs`.
fn speaks_of(said: &Value, parent: &Value) -> bool {
    let of = |value: &Value, field: &str| value.get(field).cloned();
    let Some(told) = said.get("parentRef") else { return false };
    let same = |field: &str| match (of(parent, field), of(told, field)) {
        (Some(wanted), Some(told)) => wanted == told,
        // Defaults (group, kind, the route's own namespace) may be written on one side only.
        _ => true,
    };
    ["group", "kind", "namespace", "name"].into_iter().all(same)
        && ["sectionName", "port"].into_iter().all(|field| of(parent, field) == of(told, field))
}

fn at(gateway: &str, condition: &Condition<'_>) -> HealthReport {
    degraded(format!("gateway {gateway}: {} ({})", condition.sentence(), clean(condition.reason)))
}

fn refused(condition: &Condition<'_>) -> HealthReport {
    degraded(format!("is not accepted: {} ({})", condition.sentence(), clean(condition.reason)))
}
