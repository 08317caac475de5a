//! Spans reach a collector by OTLP over HTTP.

use super::server::HttpServer;
use cutover::voices::Tracing;
use tracing_subscriber::layer::SubscriberExt;

fn has(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_reconcile_is_a_span_with_its_parts_inside() {
    let server = HttpServer::start(|_| (200, String::new()));
    let traces = Tracing::start(&server.url()).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
        let reconcile =
            tracing::info_span!("reconcile", application = "team-a/shop", revision = "0123456789");
        reconcile.in_scope(|| tracing::info_span!("plan").in_scope(|| tracing::info!("3 changes")));
    });
    traces.stop();
    let request = server.next();
    assert_eq!(request.line, "POST /v1/traces");
    assert_eq!(request.header("content-type"), "application/x-protobuf");
    for text in [
        "reconcile",
        "plan",
        "application",
        "team-a/shop",
        "0123456789",
        "3 changes",
        "service.name",
        "cutover",
    ] {
        assert!(has(&request.body, text), "{text} is missing");
    }
}

#[test]
fn a_collector_that_is_away_harms_nobody() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let traces = Tracing::start(&format!("http://{gone}")).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
        tracing::info_span!("reconcile").in_scope(|| {});
    });
    traces.stop();
    assert!(Tracing::start("collector:4317").is_err());
}
