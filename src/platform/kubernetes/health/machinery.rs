//! What the API itself is made of: namespaces, definitions of kinds, aggregated APIs.

use super::fields::{condition, text};
use super::report::{degraded, failed, healthy, progressing};
use crate::model::HealthReport;
use serde_json::Value;

pub(super) fn namespace(object: &Value) -> HealthReport {
    match text(object, "/status/phase") {
        Some("Active") => healthy(),
        Some(_) => progressing("is being deleted"),
        None => progressing("is not active yet"),
    }
}

/// What keeps a namespace from going: its conditions name the kinds and finalizers that are left in it.
pub(super) fn left_in_namespace(object: &Value) -> Option<String> {
    ["NamespaceDeletionDiscoveryFailure", "NamespaceDeletionContentFailure", "NamespaceFinalizersRemaining"]
        .into_iter()
        .chain(["NamespaceContentRemaining"])
        .find_map(|kind| condition(object, kind).filter(|c| c.status == "True"))
        .map(|condition| condition.sentence())
}

pub(super) fn definition(object: &Value) -> HealthReport {
    if let Some(names) = condition(object, "NamesAccepted").filter(|c| c.fails()) {
        // Another definition of the same group has the name; it will not go by itself.
        return failed(format!("its names are not accepted: {}", names.sentence()));
    }
    match condition(object, "Established") {
        Some(established) if established.holds() => healthy(),
        _ => progressing("is not established yet"),
    }
}

/// Behind an aggregated API are pods that may just be starting, so it is progress while it is not available.
pub(super) fn api_service(object: &Value) -> HealthReport {
    match condition(object, "Available") {
        Some(available) if available.holds() => healthy(),
        Some(available) if available.reason == "ServiceAccessError" => degraded(available.sentence()),
        Some(available) => progressing(format!("is not available: {}", available.sentence())),
        None => progressing("is not available yet"),
    }
}
