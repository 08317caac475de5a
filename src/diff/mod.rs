//! Compares what is declared with what is live. Pure.
//!
//! `rules` says how AWS's fields are to be read (defaults, spellings, order); `normalise` and `align` bring two sides
//! into one form by them; `compare` finds what differs; `mask` hides secrets; `object` does all of that for Kubernetes
//! objects, whose API server brings them into one form itself; `unified` prints.

mod align;
mod compare;
mod content;
mod fields;
mod mask;
mod normalise;
mod object;
mod rules;
mod secrets;
mod task_definition_rules;
mod unified;
mod yaml;

pub use compare::{Comparison, CountChange, FieldChange, compare_service, compare_task_definition};
pub use content::{TaskContent, content_hash, revision_id};
pub use fields::{Route, route};
pub use mask::{MASKED, MASKED_CHANGED, mask};
pub use normalise::normal_form;
pub use object::{declared_part, meaning, without_secrets};
pub use rules::same_reference;
pub use secrets::{is_secret_name, is_secret_text};
pub use unified::{Hunk, Line, Side, UnifiedDiff};
pub use yaml::{is_printable, to_yaml};

#[cfg(test)]
mod noise;
#[cfg(test)]
mod properties;
