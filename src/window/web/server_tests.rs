//! The page's requests, as browsers send them.

use super::*;
use crate::controller::Line;
use crate::model::{SyncState, Timestamp};
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use tower::ServiceExt;

fn key(name: &str) -> AppKey {
    AppKey { namespace: "team".into(), name: name.into() }
}

fn page(board: &Arc<Board>) -> Router {
    router(WebPage { board: board.clone(), names: vec!["cutover.example".into()] })
}

async fn send(router: &Router, request: axum::http::request::Builder) -> Response<Body> {
    let request = request.body(Body::empty()).expect("request");
    router.clone().oneshot(request).await.expect("response")
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.expect("body").to_bytes();
    String::from_utf8(body.to_vec()).expect("UTF-8")
}

async fn get_text(router: &Router, path: &str) -> String {
    text(send(router, Request::get(path).header("host", "localhost")).await).await
}

#[tokio::test]
async fn every_answer_forbids_what_the_page_does_not_need() {
    let router = page(&Arc::default());
    for path in ["/", "/api/applications", "/nowhere"] {
        let response = send(&router, Request::get(path).header("host", "127.0.0.1:8081")).await;
        let kept = ["content-security-policy", "cache-control", "x-content-type-options", "x-frame-options"];
        let headers = kept.map(|name| response.headers()[name].to_str().expect("text").to_owned());
        assert!(headers[0].starts_with("default-src 'none'; script-src 'self';"), "{path}: {headers:?}");
        assert!(!headers[0].contains("unsafe"), "{path}: {headers:?}");
        assert_eq!(&headers[1..], ["no-store", "nosniff", "DENY"], "{path}");
    }
}

#[tokio::test]
async fn other_hosts_other_sites_and_other_verbs_are_refused() {
    let router = page(&Arc::default());
    let of = |host| Request::get("/api/applications").header("host", host);
    assert_eq!(send(&router, of("localhost:8081")).await.status(), 200);
    assert_eq!(send(&router, of("cutover.example")).await.status(), 200);
    assert_eq!(send(&router, of("evil.example")).await.status(), 403);
    assert_eq!(send(&router, Request::get("/")).await.status(), 403, "no host at all");
    let from = |path, site| Request::get(path).header("host", "localhost").header("sec-fetch-site", site);
    assert_eq!(send(&router, from("/events", "cross-site")).await.status(), 403);
    assert_eq!(send(&router, from("/api/applications", "same-site")).await.status(), 403);
    assert_eq!(send(&router, from("/api/applications", "same-origin")).await.status(), 200);
    assert_eq!(send(&router, from("/", "cross-site")).await.status(), 200, "a link leads here");
    let post = Request::post("/api/applications").header("host", "localhost");
    assert_eq!(send(&router, post).await.status(), 405);
}

#[tokio::test]
async fn one_application_is_told_whole_and_the_list_without_what_is_long() {
    let board = Arc::new(Board::default());
    board.change(&key("shop"), |entry| {
        entry.diff = "+ new".into();
        entry.activity = vec![Line { time: Timestamp(1_764_105_556), text: "synced".into() }];
    });
    board.change(&AppKey { namespace: String::new(), name: "from a folder/ö".into() }, |_| ());
    let router = page(&board);
    let whole = get_text(&router, "/api/applications/team/shop").await;
    let whole: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    insta::assert_snapshot!(serde_json::to_string_pretty(&whole).expect("JSON"));
    let list = get_text(&router, "/api/applications").await;
    assert!(!list.contains("+ new") && !list.contains("synced"), "{list}");
    let other = get_text(&router, "/api/applications/-/from%20a%20folder%2F%C3%B6").await;
    assert!(other.contains("from a folder/ö"), "{other}");
    let missing =
        send(&router, Request::get("/api/applications/team/none").header("host", "localhost")).await;
    assert_eq!(missing.status(), 404);
}

/// One browser's stream of events.
struct Stream(Body);

impl Stream {
    async fn open(router: &Router) -> Stream {
        let response = send(router, Request::get("/events").header("host", "localhost")).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream(response.into_body())
    }

    /// The next event's name, and the names of the applications in each of its lists.
    async fn next(&mut self) -> String {
        let frame = self.0.frame().await.expect("not at its end").expect("frame").into_data().expect("data");
        let text = String::from_utf8(frame.to_vec()).expect("UTF-8");
        let Some((event, data)) = text.split_once("\ndata: ") else { return text.trim().to_owned() };
        let lists: BTreeMap<String, Vec<serde_json::Value>> = serde_json::from_str(data).expect("JSON");
        let lists = lists.iter().map(|(list, of)| {
            let names = of.iter().map(|one| one.get("key").unwrap_or(one)["name"].as_str().expect("name"));
            format!(" {list}={}", names.collect::<Vec<_>>().join(","))
        });
        format!("{}:{}", event.trim_start_matches("event: "), lists.collect::<String>())
    }
}

#[tokio::test(start_paused = true)]
async fn a_browser_is_told_everything_and_then_what_changes_together() {
    let board = Arc::new(Board::default());
    board.change(&key("a"), |_| ());
    board.change(&key("b"), |_| ());
    let router = page(&board);
    let mut stream = Stream::open(&router).await;
    assert_eq!(stream.next().await, "snapshot: applications=a,b");
    for _ in 0..3 {
        board.change(&key("b"), |entry| entry.status.sync = SyncState::Synced);
    }
    board.change(&key("c"), |_| ());
    board.remove(&key("a"));
    assert_eq!(stream.next().await, "change: changed=b,c gone=a");
    assert_eq!(stream.next().await, ":", "a heartbeat, since nothing happens");
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_falls_behind_is_told_everything_anew() {
    let board = Arc::new(Board::default());
    let router = page(&board);
    let mut stream = Stream::open(&router).await;
    assert_eq!(stream.next().await, "snapshot: applications=");
    for change in 0..10_000 {
        board.change(&key(&format!("{}", change % 3)), |_| ());
    }
    assert_eq!(stream.next().await, "snapshot: applications=0,1,2");
    board.change(&key("1"), |_| ());
    assert_eq!(stream.next().await, "change: changed=1 gone=");
}

#[tokio::test]
async fn the_number_of_browsers_that_listen_is_bounded_and_a_place_is_freed_when_one_leaves() {
    let router = page(&Arc::default());
    let mut open = vec![];
    for _ in 0..LISTENERS {
        open.push(Stream::open(&router).await);
    }
    let events = || Request::get("/events").header("host", "localhost");
    assert_eq!(send(&router, events()).await.status(), 503);
    open.pop();
    assert_eq!(send(&router, events()).await.status(), 200);
}
