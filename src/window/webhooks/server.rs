//! `POST /github`, `/gitlab`, `/gitea`, `/bitbucket`, `/azure`, `/generic`.

use super::bucket::Bucket;
use super::payload::repository_urls;
use super::signature::is_genuine;
use super::{Provider, WebhookSecrets};
use crate::controller::{Board, Metrics, Nudge};
use crate::model::same_repository;
use crate::window::server::serve;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A body that is larger is refused.
const BODY_BYTES: usize = 1024 * 1024;
const LIFETIME: Duration = Duration::from_secs(120);

/// What the server of webhooks works with.
pub struct WebhookDoor {
    pub secrets: WebhookSecrets,
    /// Where nudges go. When it is full the sender is told to come again later.
    pub nudges: mpsc::Sender<Nudge>,
    /// Tells which repositories there are.
    pub board: Arc<Board>,
    /// Counts deliveries by what became of them.
    pub metrics: Arc<Metrics>,
}

struct Door {
    door: WebhookDoor,
    buckets: BTreeMap<Provider, Bucket>,
}

/// Serves webhooks until `stop` is done.
pub async fn serve_webhooks(listener: TcpListener, door: WebhookDoor, stop: impl Future<Output = ()>) {
    serve(listener, router(door), LIFETIME, stop).await;
}

fn router(door: WebhookDoor) -> Router {
    let buckets = Provider::ALL.into_iter().map(|provider| (provider, Bucket::default())).collect();
    Router::new().route("/{provider}", post(deliver)).with_state(Arc::new(Door { door, buckets }))
}

/// What became of a delivery: for the metrics, the status, and a line for whoever sets up a webhook.
type Reply = (&'static str, StatusCode, &'static str);

const UNKNOWN: (StatusCode, &str) = (StatusCode::NOT_FOUND, "no webhook is expected here\n");
const LIMITED: Reply = ("limited", StatusCode::TOO_MANY_REQUESTS, "too many deliveries; come again later\n");
const TOO_LARGE: Reply = ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB\n");
/// Whatever is wrong with it.
const REFUSED: Reply = ("refused", StatusCode::UNAUTHORIZED, "the signature or token is missing or wrong\n");
const UNREADABLE: Reply = ("unreadable", StatusCode::BAD_REQUEST, "the body is no JSON\n");
const IGNORED: Reply =
    ("ignored", StatusCode::OK, "received; it tells of no push, so there is nothing to do\n");
const FULL: Reply = ("full", StatusCode::SERVICE_UNAVAILABLE, "too much is waiting; come again later\n");
/// A repository that was renamed, say, and that an Application still knows by its old name.
const UNFITTING: Reply = (
    "unfitting",
    StatusCode::OK,
    "no Application reads this repository under one of the URLs that the delivery names; nothing is looked at before \
     its turn\n",
);
const ACCEPTED: Reply = ("accepted", StatusCode::ACCEPTED, "the repository will be looked at\n");

async fn deliver(
    State(door): State<Arc<Door>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let provider = Provider::of_name(&provider).filter(|provider| door.door.secrets.expects(*provider));
    let Some(provider) = provider else { return UNKNOWN.into_response() };
    let (result, status, text) = door.judge(provider, &headers, body).await;
    door.door.metrics.webhook(provider.name(), result);
    (status, text).into_response()
}

impl Door {
    async fn judge(&self, provider: Provider, headers: &HeaderMap, body: Body) -> Reply {
        if !self.buckets.get(&provider).is_some_and(Bucket::take) {
            return LIMITED;
        }
        let Ok(body) = to_bytes(body, BODY_BYTES).await else { return TOO_LARGE };
        let secrets = self.door.secrets.read(provider);
        if !is_genuine(provider, &secrets, headers, &body) {
            return REFUSED;
        }
        if !provider.tells_of_a_push(headers) {
            return IGNORED;
        }
        match repository_urls(&body) {
            Err(_) => UNREADABLE,
            Ok(urls) if urls.is_empty() => IGNORED,
            Ok(urls) if !self.is_read(&urls) => {
                tracing::warn!(
                    provider = provider.name(),
                    "a webhook tells of a push to {urls:?}, and no Application has such a repository; a renamed one has to \
                     be renamed in spec.source.repoURL, too"
                );
                UNFITTING
            }
            Ok(urls) => match self.door.nudges.try_send(Nudge::Repository(urls)) {
                Ok(()) => ACCEPTED,
                Err(_) => FULL,
            },
        }
    }
}

impl Door {
    /// True if some Application reads a repository that one of the URLs leads to.
    fn is_read(&self, urls: &[String]) -> bool {
        let board = self.door.board.snapshot();
        board.iter().any(|entry| urls.iter().any(|url| same_repository(url, &entry.repository)))
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
