//! The floor: the same requests without a program round them.

use super::objects::{COLLECTIONS, Set};
use crate::kube_support::{Space, User};
use futures_util::{StreamExt, stream};
use http::Request;
use serde_json::Value;
use std::time::{Duration, Instant};

/// As many requests at a time as the program has.
pub const AT_A_TIME: usize = 32;

/// Applies every object, as fast as they go.
pub async fn apply(set: &Set, space: &Space) -> Duration {
    let client = space.cluster.client(User::Admin).await;
    let bodies = set.in_namespace(&space.name);
    let requests = bodies.iter().map(|body| {
        let (_, path) = COLLECTIONS.iter().find(|(kind, _)| body["kind"] == **kind).expect("a kind");
        let name = body["metadata"]["name"].as_str().expect("a name");
        let path =
            format!("/{}/{name}?fieldManager=bench&fieldValidation=Strict", path.replace("NS", &space.name));
        let request = Request::patch(path).header("content-type", "application/apply-patch+yaml");
        request.body(body.to_string().into_bytes()).expect("a request")
    });
    let requests: Vec<Request<Vec<u8>>> = requests.collect();
    let begun = Instant::now();
    let applied =
        stream::iter(requests).map(|request| client.request_text(request)).buffer_unordered(AT_A_TIME);
    applied.for_each(|answer| async { drop(answer.expect("applied")) }).await;
    begun.elapsed()
}

/// Lists every kind, all at once, in pages of 500, and reads the answers. Gives how many requests that are, and how many
/// bytes come back.
pub async fn list(space: &Space) -> (usize, usize, Duration) {
    let client = space.cluster.client(User::Admin).await;
    let begun = Instant::now();
    let kinds = COLLECTIONS.iter().map(|(_, path)| {
        let client = client.clone();
        let path = path.replace("NS", &space.name);
        async move {
            let (mut requests, mut bytes, mut next) = (0, 0, String::new());
            loop {
                let request = Request::get(format!("/{path}?limit=500&continue={next}")).body(vec![]);
                let text = client.request_text(request.expect("a request")).await.expect("a list");
                (requests, bytes) = (requests + 1, bytes + text.len());
                let list: Value = serde_json::from_str(&text).expect("JSON");
                match list["metadata"]["continue"].as_str().filter(|next| !next.is_empty()) {
                    Some(more) => next = more.to_owned(),
                    None => return (requests, bytes),
                }
            }
        }
    });
    let listed = futures_util::future::join_all(kinds).await;
    let sum = listed.into_iter().fold((0, 0), |(a, b), (requests, bytes)| (a + requests, b + bytes));
    (sum.0, sum.1, begun.elapsed())
}
