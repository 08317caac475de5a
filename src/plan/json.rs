//! The plan for machines.

use super::Plan;
use serde_json::{Value, json};

/// The plan as JSON: the fields of [`Plan`] with `apiVersion`, `kind`, `hasChanges` and the numbers of the summary.
/// Fields are only ever added within one `apiVersion`.
///
/// # Errors
/// None that a plan can cause; serde's, should a value not be representable.
pub fn to_json(plan: &Plan) -> Result<Value, serde_json::Error> {
    let mut document = json!({
        "apiVersion": "cutover.dev/v1alpha1",
        "kind": "Plan",
        "hasChanges": plan.has_changes(),
        "summary": plan.summary(),
    });
    if let (Some(document), Value::Object(fields)) = (document.as_object_mut(), serde_json::to_value(plan)?) {
        document.extend(fields);
    }
    Ok(document)
}
