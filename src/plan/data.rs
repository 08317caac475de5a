//! The plan as data.

use super::Summary;
use crate::diff::{FieldChange, UnifiedDiff};
use crate::model::{Kind, Origin, Slot, Step, Turn, Weights};
use serde::Serialize;
use std::fmt;

/// What a sync of one application would do. Nothing in here holds a secret: diffs are masked when they are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub application: String,
    /// The commit that was planned.
    pub commit: String,
    /// Task definitions, then services and their slots, each by document name, then what is pruned.
    pub items: Vec<PlanItem>,
    /// In the order in which it moves, if all gates pass.
    pub traffic: Vec<TrafficChange>,
    /// What people should know: why nothing is pruned, that the application is suspended.
    pub notices: Vec<String>,
}

impl Plan {
    /// True if a sync would have anything to do.
    pub fn has_changes(&self) -> bool {
        !self.traffic.is_empty() || self.items.iter().any(|item| item.change != Change::Unchanged)
    }

    /// The numbers of the last line.
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }
}

/// One live resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanItem {
    /// The kind of its document.
    pub kind: String,
    /// The name of its document; `namespace/name` where the document says a namespace.
    pub name: String,
    /// Its name where it lives: `web-green`, `web:43`; `web:new` is a revision that is yet to be registered. On
    /// Kubernetes [`crate::model::ObjectKey`]'s text, with the namespace: `Deployment.apps/shop/web`.
    pub resource: String,
    pub change: Change,
    /// A sentence without a full stop.
    pub why: String,
    /// The fields that differ, masked.
    pub fields: Vec<FieldChange>,
    pub diff: Option<UnifiedDiff>,
    /// Where the document is; `None` for what is no longer in Git.
    pub origin: Option<Origin>,
    /// When its turn comes in a sync.
    #[serde(skip_serializing_if = "Turn::is_default")]
    pub turn: Turn,
    /// True for what another item or a rollout brings about: it is shown, and a sync does nothing for it by itself.
    #[serde(skip)]
    pub carried: bool,
    /// True for something blocked that concerns nothing else: the rest of a sync goes on without it.
    #[serde(skip)]
    pub apart: bool,
}

impl PlanItem {
    /// An item that says no more than this.
    pub fn new(kind: &str, name: &str, resource: &str, change: Change, why: impl Into<String>) -> PlanItem {
        PlanItem {
            kind: kind.to_owned(),
            name: name.to_owned(),
            resource: resource.to_owned(),
            change,
            why: why.into(),
            fields: vec![],
            diff: None,
            origin: None,
            turn: Turn::default(),
            carried: false,
            apart: false,
        }
    }

    /// True for a document of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind.name()
    }

    /// `Service/web`
    pub fn document(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    Create,
    Update,
    /// Deleted and made anew, since a field can't be changed.
    Replace,
    Prune,
    /// An existing one is marked as ours, and updated where it differs.
    Adopt,
    Unchanged,
    /// Something is in the way; the item says what, and what to do.
    Blocked,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Create => "create",
            Change::Update => "update",
            Change::Replace => "replace",
            Change::Prune => "prune",
            Change::Adopt => "adopt",
            Change::Unchanged => "unchanged",
            Change::Blocked => "blocked",
        })
    }
}

/// One rule whose traffic moves towards one slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficChange {
    /// The BlueGreen document's name.
    pub blue_green: String,
    /// The rule's or listener's ARN.
    pub rule: String,
    pub kind: RuleKind,
    /// As they are in the rule.
    pub from: Weights,
    /// The shares of `to_slot` that are gone through, in percent of what the rule gives to both slots, each with how long it
    /// is held. Empty if the rule only names the slot's target group, with weight 0.
    pub through: Vec<Step>,
    pub to_slot: Slot,
    /// `None` on a first deploy.
    pub from_slot: Option<Slot>,
    /// What must pass before the first share.
    pub gates: Vec<String>,
    /// What comes after the last share.
    pub after: Vec<String>,
    /// What people should know: stickiness, slow load balancers.
    pub notes: Vec<String>,
}

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    Production,
    /// Pointed at the candidate for the HTTP gate.
    Test,
}
