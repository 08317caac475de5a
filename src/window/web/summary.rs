//! What the list of applications shows of each.

use crate::controller::Entry;
use crate::model::{AppKey, Changes, HealthState, HistoryEntry, LastError, SyncState, WorkloadSummary};
use serde::Serialize;

/// One row of the list: an [`Entry`] without what may be long.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'a> {
    key: &'a AppKey,
    repository: &'a str,
    destination: &'a str,
    mode: &'a str,
    suspended: bool,
    is_busy: bool,
    sync: SyncState,
    health: HealthState,
    revision: &'a str,
    waiting_for: &'a str,
    changes: Changes,
    workloads: &'a [WorkloadSummary],
    error: Option<&'a LastError>,
    /// What was synced last.
    last: Option<&'a HistoryEntry>,
}

impl<'a> From<&'a Entry> for Summary<'a> {
    fn from(entry: &'a Entry) -> Summary<'a> {
        let status = &entry.status;
        Summary {
            key: &entry.key,
            repository: &entry.repository,
            destination: &entry.destination,
            mode: &entry.mode,
            suspended: entry.suspended,
            is_busy: entry.is_busy,
            sync: status.sync,
            health: status.health,
            revision: &status.revision,
            waiting_for: &status.waiting_for,
            changes: status.changes,
            workloads: &status.workloads,
            error: status.last_error.as_ref(),
            last: status.history.first(),
        }
    }
}
