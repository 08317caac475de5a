//! Passes requests on, or does not.

use super::{Asked, Fault, Shared};
use bytes::Bytes;
use cutover::kubernetes::Verb;
use futures_util::stream;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Serves until it is dropped, with all its connections.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // Small requests one after the other are what this is for.
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| exchange(Arc::clone(&shared), request));
            let connection = hyper::server::conn::http1::Builder::new();
            // A client that goes away is what is tested.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error closes the connection without an answer.
async fn exchange(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Answer> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let asked = Asked::of(&head.method, path, content_type.unwrap_or_default(), &body);
    if *shared.death.borrow() {
        return die(&shared).await;
    }
    let fault = shared.note(&asked);
    match fault {
        Some(Fault::DeadBefore) => return die(&shared).await,
        Some(Fault::RequestLost) => return Err(cut("before the request arrived")),
        Some(Fault::Refused(status)) => return Ok(refusal(status)),
        Some(Fault::Delayed(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    if asked.verb.is_write() {
        check(&shared, &asked).await;
    }
    let again = || {
        let mut request = Request::builder().method(head.method.clone()).uri(path);
        if let Some(headers) = request.headers_mut() {
            *headers = passed_on(&head.headers);
        }
        request.body(Body::from(body.clone())).map_err(io::Error::other)
    };
    let mut answer = pass_on(&shared, asked.verb, again()?).await;
    match fault {
        Some(Fault::DeadUnanswered) => return die(&shared).await,
        Some(Fault::DeadAfter) => shared.state().doomed = true,
        Some(Fault::AnswerLost) => return Err(cut("before the answer")),
        Some(Fault::Twice) => answer = pass_on(&shared, asked.verb, again()?).await,
        _ => {}
    }
    answer
}

async fn check(shared: &Shared, asked: &Asked) {
    let check = shared.state().check.clone();
    if let Some(check) = check
        && let Some(complaint) = check(asked.clone()).await
    {
        shared.state().complaints.push(format!("{asked}: {complaint}"));
    }
}

/// In a task of its own: what arrived is done, also if the process goes away meanwhile.
async fn pass_on(shared: &Arc<Shared>, verb: Verb, request: Request<Body>) -> io::Result<Answer> {
    let owned = Arc::clone(shared);
    let passing = tokio::spawn(async move {
        let response = owned.client.send(request).await.map_err(io::Error::other)?;
        let (mut head, body) = response.into_parts();
        head.headers = passed_on(&head.headers);
        let body = match verb {
            Verb::Watch => until_cut(&owned, body),
            _ => {
                let bytes = body.collect_bytes().await.map_err(io::Error::other)?;
                owned.state().bytes += bytes.len() as u64;
                whole(bytes)
            }
        };
        Ok(Response::from_parts(head, body))
    });
    passing.await.map_err(io::Error::other)?
}

/// A watch's events as they come, and an error in the midst when watches are cut.
fn until_cut(shared: &Shared, body: Body) -> UnsyncBoxBody<Bytes, io::Error> {
    let state = (body, shared.watches.subscribe());
    let frames = stream::unfold(state, |(mut body, mut cuts)| async move {
        let frame = tokio::select! {
            frame = body.frame() => frame?.map_err(io::Error::other),
            _ = cuts.changed() => Err(cut("within a watch")),
        };
        Some((frame, (body, cuts)))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Without what is about one connection.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for own in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(own);
    }
    headers
}

fn whole(bytes: Bytes) -> UnsyncBoxBody<Bytes, io::Error> {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// As the API server refuses.
fn refusal(status: u16) -> Answer {
    let reason = match status {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let body = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
        "code": status, "message": "the test's proxy refuses this"});
    let mut answer = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    if status == 429 {
        answer = answer.header("retry-after", "1");
    }
    answer.body(whole(Bytes::from(body.to_string()))).expect("a status")
}

async fn die(shared: &Shared) -> io::Result<Answer> {
    shared.death.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    Err(cut("with the process"))
}

fn cut(when: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, format!("cut {when}"))
}
