//! Occurrences in the log.

use crate::controller::{Occurrence, OccurrenceKind, Voice};

/// Writes every occurrence to the log, as a warning if people should look at it.
pub struct LogVoice;

impl Voice for LogVoice {
    fn tell(&self, occurrence: &Occurrence) {
        let Occurrence { application, uid: _, kind, workload, revision, repository, text, time: _ } =
            occurrence;
        let phase = phase(*kind, text);
        // A macro's fields are fixed, so what is empty is taken out by the layer that writes.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    application = %application, revision, phase, workload, event = ?kind, repository, "{text}"
                )
            };
        }
        if kind.is_warning() { line!(warn) } else { line!(info) }
    }
}

/// Where the application is when that happens: what a look does (`reading`, `planning`, `syncing`, `pruning`, `answering`,
/// `reporting`), a phase of a rollout, or how a look ended.
fn phase(kind: OccurrenceKind, text: &str) -> &str {
    match kind {
        OccurrenceKind::DriftFound | OccurrenceKind::Resumed => "planning",
        OccurrenceKind::SyncStarted => "syncing",
        OccurrenceKind::DeletionStuck | OccurrenceKind::LeftUnwatched | OccurrenceKind::Deleted => "deleting",
        OccurrenceKind::RolloutProgressed => text,
        OccurrenceKind::AwaitingApproval => "awaiting approval",
        OccurrenceKind::RequestHandled => "answering",
        OccurrenceKind::Synced | OccurrenceKind::DriftRepaired => "synced",
        OccurrenceKind::Superseded => "superseded",
        OccurrenceKind::Suspended => "suspended",
        OccurrenceKind::Refused => "refused",
        OccurrenceKind::SourceFailed | OccurrenceKind::RolloutFailed | OccurrenceKind::SyncFailed => "failed",
    }
}
