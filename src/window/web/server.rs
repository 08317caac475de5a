//! The page, its JSON and its events.

use super::events;
use super::guard::guard;
use super::page::files;
use crate::controller::Board;
use crate::model::AppKey;
use crate::window::server::serve;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Browsers that listen at a time.
const LISTENERS: usize = 64;
/// A browser that listens comes again by itself.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Stands for the empty namespace of Applications from a folder; no namespace of Kubernetes may be called so.
const NO_NAMESPACE: &str = "-";

/// What the page shows, and to whom.
pub struct WebPage {
    pub board: Arc<Board>,
    /// Host names under which it may be reached, beside addresses and localhost.
    pub names: Vec<String>,
}

#[derive(Clone)]
struct Web {
    board: Arc<Board>,
    listeners: Arc<Semaphore>,
}

/// Serves the page until `stop` is done.
pub async fn serve_web(listener: TcpListener, page: WebPage, stop: impl Future<Output = ()>) {
    serve(listener, router(page), LIFETIME, stop).await;
}

fn router(page: WebPage) -> Router {
    let web = Web { board: page.board, listeners: Arc::new(Semaphore::new(LISTENERS)) };
    let names: Arc<[String]> = page.names.into();
    files()
        .route("/api/applications", get(applications))
        .route("/api/applications/{namespace}/{name}", get(application))
        .route("/events", get(listen))
        .with_state(web)
        .layer(from_fn_with_state(names, guard))
}

async fn applications(State(web): State<Web>) -> Response {
    events::snapshot(&web.board).map_or_else(unwritten, json)
}

async fn application(State(web): State<Web>, Path((namespace, name)): Path<(String, String)>) -> Response {
    let namespace = if namespace == NO_NAMESPACE { String::new() } else { namespace };
    match web.board.entry(&AppKey { namespace, name }) {
        Some(entry) => serialise(&*entry),
        None => (StatusCode::NOT_FOUND, "there is no such application\n").into_response(),
    }
}

async fn listen(State(web): State<Web>) -> Response {
    match web.listeners.try_acquire_owned() {
        Ok(place) => events::listen(web.board, place),
        Err(_) => {
            let text = "too many browsers listen already; come again later\n";
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")], text).into_response()
        }
    }
}

fn serialise(value: &impl Serialize) -> Response {
    serde_json::to_string(value).map_or_else(|_| unwritten(), json)
}

fn json(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

fn unwritten() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "the answer can't be written\n").into_response()
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
