//! `/metrics` for Prometheus, `/healthz` and `/readyz` for the kubelet.

use super::board_figures::BoardFigures;
use super::process::Process;
use super::server::serve;
use super::tallies::Tallies;
use crate::controller::{Board, Metrics, Pulse, Tally};
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// A probe or a scraper that holds a connection longer has to open a new one.
const LIFETIME: Duration = Duration::from_secs(600);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the metrics and probes are made of.
pub struct Insight {
    pub board: Arc<Board>,
    pub metrics: Arc<Metrics>,
    pub pulse: Arc<Pulse>,
    pub tallies: Vec<Arc<dyn Tally>>,
}

struct Figures {
    /// With the prefix `cutover`.
    own: Registry,
    /// Without one.
    process: Registry,
    pulse: Arc<Pulse>,
}

/// Serves `/metrics`, `/healthz` and `/readyz` until `stop` is done.
pub async fn serve_metrics(listener: TcpListener, insight: Insight, stop: impl Future<Output = ()>) {
    serve(listener, router(insight), LIFETIME, stop).await;
}

fn router(insight: Insight) -> Router {
    let mut own = Registry::with_prefix("cutover");
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    own.register("build", "The program", version);
    insight.metrics.register(&mut own);
    own.register_collector(Box::new(BoardFigures(insight.board)));
    own.register_collector(Box::new(Tallies(insight.tallies)));
    let mut process = Registry::default();
    process.register_collector(Box::new(Process));
    let figures = Arc::new(Figures { own, process, pulse: insight.pulse });
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(figures)
}

async fn metrics(State(figures): State<Arc<Figures>>, headers: HeaderMap) -> Response {
    let mut out = String::new();
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (content_type, written) = if wants_openmetrics(accepts) {
        let written = text::encode_registry(&mut out, &figures.own)
            .and_then(|()| text::encode_registry(&mut out, &figures.process))
            .and_then(|()| text::encode_eof(&mut out));
        (OPENMETRICS, written)
    } else {
        let written = prometheus_text::encode(&mut out, &figures.own)
            .and_then(|()| prometheus_text::encode(&mut out, &figures.process));
        (prometheus_text::CONTENT_TYPE, written)
    };
    match written {
        Ok(()) => ([(CONTENT_TYPE, content_type)], out).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be written\n").into_response(),
    }
}

/// True if the version of OpenMetrics that is written here is asked for. Prometheus names what it takes in the order it
/// prefers (`application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2`), and prefers OpenMetrics
/// to text wherever it takes it; those who do not know it get text.
fn wants_openmetrics<'a>(mut accepts: impl Iterator<Item = &'a str>) -> bool {
    accepts.any(|accept| accept.split(',').any(is_openmetrics))
}

fn is_openmetrics(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let is_type = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
    let (mut is_version, mut is_refused) = (true, false);
    for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        match name.trim() {
            "version" => is_version = value.trim() == "1.0.0",
            "q" => is_refused = value.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0),
            _ => {}
        }
    }
    is_type && is_version && !is_refused
}

async fn healthz(State(figures): State<Arc<Figures>>) -> Response {
    if figures.pulse.is_alive() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the main loop does not come round\n").into_response()
    }
}

async fn readyz(State(figures): State<Arc<Figures>>) -> Response {
    if figures.pulse.is_ready() {
        "ok\n".into_response()
    } else {
        let text = "what is registered is not known yet, or the main loop does not come round\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
