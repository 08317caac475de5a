//! Kubernetes objects: what of them means something, what differs, and what of that may be shown.

mod hide;
mod meaning;
mod pairs;
mod part;
mod walk;

pub use hide::without_secrets;
pub use meaning::meaning;
pub use part::declared_part;

use super::Comparison;
use serde_json::Value;

impl Comparison {
    /// What differs between two states of one Kubernetes object, as [`meaning`] or [`declared_part`] gives them; `before`
    /// is null for one that is not there. Both come from the same API server or are documents, so no field has a rule of
    /// its own: a list's elements are known by their names or other keys where all of them have one.
    pub fn of_objects(before: &Value, after: &Value) -> Comparison {
        walk::walk(before, after)
    }
}

#[cfg(test)]
mod tests;
