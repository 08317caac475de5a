//! The metrics and probes, by the requests that Prometheus and the kubelet send.

use super::*;
use crate::model::{
    AppKey, BySlot, Condition, ConditionStatus, HealthState, SlotSummary, SyncState, Timestamp,
    WorkloadSummary,
};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use std::collections::BTreeSet;
use tower::ServiceExt;

struct Two;

impl Tally for Two {
    fn tally(&self) -> Vec<(&'static str, String, u64)> {
        vec![("kubernetes", "list".into(), 3), ("git", "ls-remote".into(), 2)]
    }
}

fn insight() -> Insight {
    let board = Arc::new(Board::default());
    let slot = |role: &str, weight| SlotSummary { role: role.into(), weight, ..SlotSummary::default() };
    for (name, sync, health, weights) in [
        ("shop", SyncState::OutOfSync, HealthState::Progressing, Some((90, 10))),
        ("a\"b\\", SyncState::Synced, HealthState::Healthy, None),
        ("idle", SyncState::Synced, HealthState::Healthy, None),
    ] {
        let key = AppKey { namespace: "team".into(), name: name.into() };
        board.change(&key, |entry| {
            entry.status.sync = sync;
            entry.status.health = health;
            entry.status.conditions = vec![Condition {
                kind: "Ready".into(),
                status: if weights.is_some() { ConditionStatus::False } else { ConditionStatus::True },
                reason: "Synced".into(),
                message: String::new(),
                last_transition_time: Timestamp(0),
                observed_generation: 1,
            }];
            entry.status.workloads = weights
                .map(|(blue, green)| WorkloadSummary {
                    name: "web".into(),
                    phase: "shifting".into(),
                    waiting_for: String::new(),
                    slots: Some(BySlot { blue: slot("live", blue), green: slot("candidate", green) }),
                })
                .into_iter()
                .collect();
        });
    }
    let metrics = Arc::new(Metrics::default());
    metrics.reconciled("Synced", Duration::from_millis(7));
    metrics.drift("found");
    metrics.webhook("github", "accepted");
    metrics.queue(4, Duration::from_secs(3), 2);
    metrics.live(Duration::from_secs(42));
    Insight { board, metrics, pulse: Arc::new(Pulse::default()), tallies: vec![Arc::new(Two), Arc::new(Two)] }
}

async fn ask(router: &Router, path: &str, accept: &str) -> (u16, String, String) {
    let request = Request::get(path).header("accept", accept).body(Body::empty()).expect("request");
    let response = router.clone().oneshot(request).await.expect("response");
    let content_type =
        response.headers().get("content-type").expect("type").to_str().expect("text").to_owned();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("body").to_bytes();
    (status, content_type, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn metrics_are_told_in_both_of_prometheus_formats() {
    let router = router(insight());
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                      application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.2";
    let (status, content_type, text) = ask(&router, "/metrics", prometheus).await;
    assert_eq!((status, content_type.as_str()), (200, OPENMETRICS));
    let steady = |text: &str| {
        let kept = text.lines().filter(|line| !line.contains("_bucket{") && !line.starts_with("process_"));
        let mut kept: Vec<&str> = kept.collect();
        // Samples of one name come in any order.
        kept.chunk_by_mut(|a, b| a.split('{').next() == b.split('{').next())
            .for_each(<[&str]>::sort_unstable);
        kept.join("\n")
    };
    insta::assert_snapshot!("openmetrics", steady(&text));
    assert!(text.ends_with("# EOF\n"));
    for name in ["process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds "] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
    }
    let (status, content_type, text) = ask(&router, "/metrics", "*/*").await;
    assert_eq!((status, content_type.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    assert!(!text.contains("# EOF"));
    assert!(text.contains("# TYPE cutover_requests_total counter\n"), "{text}");
}

#[tokio::test]
async fn the_page_for_operators_names_every_metric_and_no_other() {
    let (_, _, text) = ask(&router(insight()), "/metrics", "*/*").await;
    let exported: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE cutover_")?.split(' ').next()).collect();
    let page = include_str!("../../docs/controller.md");
    let named = page.split("cutover_").skip(1).map(|rest| {
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let name = &rest[..end];
        name.strip_suffix("_seconds_count").map_or(name.into(), |name| format!("{name}_seconds"))
    });
    let named: BTreeSet<String> = named.collect();
    assert_eq!(named.iter().map(String::as_str).collect::<BTreeSet<_>>(), exported);
}

#[test]
fn openmetrics_is_written_only_for_those_who_take_its_version() {
    let wants = |accept: &str| wants_openmetrics(std::iter::once(accept));
    assert!(wants("application/openmetrics-text"));
    assert!(wants("text/plain;q=0.2, Application/OpenMetrics-Text; version=1.0.0 ; q=0.9"));
    assert!(!wants("application/openmetrics-text;version=0.0.1"));
    assert!(!wants("application/openmetrics-text;version=1.0.0;q=0"));
    assert!(!wants("text/plain"));
    assert!(!wants(""));
}

#[tokio::test(start_paused = true)]
async fn a_probe_fails_until_the_loop_beats_and_when_it_no_longer_does() {
    let insight = insight();
    let pulse = insight.pulse.clone();
    let router = router(insight);
    let both = async || (ask(&router, "/healthz", "").await.0, ask(&router, "/readyz", "").await.0);
    assert_eq!(both().await, (503, 503));
    pulse.beat();
    assert_eq!(both().await, (200, 503));
    pulse.listed();
    assert_eq!(both().await, (200, 200));
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(both().await, (503, 503));
    pulse.beat();
    assert_eq!(both().await, (200, 200));
}
