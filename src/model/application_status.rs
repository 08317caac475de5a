//! What a controller reports of an Application: the `status` of the custom resource, and what the web page shows.

use super::{BySlot, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a registered Application. One from a folder has an empty namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppKey {
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The status of an Application. It holds no secret, and every text and list in it is bounded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    /// The generation of the Application that this was made of.
    pub observed_generation: i64,
    /// `Ready` always; `Reconciling` and `Stalled` as kstatus understands them.
    pub conditions: Vec<Condition>,
    pub sync: SyncState,
    pub health: HealthState,
    /// The commit whose documents were last compared with what is live, in full; empty before the first time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// What is waited for, as a sentence; empty if nothing is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub waiting_for: String,
    pub changes: Changes,
    /// The documents that differ from what is live: `Deployment/web`. The first twenty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differing: Vec<String>,
    /// The blue/green workloads, the first fifty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<WorkloadSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// What was synced, newest first, ten at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// The last of the requests that people left in annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_request: Option<HandledRequest>,
}

/// One condition, as in `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Reconciling` or `Stalled`.
    #[serde(rename = "type")]
    pub kind: String,
    pub status: ConditionStatus,
    /// One word in CamelCase.
    pub reason: String,
    pub message: String,
    /// When `status` last changed.
    #[serde(with = "super::rfc3339")]
    pub last_transition_time: Timestamp,
    #[serde(default)]
    pub observed_generation: i64,
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// Whether what is live is what Git says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SyncState {
    Synced,
    OutOfSync,
    #[default]
    Unknown,
}

impl SyncState {
    /// As it is written in a status.
    pub fn name(self) -> &'static str {
        match self {
            SyncState::Synced => "Synced",
            SyncState::OutOfSync => "OutOfSync",
            SyncState::Unknown => "Unknown",
        }
    }
}

/// How what is live fares. In ascending order of badness: of several, the last one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HealthState {
    Healthy,
    /// Syncing is suspended.
    Suspended,
    /// It is coming up, or a rollout is under way.
    Progressing,
    /// Nothing of it is there yet, or it was never read.
    #[default]
    Missing,
    /// A rollout failed, or something that runs is broken.
    Degraded,
}

impl HealthState {
    /// As it is written in a status.
    pub fn name(self) -> &'static str {
        match self {
            HealthState::Healthy => "Healthy",
            HealthState::Progressing => "Progressing",
            HealthState::Degraded => "Degraded",
            HealthState::Suspended => "Suspended",
            HealthState::Missing => "Missing",
        }
    }
}

/// How many resources a sync would touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Changes {
    pub create: u32,
    pub update: u32,
    pub prune: u32,
    /// Those that can't be brought about as they are written.
    pub blocked: u32,
}

/// A blue/green workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSummary {
    /// The BlueGreen's name.
    pub name: String,
    /// The phase of its rollout, in the words of `cutover status`.
    pub phase: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub waiting_for: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<BySlot<SlotSummary>>,
}

/// One slot of a workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlotSummary {
    /// `live`, `candidate`, `previous` or `idle`.
    pub role: String,
    /// What it runs, for people: `web:42`, or a revision; empty if nothing.
    pub revision: String,
    /// Percent of the requests that it gets by the first production rule.
    pub weight: u32,
    pub running: u32,
    pub desired: u32,
    pub healthy_targets: u32,
    pub unhealthy_targets: u32,
}

/// Why the last look or sync did not end well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// One word, as in the conditions.
    pub reason: String,
    pub message: String,
    #[serde(with = "super::rfc3339")]
    pub time: Timestamp,
}

/// One sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    pub revision: String,
    /// The first line of the commit's message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// One word, as in the conditions: `Synced`, `RolloutFailed`, `Superseded`, …
    pub result: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(with = "super::rfc3339")]
    pub started: Timestamp,
    #[serde(with = "super::rfc3339")]
    pub ended: Timestamp,
}

/// What became of a request left in an annotation (`cutover promote --app`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandledRequest {
    /// The annotation's value, which is different for each request.
    pub request: String,
    /// False if it could not be done; `message` says why.
    pub done: bool,
    pub message: String,
    #[serde(with = "super::rfc3339")]
    pub time: Timestamp,
}

impl ApplicationStatus {
    /// The condition of a type, if there is one.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}
