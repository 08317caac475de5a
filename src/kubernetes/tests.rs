//! What the client room does between requests.

use super::fake::{Answer, Asked, cluster, ok, refusal};
use super::{Apply, Cluster, Resource, Verb, WriteGuard};
use crate::engine::{Trouble, TroubleKind};
use crate::model::Timestamp;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

fn config_maps() -> Resource {
    Resource::known("", "v1", "ConfigMap", "configmaps", true)
}

/// Answers one after the other, and what was asked.
fn scripted(answers: Vec<Answer>) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let answers = Mutex::new(VecDeque::from(answers));
    let asked = Arc::new(Mutex::new(vec![]));
    let seen = Arc::clone(&asked);
    let cluster = cluster(move |Asked { method, path, .. }| {
        seen.lock().expect("asked").push(format!("{method} {path}"));
        let answer = answers.lock().expect("answers").pop_front().expect("an answer for every request");
        std::future::ready(answer).boxed()
    });
    (cluster, asked)
}

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[tokio::test(start_paused = true)]
async fn a_read_is_repeated_after_what_passes_and_not_before_the_server_wants_it() {
    let busy =
        Some((429, vec![("retry-after", "7".to_owned())], json!({"kind": "Status", "message": "slow down"})));
    let (cluster, _) = scripted(vec![busy, None, refusal(503, "ServiceUnavailable"), ok(config("a"))]);
    let begun = Instant::now();
    let found = cluster.get(&config_maps(), Some("shop"), "a").await;
    assert_eq!(found, Ok(Some(config("a"))));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(7) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(cluster.call_counts().of(Verb::Get), 4);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_goes_on_failing_is_an_error_and_one_that_is_refused_is_not_repeated() {
    let (cluster, asked) = scripted(vec![None; 5]);
    let failed = cluster.get(&config_maps(), Some("shop"), "a").await.expect_err("no answer");
    assert_eq!((failed.kind, asked.lock().expect("asked").len()), (TroubleKind::Transient, 5));
    assert!(failed.message.contains("connection reset"), "{failed}");
    let (cluster, asked) = scripted(vec![refusal(403, "")]);
    let failed = cluster.get(&config_maps(), Some("shop"), "a").await.expect_err("denied");
    assert_eq!((failed.kind, asked.lock().expect("asked").len()), (TroubleKind::Denied, 1));
}

#[tokio::test(start_paused = true)]
async fn a_write_is_sent_once_whatever_comes_of_it() {
    for answer in [None, refusal(503, "ServiceUnavailable"), refusal(429, "TooManyRequests")] {
        let (cluster, asked) = scripted(vec![answer]);
        let failed = cluster.apply(&config_maps(), Some("shop"), &config("a"), Apply::default()).await;
        let failed = failed.expect_err("refused").into_trouble("apply");
        assert_eq!(
            (failed.kind, asked.lock().expect("asked").len()),
            (TroubleKind::Transient, 1),
            "{failed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_a_read() {
    let (cluster, _) = scripted(vec![None, ok(config("a"))]);
    let how = Apply { dry_run: true, force: false };
    assert_eq!(cluster.apply(&config_maps(), Some("shop"), &config("a"), how).await, Ok(config("a")));
    assert_eq!((cluster.call_counts().of(Verb::DryRun), cluster.call_counts().writes()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_expires_begins_anew_and_is_never_half() {
    let page = |names: &[&str], token: &str| {
        let items: Vec<Value> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        ok(json!({"items": items, "metadata": {"continue": token}}))
    };
    let (cluster, asked) = scripted(vec![
        page(&["a", "b"], "t/1="),
        refusal(410, "Expired"),
        page(&["a"], "t2"),
        page(&["c"], ""),
    ]);
    let found = cluster.list(&config_maps(), Some("shop"), "app=web").await.expect("a list");
    let names: Vec<&str> = found.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    let path = "GET /api/v1/namespaces/shop/configmaps?limit=500&labelSelector=app%3Dweb";
    let asked = asked.lock().expect("asked").clone();
    assert_eq!(
        asked,
        [
            path.to_owned(),
            format!("{path}&continue=t%2F1%3D"),
            path.to_owned(),
            format!("{path}&continue=t2")
        ]
    );
    let (cluster, _) = scripted(vec![page(&["a"], "t"), refusal(403, "")]);
    assert!(cluster.list(&config_maps(), Some("shop"), "").await.is_err(), "half a list");
    let expiring = (0..3).flat_map(|_| [page(&["a"], "t"), refusal(410, "Expired")]);
    let (cluster, _) = scripted(expiring.collect());
    assert!(cluster.list(&config_maps(), Some("shop"), "").await.is_err(), "half a list");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up() {
    let cluster = cluster(|_| std::future::pending().boxed());
    let begun = Instant::now();
    let failed = cluster.create(&config_maps(), Some("shop"), &config("a")).await.expect_err("no answer");
    assert_eq!(failed.kind, TroubleKind::Transient);
    assert!(begun.elapsed() < Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_bounded_number_of_requests_is_under_way() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, peak) = (Arc::clone(&now), Arc::clone(&most));
    let cluster = cluster(move |_| {
        let (counter, peak) = (Arc::clone(&counter), Arc::clone(&peak));
        async move {
            peak.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            counter.fetch_sub(1, Ordering::SeqCst);
            ok(config("a"))
        }
        .boxed()
    });
    let maps = config_maps();
    join_all((0..200).map(|_| cluster.get(&maps, Some("shop"), "a"))).await;
    assert_eq!(most.load(Ordering::SeqCst), 32);
}

struct Closed;

impl WriteGuard for Closed {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        let trouble = Trouble { kind: TroubleKind::Rejected, doing: "x".into(), message: "lost".into() };
        std::future::ready(Err(trouble)).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_guards_leave_nothing_is_written_and_everything_is_read() {
    let (cluster, asked) = scripted(vec![ok(config("a")), ok(config("a"))]);
    cluster.set_guard(Some(Arc::new(Closed)));
    let create = async || {
        let made = cluster.create(&config_maps(), Some("shop"), &config("a")).await;
        made.map_err(|trouble| trouble.message)
    };
    assert_eq!(create().await, Err("lost".to_owned()));
    assert!(cluster.get(&config_maps(), Some("shop"), "a").await.is_ok());
    assert_eq!(asked.lock().expect("asked").len(), 1);
    cluster.set_guard(None);
    assert!(create().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_servers_time_is_taken_from_two_of_its_answers_and_not_from_a_proxys_failures() {
    let dated = |status, year: u32, body| {
        Some((status, vec![("date", format!("Tue, 14 Nov {year} 22:13:20 GMT"))], body))
    };
    let failed = || dated(503, 2000, json!({"kind": "Status", "status": "Failure"}));
    let (cluster, _) =
        scripted(vec![failed(), failed(), dated(200, 2023, config("a")), dated(200, 2023, config("a"))]);
    for _ in 0..2 {
        cluster.get(&config_maps(), Some("shop"), "a").await.expect("read");
    }
    assert_eq!(cluster.clock().now(), Timestamp(1_700_000_000));
}

#[tokio::test(start_paused = true)]
async fn an_older_servers_kinds_are_asked_for_group_by_group_and_one_silent_group_is_known_as_such() {
    let verbs = json!(["get", "list", "patch"]);
    let cluster = cluster(move |Asked { path, .. }| {
        let kinds = |plural: &str, kind: &str| {
            ok(
                json!({"kind": "APIResourceList", "resources": [{"name": plural, "kind": kind, "namespaced": true, "verbs": verbs}]}),
            )
        };
        let answer = match path.as_str() {
            "/api" => ok(json!({"kind": "APIVersions", "versions": ["v1"]})),
            "/apis" => ok(json!({"kind": "APIGroupList", "groups": [
                {"name": "apps", "versions": [{"version": "v1"}], "preferredVersion": {"version": "v1"}},
                {"name": "metrics.k8s.io", "versions": [{"version": "v1"}], "preferredVersion": {"version": "v1"}}]})),
            "/api/v1" => kinds("configmaps", "ConfigMap"),
            "/apis/apps/v1" => kinds("deployments", "Deployment"),
            _ => refusal(503, "ServiceUnavailable"),
        };
        std::future::ready(answer).boxed()
    });
    let kinds = cluster.kinds().await.expect("kinds");
    assert!(kinds.find("v1", "ConfigMap").is_some() && kinds.find("apps/v1", "Deployment").is_some());
    assert!(kinds.uncertainty("metrics.k8s.io").is_some());
    assert!(kinds.uncertainty("apps").is_none());
}
