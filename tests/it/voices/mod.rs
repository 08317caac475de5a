//! Who is told: notifications to real HTTP servers, lines of the log, traces to a collector.

mod logs;
mod notifications;
mod server;
mod spans;
mod traces;

use cutover::controller::{Occurrence, OccurrenceKind};
use cutover::model::{AppKey, Timestamp};

/// An occurrence about `team-a/shop` at a commit on `host`.
fn occurrence(kind: OccurrenceKind, host: &str, text: &str) -> Occurrence {
    Occurrence {
        application: AppKey { namespace: "team-a".into(), name: "shop".into() },
        uid: "0123".into(),
        kind,
        workload: "web".into(),
        revision: "0123456789abcdef0123456789abcdef01234567".into(),
        repository: format!("https://{host}/acme/deploy.git"),
        text: text.into(),
        time: Timestamp(1_764_105_556),
    }
}
