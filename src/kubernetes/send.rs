//! The one way a request is sent: bounded in number, time and size, guarded if it writes, counted, and repeated where
//! that is safe.

use super::calls::Verb;
use super::connect::explain_auth;
use super::status::{Failure, Status, clean};
use super::{Cluster, Resource};
use crate::engine::{Trouble, TroubleKind, WRITE_BOUND};
use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use kube::client::{AuthError, Body};
use serde_json::Value;
use std::error::Error;
use std::time::Duration;
use tokio::sync::{AcquireError, SemaphorePermit};

/// From sending a request to the last byte of its answer; less for a write, see [`CHECKED_FOR`].
const TIMEOUT: Duration = WRITE_BOUND;
/// A write that had to wait for longer until it could be sent is checked anew. Connecting takes ten seconds at most, and
/// the server gives up after fifteen ([`super::write`]): together that is the bound of a write.
const CHECKED_FOR: Duration = Duration::from_secs(5);
/// Attempts of a read at most, the first one included.
const ATTEMPTS: u32 = 5;
/// A server that wants more patience than that gets an error in place of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// An answer is no larger than that: a page of 500 objects of 256 KiB.
const ANSWER_LIMIT: usize = 128 << 20;

/// What is asked, and about what, for messages and counts.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub verb: Verb,
    /// `deployments.apps`
    pub resource: String,
    /// `Deployment/shop/web`, `in shop`.
    pub about: String,
}

impl Call {
    /// About one object.
    pub(super) fn one(verb: Verb, resource: &Resource, namespace: Option<&str>, name: &str) -> Call {
        let namespace = namespace.filter(|_| resource.namespaced).map_or(String::new(), |n| format!("{n}/"));
        let about = format!("{}/{namespace}{name}", resource.kind);
        Call { verb, resource: resource.label(), about }
    }

    /// About many.
    pub(super) fn many(verb: Verb, resource: &Resource, namespace: Option<&str>) -> Call {
        let within = namespace.filter(|_| resource.namespaced).map_or(String::new(), |n| format!(" in {n}"));
        Call { verb, resource: resource.label(), about: format!("{}{within}", resource.label()) }
    }

    /// `apply Deployment/shop/web`
    pub(super) fn doing(&self) -> String {
        format!("{} {}", self.verb, self.about)
    }

    pub(super) fn trouble(&self, kind: TroubleKind, message: impl Into<String>) -> Trouble {
        Trouble { kind, doing: self.doing(), message: message.into() }
    }
}

/// A request before it is sent.
#[derive(Clone)]
pub(super) struct Ask {
    pub method: Method,
    /// With its query.
    pub path: String,
    pub accept: &'static str,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Ask {
    pub(super) fn get(path: String) -> Ask {
        Ask { method: Method::GET, path, accept: JSON, content_type: JSON, body: vec![] }
    }

    /// Sends `body` as JSON of this type.
    pub(super) fn with_body(method: Method, path: String, content_type: &'static str, body: &Value) -> Ask {
        Ask { method, path, accept: JSON, content_type, body: body.to_string().into_bytes() }
    }
}

/// By which the server's audit log tells our requests.
const PROGRAM: &str = concat!("cutover/", env!("CARGO_PKG_VERSION"));

pub(super) const JSON: &str = "application/json";

/// The semaphore is never closed, so this is always a permit.
type Place<'a> = Result<SemaphorePermit<'a>, AcquireError>;

