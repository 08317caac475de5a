//! Hindrances: facts that keep a rollout from going forward, each with the remedies that take it away.

use super::terms::Terms;
use crate::model::{Slot, Weights};
use serde::Serialize;

/// A fact that stands in the way of going forward. It never stands in the way of a return.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Hindrance {
    /// The fact, as a sentence without a full stop: `rule … gives web-blue weight 100`.
    pub why: String,
    /// Each of these alone takes the hindrance away; never empty.
    pub remedies: Vec<Remedy>,
}

impl Hindrance {
    /// A hindrance with its remedies.
    pub fn new(why: impl Into<String>, remedies: Vec<Remedy>) -> Hindrance {
        Hindrance { why: why.into(), remedies }
    }

    /// The fact and what to do, as one sentence.
    pub fn in_words(&self, terms: Terms) -> String {
        let remedies: Vec<String> = self.remedies.iter().map(|remedy| remedy.in_words(terms)).collect();
        format!("{}; {}", self.why, remedies.join(", or "))
    }
}

/// One act that takes a hindrance away.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "act", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Remedy {
    /// Give all of the slots' part of a rule or listener to this slot.
    SetRule { rule: String, slot: Slot, weights: Weights },
    /// Take a target group out of a rule, or give it weight 0.
    TakeOut { rule: String, target_group: String },
    /// Take a target group out of a rule or listener altogether.
    Drop { rule: String, target_group: String },
    /// Delete a rule, or let it leave requests to another rule or listener: by its conditions, or by a priority after it.
    Yield { rule: String, to: String },
    /// Change a field of a document in Git to a value (YAML, or words where no value can be named).
    Edit { document: String, field: String, to: String },
    /// Commit something else.
    Commit,
    /// Bring something back that is gone or can't be read: an alarm, a rule, a permission.
    Restore { what: String },
    /// Run more tasks in a slot.
    Scale { slot: Slot, count: u32 },
    /// `cutover retry`.
    Retry,
    /// `cutover abort`.
    Abort,
    /// `cutover promote`.
    Promote,
}

/// Somebody who can carry out a remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// Whoever commits to the repository.
    Author,
    /// Whoever may write to the account or cluster by hand.
    Operator,
    /// Whoever runs `cutover` for the application.
    User,
}

impl Remedy {
    /// Who can do it.
    pub fn by(&self) -> By {
        match self {
            Remedy::Edit { .. } | Remedy::Commit => By::Author,
            Remedy::SetRule { .. }
            | Remedy::TakeOut { .. }
            | Remedy::Drop { .. }
            | Remedy::Yield { .. }
            | Remedy::Restore { .. }
            | Remedy::Scale { .. } => By::Operator,
            Remedy::Retry | Remedy::Abort | Remedy::Promote => By::User,
        }
    }

    /// The act, for people: `set … to blue 100 / green 0`.
    pub fn in_words(&self, terms: Terms) -> String {
        match self {
            Remedy::SetRule { rule, weights, .. } => format!("set {rule} to {weights}"),
            Remedy::TakeOut { rule, target_group } => {
                format!("take {target_group} out of {rule}, or give it weight 0 there")
            }
            Remedy::Drop { rule, target_group } => format!("take {target_group} out of {rule}"),
            Remedy::Yield { rule, to } => {
                format!(
                    "delete {rule}, or let it leave requests to {to} (other conditions, or a higher priority number)"
                )
            }
            Remedy::Edit { document, field, to } => format!("set {field} of {document} to {to}"),
            Remedy::Commit => "commit a fix".into(),
            Remedy::Restore { what } => format!("restore {what}"),
            Remedy::Scale { slot, count } => format!("scale {slot} to {} by hand", terms.count(*count)),
            Remedy::Retry => "run `cutover retry`".into(),
            Remedy::Abort => "run `cutover abort`".into(),
            Remedy::Promote => "run `cutover promote`".into(),
        }
    }
}
