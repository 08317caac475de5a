//! One request to a target, and what its answer means.

use crate::voices::client;
use std::io::Read;
use std::time::Duration;
use ureq::Body;
use ureq::http::{Response, StatusCode};

/// What came of an attempt. The words hold neither a URL nor a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// It may work later, not before `after` if the target says so.
    Later {
        why: String,
        after: Option<Duration>,
    },
    /// It will not work.
    Refused(String),
}

/// Secrets in files are no longer than that.
const SECRET_BYTES: u64 = 64 << 10;

/// What an answer means, as far as its status tells.
pub fn judge(answer: Result<Response<Body>, ureq::Error>) -> Outcome {
    judge_with(answer, |_, _| false)
}

/// As [`judge`]; `is_fine` may accept an answer that is no success, by its status and the beginning of its body.
pub fn judge_with(
    answer: Result<Response<Body>, ureq::Error>,
    is_fine: impl Fn(StatusCode, &[u8]) -> bool,
) -> Outcome {
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(ureq::Error::BadUri(_)) => return Outcome::Refused("the URL is not usable".into()),
        Err(error) => return Outcome::Later { why: client::describe(&error).into(), after: None },
    };
    let status = answer.status();
    let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let after = after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
    let body = client::beginning(answer.body_mut());
    if status.is_success() || is_fine(status, &body) {
        return Outcome::Sent;
    }
    let why = format!("the answer was HTTP status {}", status.as_u16());
    let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    // A host that counts requests says 403 with a time.
    match may_pass || status == StatusCode::FORBIDDEN && after.is_some() {
        true => Outcome::Later { why, after },
        false => Outcome::Refused(why),
    }
}

/// The secret in a file, read for each use.
///
/// # Errors
/// An outcome that says what is wrong: a file that is not there yet may be later.
pub fn secret(path: &str) -> Result<String, Outcome> {
    let wrong = |why: String| Outcome::Later {
        why: format!("the secret in {path} can't be read: {why}"),
        after: None,
    };
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    file.take(SECRET_BYTES).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    let text = text.trim();
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(wrong("it is empty or has several lines".into())),
        false => Ok(text.to_owned()),
    }
}