impl Cluster {
    /// Sends a read (repeated after anything passing) or a write (checked by the guard, sent once: after a lost answer
    /// the caller has to look).
    pub(super) async fn send(&self, call: &Call, ask: &Ask) -> Result<Value, Failure> {
        let mut attempt = 1;
        loop {
            let place = self.admit(call).await.map_err(Failure::Trouble)?;
            let failure = match self.exchange(call, ask, place).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            // A dry run waits for webhooks, each time as long.
            let is_slow = call.verb == Verb::DryRun && failure.is_timeout();
            if call.verb.is_write() || attempt == ATTEMPTS || !failure.is_passing() || is_slow {
                return Err(failure);
            }
            let pause = failure.retry_after().unwrap_or_else(|| backoff(attempt, self.call_counts().sent()));
            if pause > PATIENCE {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Waits for a place among the requests under way; a write's check is not long ago when it has one.
    async fn admit(&self, call: &Call) -> Result<Place<'_>, Trouble> {
        if !call.verb.is_write() {
            return Ok(self.shared.permits.acquire().await);
        }
        loop {
            self.check_guard().await?;
            if let Ok(place) = tokio::time::timeout(CHECKED_FOR, self.shared.permits.acquire()).await {
                return Ok(place);
            }
        }
    }

    async fn exchange(&self, call: &Call, ask: &Ask, _place: Place<'_>) -> Result<Value, Failure> {
        let no_answer = |kind, message: String| Failure::Trouble(call.trouble(kind, message));
        let request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.path)
            .header(USER_AGENT, PROGRAM)
            .header(ACCEPT, ask.accept)
            .header(CONTENT_TYPE, ask.content_type)
            .body(Body::from(ask.body.clone()))
            .map_err(|error| no_answer(TroubleKind::Rejected, error.to_string()))?;
        self.shared.calls.note(call.verb, &call.resource);
        let limit = if call.verb.is_write() { TIMEOUT - CHECKED_FOR } else { TIMEOUT };
        let answer = tokio::time::timeout(limit, async {
            let response =
                self.shared.client.send(request).await.map_err(|error| self.unanswered(call, &error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(|error| {
                no_answer(TroubleKind::Transient, format!("the answer broke off: {}", chain(error.as_ref())))
            })?;
            Ok((head, body.to_bytes()))
        });
        let (head, body) = answer.await.unwrap_or_else(|_| {
            Err(no_answer(TroubleKind::Transient, format!("no answer within {} seconds", limit.as_secs())))
        })?;
        self.shared.calls.note_bytes(body.len());
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        if head.status.is_success() {
            let answer = serde_json::from_slice(&body).map_err(|_| {
                no_answer(
                    TroubleKind::Transient,
                    "the answer is no JSON; is this a Kubernetes API server?".into(),
                )
            })?;
            // A proxy before it, which answers with failures of its own, has its own clock.
            if let Some(date) = header(DATE) {
                self.shared.clock.note(date);
            }
            return Ok(answer);
        }
        let retry_after =
            header(RETRY_AFTER).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        Err(Failure::Status(Status::parse(head.status.as_u16(), &body, retry_after)))
    }

    /// Why no answer came; nothing was got from the server that could be told.
    fn unanswered(&self, call: &Call, error: &kube::Error) -> Failure {
        if let Some(auth) = sources(error).find_map(|layer| layer.downcast_ref::<AuthError>()) {
            let message = format!("no credentials: {}", explain_auth(auth, None));
            return Failure::Trouble(call.trouble(TroubleKind::Denied, message));
        }
        let text = chain(error);
        let (kind, hint) = if text.contains("invalid peer certificate") {
            (TroubleKind::Denied, "; check certificate-authority-data of the kubeconfig")
        } else {
            (TroubleKind::Transient, "")
        };
        let message = format!("no answer from {}: {text}{hint}", self.shared.server);
        Failure::Trouble(call.trouble(kind, message))
    }
}

/// 0.2 s, 0.4 s, 0.8 s …, up to half of it taken off so that many waiters do not come back together.
fn backoff(attempt: u32, salt: u64) -> Duration {
    let base = 200_u64 << (attempt - 1).min(4);
    let spread = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_millis(base - spread % (base / 2))
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let current = next?;
        next = current.source();
        Some(current)
    })
}

/// The whole chain in one line, each layer once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = vec![];
    for layer in sources(error) {
        let text = layer.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    clean(&parts.join(": "), 600)
}
