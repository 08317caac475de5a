//! News: the part of a look's end that people hear, and what is measured. Pure but for the figures.

use super::look::{Judgement, Look};
use super::metrics::Metrics;
use super::occurrence::{Occurrence, OccurrenceKind};
use super::ports::Found;
use super::reconcile::Outcome;
use super::report::cut;
use crate::engine::Verdict;
use crate::model::{ApplicationStatus, Timestamp};
use std::time::Duration;

/// A look that has ended.
pub(super) struct News<'a> {
    /// The status before it.
    pub before: &'a ApplicationStatus,
    pub outcome: &'a Outcome,
    pub judgement: &'a Judgement,
    /// What was looked at; `None` if it did not come to that.
    pub found: Option<&'a Found>,
    /// True if nothing had changed in Git since all was in sync.
    pub is_drift: bool,
    /// True if this process has seen another content of the folder in sync before.
    pub is_other_content: bool,
    /// What took its place, if it was stopped for that.
    pub superseded_by: Option<String>,
}

impl News<'_> {
    fn commit(&self) -> &str {
        self.found.map(|found| found.commit.as_str()).unwrap_or_default()
    }

    /// What is told, if it is news; `common` is what all occurrences of the application have in common.
    pub fn occurrence(&self, common: &Occurrence) -> Option<Occurrence> {
        let say = |kind, text: &str| Occurrence {
            kind,
            text: text.to_owned(),
            revision: self.commit().to_owned(),
            ..common.clone()
        };
        match &self.superseded_by {
            Some(newer) => Some(say(OccurrenceKind::Superseded, newer)),
            None => self.kind().map(|kind| say(kind, &self.judgement.message)),
        }
    }

    /// What has become of the application; `None` if people know that already.
    fn kind(&self) -> Option<OccurrenceKind> {
        let Judgement { reason, ready, message, .. } = self.judgement;
        let was = self.before.condition("Ready");
        let is_same = was.is_some_and(|was| was.reason == *reason && was.status == *ready);
        // The condition says something else while it is tried again.
        let error = self.before.last_error.as_ref();
        let is_repeated = error.is_some_and(|error| error.reason == *reason && error.message == cut(message));
        match *reason {
            "Synced" if self.is_drift && self.outcome.look.did_something() => {
                Some(OccurrenceKind::DriftRepaired)
            }
            "Synced"
                if !is_same || self.outcome.look.did_something() && self.before.revision != self.commit() =>
            {
                Some(OccurrenceKind::Synced)
            }
            _ if is_same || is_repeated => None,
            "InvalidSpec" | "NotAllowed" | "NameTaken" | "InvalidDocuments" | "DependencyCycle" => {
                Some(OccurrenceKind::Refused)
            }
            "Deleting" => Some(OccurrenceKind::DeletionStuck),
            "SourceFailed" => Some(OccurrenceKind::SourceFailed),
            "RolloutFailed" => Some(OccurrenceKind::RolloutFailed),
            "SyncFailed" | "AccessDenied" | "TimedOut" | "Broken" | "Degraded" => {
                Some(OccurrenceKind::SyncFailed)
            }
            // A commit that comes meanwhile changes the condition, and is no news.
            "Suspended" if was.is_none_or(|was| was.reason != "Suspended") => Some(OccurrenceKind::Suspended),
            _ => None,
        }
    }

    /// Adds it to the figures.
    pub fn measure(&self, metrics: &Metrics, took: Duration, now: Timestamp) {
        metrics.reconciled(self.judgement.reason, took);
        let (Look::Synced(synced), Some(found)) = (&self.outcome.look, self.found) else { return };
        if self.is_drift && synced.report.plan.has_changes() {
            metrics.drift("found");
            if synced.report.verdict == Verdict::Done && self.outcome.look.did_something() {
                metrics.drift("repaired");
            }
        }
        // A controller that has just begun has not brought about what it finds.
        if self.judgement.reason == "Synced" && self.is_other_content {
            metrics.live(Duration::from_secs(now.since(found.time)));
        }
    }
}
