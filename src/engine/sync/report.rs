//! What came of a sync.

use crate::engine::status::Status;
use crate::plan::Plan;
use serde::Serialize;

/// What came of a sync.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    pub plan: Plan,
    /// One for each resource or workload that had something to do, in the plan's order.
    pub results: Vec<ItemResult>,
    pub verdict: Verdict,
}

/// What came of one resource or workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemResult {
    /// `Service/worker`, `BlueGreen/web`.
    pub document: String,
    pub verdict: Verdict,
    /// A sentence; why it failed, or what is awaited. Empty when all is well.
    pub message: String,
}

/// How a sync ended, the worst of its parts. In ascending order of badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    Done,
    AwaitingApproval,
    TimedOut,
    Failed,
    Error,
    Stopped,
}

/// What came of a sync, and how the application stands after it.
#[derive(Clone, Debug)]
pub struct Synced {
    pub report: SyncReport,
    /// As read after the last write; one that had nothing to do costs no further read. If that can't be read, it is how
    /// everything stood before, and a notice says why.
    pub status: Status,
}

pub(super) fn are_done(results: &[ItemResult]) -> bool {
    results.iter().all(|result| result.verdict == Verdict::Done)
}
