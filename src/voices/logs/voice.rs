//! Occurrences in the log.

use crate::controller::{Occurrence, OccurrenceKind, Voice};

/// Writes every occurrence to the log, as a warning if people should look at it.
pub struct LogVoice;

impl Voice for LogVoice {
    fn tell(&self, occurrence: &Occurrence) {
        let Occurrence { application, uid: _, kind, workload, revision, repository, text, time: _ } =
            occurrence;
        let phase = match kind {
            OccurrenceKind::RolloutProgressed | OccurrenceKind::RolloutFailed => text.as_str(),
            OccurrenceKind::AwaitingApproval => "awaiting approval",
            _ => "",
        };
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
