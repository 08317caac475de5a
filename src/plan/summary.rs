//! The numbers of a plan in one line.

use super::{Change, Plan, RuleKind};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// How many resources are changed in which way. Prints as
/// `Plan: 1 to create, 1 to update, 0 to replace, 0 to prune, 12 unchanged; traffic moves on 1 rule.`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub replace: usize,
    pub prune: usize,
    pub adopt: usize,
    pub unchanged: usize,
    pub blocked: usize,
    /// Production rules whose weights change.
    pub rules: usize,
}

impl Summary {
    /// Counts `plan`.
    pub fn of(plan: &Plan) -> Summary {
        let mut summary = Summary::default();
        for item in &plan.items {
            *match item.change {
                Change::Create => &mut summary.create,
                Change::Update => &mut summary.update,
                Change::Replace => &mut summary.replace,
                Change::Prune => &mut summary.prune,
                Change::Adopt => &mut summary.adopt,
                Change::Unchanged => &mut summary.unchanged,
                Change::Blocked => &mut summary.blocked,
            } += 1;
        }
        let moving = plan.traffic.iter().filter(|t| t.kind == RuleKind::Production && !t.through.is_empty());
        summary.rules = moving.map(|t| t.rule.as_str()).collect::<BTreeSet<_>>().len();
        summary
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { create, update, replace, prune, adopt, unchanged, blocked, rules } = self;
        write!(f, "Plan: {create} to create, {update} to update, {replace} to replace, {prune} to prune")?;
        if *adopt > 0 {
            write!(f, ", {adopt} to adopt")?;
        }
        write!(f, ", {unchanged} unchanged")?;
        if *blocked > 0 {
            write!(f, ", {blocked} blocked")?;
        }
        match rules {
            0 => write!(f, "; no traffic moves."),
            1 => write!(f, "; traffic moves on 1 rule."),
            _ => write!(f, "; traffic moves on {rules} rules."),
        }
    }
}
