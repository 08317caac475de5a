//! The state of a commit on GitHub or GitLab: pending while it is rolled out, then success or failure.

use super::delivery::{Outcome, judge, judge_with, secret};
use super::messages::cut;
use super::target::Subject;
use crate::controller::{Occurrence, OccurrenceKind};
use crate::model::{CommitStatus, host_and_path, is_commit_id};
use serde_json::json;
use ureq::Agent;

/// GitHub takes 140 characters, GitLab 255.
const DESCRIPTION_CHARS: usize = 140;

/// Whose API it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    GitHub,
    GitLab,
}

/// Where states are set, and as whom.
#[derive(Clone, Debug)]
pub struct StatusTarget {
    host: Host,
    api_url: String,
    token_file: String,
    target_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Success,
    Failure,
}

impl State {
    fn name(self, host: Host) -> &'static str {
        match (self, host) {
            (State::Pending, _) => "pending",
            (State::Success, _) => "success",
            (State::Failure, Host::GitHub) => "failure",
            (State::Failure, Host::GitLab) => "failed",
        }
    }
}

impl StatusTarget {
    /// As configured, with the usual API if none is named.
    pub fn new(host: Host, status: &CommitStatus) -> StatusTarget {
        let usual = match host {
            Host::GitHub => "https://api.github.com",
            Host::GitLab => "https://gitlab.com/api/v4",
        };
        StatusTarget {
            host,
            api_url: status.api_url.as_deref().unwrap_or(usual).trim_end_matches('/').to_owned(),
            token_file: status.token_file.clone(),
            target_url: status.target_url.clone(),
        }
    }

    /// The commit and the application, and the state; nothing if the occurrence changes no state, or if the commit is not
    /// on this host.
    pub fn subject(&self, occurrence: &Occurrence) -> Option<Subject> {
        let state = state(occurrence.kind)?;
        let project = self.project(&occurrence.repository)?;
        is_commit_id(&occurrence.revision).then(|| Subject {
            about: format!("{project} {} {}", occurrence.revision, occurrence.application),
            news: format!("{state:?} {}", description(occurrence)),
        })
    }

    /// Sets the state.
    pub fn send(&self, agent: &Agent, occurrence: &Occurrence) -> Outcome {
        let (Some(state), Some(project)) = (state(occurrence.kind), self.project(&occurrence.repository))
        else {
            return Outcome::Refused("the commit is not on this host".into());
        };
        let token = match secret(&self.token_file) {
            Ok(token) => token,
            Err(outcome) => return outcome,
        };
        let (application, revision) = (&occurrence.application, &occurrence.revision);
        let mut body = json!({
            "state": state.name(self.host),
            "context": format!("cutover/{application}"),
            "description": description(occurrence),
        });
        if let Some(url) = &self.target_url {
            let url = url.replace("{namespace}", &application.namespace).replace("{name}", &application.name);
            body["target_url"] = url.into();
        }
        match self.host {
            Host::GitHub => {
                let url = format!("{}/repos/{project}/statuses/{revision}", self.api_url);
                let request = agent
                    .post(&url)
                    .header("content-type", "application/json")
                    .header("accept", "application/vnd.github+json")
                    .header("authorization", format!("Bearer {token}"));
                judge(request.send(body.to_string()))
            }
            Host::GitLab => {
                let url = format!("{}/projects/{}/statuses/{revision}", self.api_url, encoded(&project));
                let request = agent
                    .post(&url)
                    .header("content-type", "application/json")
                    .header("private-token", token);
                // GitLab refuses a state that the commit has already.
                judge_with(request.send(body.to_string()), |status, body| {
                    status == 400 && String::from_utf8_lossy(body).contains("Cannot transition status")
                })
            }
        }
    }

    /// `owner/name` of a repository that is on this host.
    fn project(&self, repository: &str) -> Option<String> {
        let (host, path) = host_and_path(repository)?;
        let (api, _) = host_and_path(&format!("{}/repos", self.api_url))?;
        let is_here = api == host || api.strip_prefix("api.") == Some(host.as_str());
        let parts: Vec<&str> = path.split('/').collect();
        let fine = |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
        let count_fits = if self.host == Host::GitHub { parts.len() == 2 } else { parts.len() >= 2 };
        (is_here && count_fits && parts.iter().all(fine)).then_some(path)
    }
}

fn state(kind: OccurrenceKind) -> Option<State> {
    match kind {
        OccurrenceKind::SyncStarted
        | OccurrenceKind::RolloutProgressed
        | OccurrenceKind::AwaitingApproval => Some(State::Pending),
        OccurrenceKind::Synced => Some(State::Success),
        OccurrenceKind::RolloutFailed | OccurrenceKind::SyncFailed | OccurrenceKind::Superseded => {
            Some(State::Failure)
        }
        OccurrenceKind::DriftFound
        | OccurrenceKind::DriftRepaired
        | OccurrenceKind::Suspended
        | OccurrenceKind::Resumed
        | OccurrenceKind::Refused
        | OccurrenceKind::SourceFailed
        | OccurrenceKind::RequestHandled
        | OccurrenceKind::DeletionStuck
        | OccurrenceKind::LeftUnwatched
        | OccurrenceKind::Deleted => None,
    }
}

fn description(occurrence: &Occurrence) -> String {
    let workload = match occurrence.workload.as_str() {
        "" => String::new(),
        workload => format!("{workload}: "),
    };
    cut(&format!("{workload}{}", occurrence.text.replace(char::is_control, " ")), DESCRIPTION_CHARS)
}

/// A path as one segment of a URL.
fn encoded(path: &str) -> String {
    path.replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: Host, api_url: Option<&str>) -> StatusTarget {
        let status =
            CommitStatus { token_file: "/t".into(), api_url: api_url.map(str::to_owned), target_url: None };
        StatusTarget::new(host, &status)
    }

    #[test]
    fn a_state_goes_only_to_the_host_that_has_the_commit() {
        for (host, api, repository, want) in [
            (Host::GitHub, None, "https://github.com/acme/deploy.git", Some("acme/deploy")),
            (Host::GitHub, None, "git@github.com:acme/deploy.git", Some("acme/deploy")),
            (Host::GitHub, None, "https://github.com.evil.example/acme/deploy", None),
            (Host::GitHub, None, "https://github.com/acme/a/b", None),
            (Host::GitHub, None, "ssh://git@GitHub.com:2222/acme/deploy/", Some("acme/deploy")),
            (Host::GitHub, None, "https://github.com/acme/..", None),
            (Host::GitHub, None, "https://github.com/acme/x?y", None),
            (
                Host::GitHub,
                Some("https://ghe.example/api/v3"),
                "ssh://git@ghe.example:22/a/b.git",
                Some("a/b"),
            ),
            (Host::GitLab, None, "https://gitlab.com/group/sub/deploy.git", Some("group/sub/deploy")),
            (Host::GitLab, Some("https://gitlab.example/api/v4"), "https://gitlab.com/a/b", None),
            (Host::GitLab, None, "/srv/deploy", None),
        ] {
            assert_eq!(target(host, api).project(repository).as_deref(), want, "{repository}");
        }
    }
}
