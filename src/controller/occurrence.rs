//! What happened to an application that people want to be told.

use crate::model::{AppKey, Timestamp};
use serde::Serialize;

/// One thing that happened. It holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Occurrence {
    pub application: AppKey,
    pub uid: String,
    pub kind: OccurrenceKind,
    /// The BlueGreen, or empty for the application as a whole.
    pub workload: String,
    /// The commit, in full; empty if there is none.
    pub revision: String,
    /// The repository's URL, without secrets.
    pub repository: String,
    /// One sentence.
    pub text: String,
    pub time: Timestamp,
}

/// The kinds, which are also the reasons of Kubernetes Events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum OccurrenceKind {
    /// A sync that has something to do begins.
    SyncStarted,
    /// Everything is as Git says.
    Synced,
    /// What runs differs from Git although Git did not change.
    DriftFound,
    DriftRepaired,
    /// A rollout entered a phase.
    RolloutProgressed,
    AwaitingApproval,
    /// Traffic went back to the old version, or never left it.
    RolloutFailed,
    /// A sync ended with an error; `text` says which.
    SyncFailed,
    /// A newer commit took the place of one that was being rolled out.
    Superseded,
    Suspended,
    Resumed,
    /// The Application itself is wrong or not allowed.
    Refused,
    /// The repository can't be read.
    SourceFailed,
    /// A request of people was handled or refused.
    RequestHandled,
    /// The Application is to go with everything that it owns, and something of that does not go.
    DeletionStuck,
    /// The Application is gone in the midst of a rollout, which nobody watches any more.
    LeftUnwatched,
    /// Everything that it owned is gone, and so is the Application.
    Deleted,
}

impl OccurrenceKind {
    /// True for what people should look at.
    pub fn is_warning(self) -> bool {
        matches!(
            self,
            OccurrenceKind::RolloutFailed
                | OccurrenceKind::SyncFailed
                | OccurrenceKind::Refused
                | OccurrenceKind::SourceFailed
                | OccurrenceKind::DriftFound
                | OccurrenceKind::DeletionStuck
                | OccurrenceKind::LeftUnwatched
        )
    }
}

/// Tells occurrences on: the log, Kubernetes Events, notifications.
pub trait Voice: Send + Sync {
    /// Takes one. Never waits: what can't be sent at once is queued, bounded, or dropped with a count.
    fn tell(&self, occurrence: &Occurrence);
}
