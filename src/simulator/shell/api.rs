//! The AWS APIs on a socket: HTTP requests become the world's, and its answers HTTP.

use super::Shared;
use super::events::Event;
use super::server::{Body, Cut, answer, full};
use crate::simulator::{WireRequest, WireResponse};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// More than any ECS or ELBv2 request may have.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// A simulator that runs for weeks starts its log of calls anew after so many.
const CALLS_KEPT: usize = 200_000;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers one API call. When the answer is sent, load balancer ports that it promises are open.
pub(super) async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let body = match read(body).await {
        Ok(body) => body,
        Err(refusal) => return Ok(*refusal),
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = WireRequest {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
    };
    let (response, call) = {
        let mut world = shared.world();
        if world.calls().all().len() >= CALLS_KEPT {
            world.calls_mut().clear();
        }
        let known = world.calls().all().len();
        let response = world.handle(shared.clock.now(), &request);
        (response, world.calls().all().get(known).cloned())
    };
    let is_write = call.as_ref().is_none_or(|call| call.is_write);
    if is_write {
        shared.reconcile_listeners();
        shared.wake.notify_one();
    }
    if let Some(call) = call {
        shared.events.send(Event::Call(call));
    }
    if response.dropped || response.halted {
        return Err(Cut);
    }
    Ok(to_http(response))
}

async fn read(body: Incoming) -> Result<Bytes, Box<Response<Body>>> {
    let refuse = |status, sentence: &'static str| Err(Box::new(answer(status, "text/plain", sentence)));
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_LIMIT).collect()).await;
    match whole {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, "the request body is larger than 4 MiB\n")
        }
        Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST, "the request body broke off\n"),
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "the request body did not arrive within 30 s\n"),
    }
}

fn to_http(response: WireResponse) -> Response<Body> {
    let mut answer = Response::new(full(response.body));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}
