//! Messages for people and programs: Slack's incoming webhooks, and JSON to any URL.

use super::delivery::{Outcome, judge, secret};
use crate::controller::{Occurrence, OccurrenceKind};
use ring::hmac;
use serde_json::{Value, json};
use ureq::Agent;

/// Characters of a message to Slack, which takes 40 000 and shows far fewer.
const SLACK_CHARS: usize = 2_000;

/// Posts to the incoming webhook whose URL is in the file.
pub fn slack(agent: &Agent, url_file: &str, occurrence: &Occurrence) -> Outcome {
    let url = match secret(url_file) {
        Ok(url) => url,
        Err(outcome) => return outcome,
    };
    if !url.starts_with("https://") && !url.starts_with("http://127.0.0.1") {
        return Outcome::Refused(format!("the URL in {url_file} does not begin with https://"));
    }
    let body = json!({"text": slack_text(occurrence)}).to_string();
    judge(agent.post(&url).header("content-type", "application/json").send(body))
}

fn slack_text(occurrence: &Occurrence) -> String {
    let Occurrence { application, kind, workload, revision, repository, text, uid: _, time: _ } = occurrence;
    let sign = match kind {
        OccurrenceKind::Synced | OccurrenceKind::DriftRepaired => ":white_check_mark:",
        OccurrenceKind::AwaitingApproval => ":raised_hand:",
        kind if kind.is_warning() => ":x:",
        _ => ":arrows_counterclockwise:",
    };
    let mut line = format!("{sign} *{}*", escaped(&application.to_string()));
    if !workload.is_empty() {
        line.push_str(&format!(" {}", escaped(workload)));
    }
    line.push_str(&format!(": {}", words(*kind)));
    if !revision.is_empty() {
        line.push_str(&format!(" `{}`", escaped(revision.get(..7).unwrap_or(revision))));
    }
    if !text.is_empty() {
        line.push_str(&format!("\n{}", escaped(&cut(text, SLACK_CHARS))));
    }
    if !repository.is_empty() {
        line.push_str(&format!("\n_{}_", escaped(repository)));
    }
    line
}

fn words(kind: OccurrenceKind) -> &'static str {
    match kind {
        OccurrenceKind::SyncStarted => "sync started",
        OccurrenceKind::Synced => "synced",
        OccurrenceKind::DriftFound => "drift found",
        OccurrenceKind::DriftRepaired => "drift repaired",
        OccurrenceKind::RolloutProgressed => "rollout progressed",
        OccurrenceKind::AwaitingApproval => "waits for approval",
        OccurrenceKind::RolloutFailed => "rollout failed",
        OccurrenceKind::SyncFailed => "sync failed",
        OccurrenceKind::Superseded => "superseded by a newer commit",
        OccurrenceKind::Suspended => "suspended",
        OccurrenceKind::Resumed => "resumed",
        OccurrenceKind::Refused => "refused",
        OccurrenceKind::SourceFailed => "the repository can't be read",
        OccurrenceKind::RequestHandled => "request handled",
        OccurrenceKind::DeletionStuck => "deletion is stuck",
        OccurrenceKind::LeftUnwatched => "a rollout is watched by nobody",
        OccurrenceKind::Deleted => "deleted",
    }
}

/// Slack reads `&`, `<` and `>` as markup, `<!channel>` among it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The first characters of a text.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// Posts the occurrence as JSON, signed if there is a secret.
pub fn webhook(agent: &Agent, url: &str, secret_file: Option<&str>, occurrence: &Occurrence) -> Outcome {
    let mut value = json!(occurrence);
    if let Value::Object(fields) = &mut value {
        fields.insert("isWarning".into(), occurrence.kind.is_warning().into());
        fields.insert("time".into(), occurrence.time.to_string().into());
    }
    let body = value.to_string();
    let mut request = agent
        .post(url)
        .header("content-type", "application/json")
        .header("x-cutover-event", format!("{:?}", occurrence.kind));
    if let Some(file) = secret_file {
        match secret(file) {
            Ok(secret) => {
                request = request.header("x-cutover-signature", signature(&secret, body.as_bytes()))
            }
            Err(outcome) => return outcome,
        }
    }
    judge(request.send(body))
}

/// `sha256=` and HMAC-SHA256 of the body in hex, as GitHub signs.
fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", data_encoding::HEXLOWER.encode(hmac::sign(&key, body).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppKey, Timestamp};

    #[test]
    fn a_message_for_slack_holds_no_markup_of_others() {
        let occurrence = Occurrence {
            application: AppKey { namespace: "team-a".into(), name: "shop".into() },
            uid: "u".into(),
            kind: OccurrenceKind::RolloutFailed,
            workload: "web".into(),
            revision: "0123456789abcdef0123456789abcdef01234567".into(),
            repository: "https://git.example/deploy.git".into(),
            text: "<!channel> & co".into(),
            time: Timestamp(0),
        };
        assert_eq!(
            slack_text(&occurrence),
            ":x: *team-a/shop* web: rollout failed `0123456`\n&lt;!channel&gt; &amp; co\n_https://git.example/deploy.git_"
        );
    }

    #[test]
    fn a_signature_is_what_github_documents() {
        let want = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(signature("It's a Secret to Everybody", b"Hello, World!"), want);
    }
}
