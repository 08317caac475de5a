//! Spans reach a collector by OTLP over HTTP.

use super::server::HttpServer;
use super::spans::{Span, spans, tree};
use crate::cli_support::{Desk, signal};
use crate::git_servers::{Closed, git_daemon};
use cutover::voices::Tracing;
use std::process::Stdio;
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
    let gone = Closed::new();
    let traces = Tracing::start(&format!("http://{}", gone.address)).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
        tracing::info_span!("reconcile").in_scope(|| {});
    });
    traces.stop();
    assert!(Tracing::start("collector:4317").is_err());
}

/// The controller's process, from a Git server to a rollout on the simulated ECS; then a commit that can't be read.
#[test]
fn a_trace_tells_what_of_a_reconcile_took_how_long_and_what_failed() {
    let desk = Desk::with_aws();
    let daemon = git_daemon(desk.checkout().parent().unwrap());
    let server = HttpServer::start(|_| (200, String::new()));
    let url = format!("git://127.0.0.1:{}/shop/.git", daemon.port);
    let application = desk.read("examples/shop.yaml").replace("repoURL: .", &format!("repoURL: {url}"));
    desk.write("examples/shop/worker.yaml", &desk.read("examples/worker/worker.yaml"));
    desk.commit("A worker");
    std::fs::create_dir(desk.checkout().join("applications")).unwrap();
    desk.write("applications/shop.yaml", &format!("{application}  sync: {{interval: 5s}}\n"));
    let mut command = desk.fast(&["controller", "--applications", "applications", "--web", "off"]);
    command.args(["--listen", "127.0.0.1:0", "--otlp-endpoint", &server.url(), "--log-format", "json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut all: Vec<Span> = vec![];
    let until = |all: &mut Vec<Span>, test: &dyn Fn(&Span) -> bool| {
        while !all.iter().any(test) {
            all.extend(spans(&server.next().body));
        }
        all.iter().find(|span| test(span)).unwrap().clone()
    };
    let rollout = until(&mut all, &|span| span.name == "rollout");
    let root = until(&mut all, &|span| span.name == "reconcile" && span.trace == rollout.trace);
    desk.write("examples/shop/web.yaml", "kind: [");
    desk.commit("A mistake");
    let failed = until(&mut all, &|span| span.name == "reconcile" && span.error.is_some());
    let looked = until(&mut all, &|span| span.name == "look at repository");
    signal(&child, "TERM");
    let ran = desk.end(child);
    assert_eq!(ran.code, Some(0), "{}", ran.whole());

    assert_eq!(root.attributes["application"], "shop");
    assert_eq!(root.attributes["revision"].len(), 40);
    assert_eq!(rollout.attributes["workload"], "web");
    let of_rollout: Vec<&Span> = all.iter().filter(|span| span.trace == rollout.trace).collect();
    assert!(of_rollout.len() < 100, "{}", of_rollout.len());
    assert!(of_rollout.iter().any(|span| span.name == "wait" && span.attributes.contains_key("waits_for")));
    let weights =
        |span: &&&Span| span.attributes.get("action").is_some_and(|action| action.starts_with("set rule 1"));
    assert!(of_rollout.iter().any(|span| weights(&span)), "{of_rollout:?}");
    // Which waits are seen, and whether a first deploy passes by a phase, depends on how busy the machine is.
    let lasting: Vec<Span> = all.iter().filter(|span| span.name != "wait").cloned().collect();
    insta::assert_snapshot!("reconcile", tree(&lasting, &root));
    insta::assert_snapshot!("failed", tree(&lasting, &failed));
    insta::assert_snapshot!("repository", tree(&lasting, &looked));

    // Each line about an application says which, at which commit, and in which phase it is.
    let lines = ran.json_lines();
    let about: Vec<_> = lines.iter().filter(|line| line.get("application").is_some()).collect();
    let phases: std::collections::BTreeSet<&str> =
        about.iter().map(|line| line["phase"].as_str().unwrap_or_else(|| panic!("{line}"))).collect();
    assert!(
        about.iter().all(|line| line["revision"].as_str().is_some_and(|revision| revision.len() == 40)),
        "{}",
        ran.stdout
    );
    for phase in ["syncing", "gating", "shifting", "synced", "refused"] {
        assert!(phases.contains(phase), "{phases:?}");
    }
}
