//! What each kind of target is told about an occurrence, and how.

use super::commit_status::{Host, StatusTarget};
use super::delivery::Outcome;
use super::messages;
use crate::controller::Occurrence;
use crate::model::NotificationTarget;
use ureq::Agent;

/// Where a notification goes.
#[derive(Clone, Debug)]
pub enum Target {
    Slack { url_file: String },
    Webhook { url: String, secret_file: Option<String> },
    Status(StatusTarget),
}

/// What is told about what, for finding repetitions and what has become obsolete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub about: String,
    pub news: String,
}

impl Target {
    /// As configured.
    pub fn of(target: &NotificationTarget) -> Target {
        match target {
            NotificationTarget::Slack { url_file } => Target::Slack { url_file: url_file.clone() },
            NotificationTarget::Webhook { url, secret_file } => {
                Target::Webhook { url: url.clone(), secret_file: secret_file.clone() }
            }
            NotificationTarget::Github(status) => Target::Status(StatusTarget::new(Host::GitHub, status)),
            NotificationTarget::Gitlab(status) => Target::Status(StatusTarget::new(Host::GitLab, status)),
        }
    }

    /// What the occurrence is to this target; nothing if it is not told. `is_wanted` says whether its kind is asked for,
    /// which the state of a commit does not depend on.
    pub fn subject(&self, occurrence: &Occurrence, is_wanted: bool) -> Option<Subject> {
        match self {
            Target::Status(status) => status.subject(occurrence),
            Target::Slack { .. } | Target::Webhook { .. } if !is_wanted => None,
            Target::Slack { .. } | Target::Webhook { .. } => {
                let Occurrence { application, uid, kind, workload, revision, text, .. } = occurrence;
                let about = format!("{application} {uid} {kind:?} {workload} {revision} {text}");
                Some(Subject { about, news: String::new() })
            }
        }
    }

    /// True if a newer message about the same subject makes an older one pointless.
    pub fn only_the_last_counts(&self) -> bool {
        matches!(self, Target::Status(_))
    }

    /// Sends it, once.
    pub fn send(&self, agent: &Agent, occurrence: &Occurrence) -> Outcome {
        match self {
            Target::Slack { url_file } => messages::slack(agent, url_file, occurrence),
            Target::Webhook { url, secret_file } => {
                messages::webhook(agent, url, secret_file.as_deref(), occurrence)
            }
            Target::Status(status) => status.send(agent, occurrence),
        }
    }
}
