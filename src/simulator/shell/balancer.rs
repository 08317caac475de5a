//! Load balancers: HTTP requests and TCP connections forwarded to where the world's rules and weights send them.

use super::Shared;
use super::server::{Body, BoxError, Cut, answer, signal};
use crate::simulator::{ListenerEndpoint, RouteRequest, Routed, TargetRoute};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// An application load balancer's idle timeout; a target that is silent for longer is answered for with 504.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the tasks' own keep-alive, so that a task never closes a connection a request is being sent on.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Meant for one connection only, not to be passed on.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Kept connections to the tasks.
pub(super) type Targets = Client<HttpConnector, Body>;

/// A client for the load balancers' side towards the tasks.
pub(super) fn targets() -> Targets {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(KEEP_ALIVE)
        .pool_timer(TokioTimer::new())
        .set_host(false)
        .build(connector)
}

/// Answers one request that came to `listener`: from the task chosen by rules and weights, or by the load balancer
/// itself. Bodies are passed through as they come, both ways.
pub(super) async fn forward(
    shared: Arc<Shared>,
    listener: Arc<ListenerEndpoint>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Body>, Cut> {
    let route = route_request(&request, peer);
    let routed = shared.world().route_request(shared.clock.now(), &listener.arn, &route);
    Ok(match routed {
        Routed::Target(target) => {
            let mut response = to_target(&shared, &listener, &target, request, peer).await;
            let cookie = target.set_cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok());
            if let Some(cookie) = cookie {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Routed::Fixed { status, body, content_type } => {
            let mut response = answer(code(status), "text/plain", body);
            if let Ok(value) = HeaderValue::from_str(&content_type) {
                response.headers_mut().insert(header::CONTENT_TYPE, value);
            }
            response
        }
        Routed::Redirect { status, location } => {
            let mut response = own_page(code(status), "");
            if let Ok(value) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(header::LOCATION, value);
            }
            response
        }
        Routed::Unavailable { status, reason } => own_page(code(status), reason),
    })
}

fn route_request(request: &Request<Incoming>, peer: SocketAddr) -> RouteRequest {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let host = request.headers().get(header::HOST).map(text);
    let host = host.or_else(|| request.uri().host().map(str::to_owned)).unwrap_or_default();
    RouteRequest {
        host,
        path: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        method: request.method().to_string(),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        source_ip: Some(peer.ip().to_string()),
    }
}

async fn to_target(
    shared: &Shared,
    listener: &ListenerEndpoint,
    target: &TargetRoute,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Body> {
    if target.status == 503 && !target.behaviour.never_healthy {
        return own_page(
            StatusCode::SERVICE_UNAVAILABLE,
            "a fault makes the targets of this group unhealthy",
        );
    }
    let Some(address) = address_of(shared, target) else {
        return own_page(StatusCode::BAD_GATEWAY, "the target refuses connections");
    };
    let Some(request) = passed_on(request, address, listener, peer) else {
        return own_page(StatusCode::BAD_REQUEST, "the request has no usable path");
    };
    match tokio::time::timeout(IDLE_TIMEOUT, shared.targets.request(request)).await {
        Err(_) => own_page(StatusCode::GATEWAY_TIMEOUT, "the target did not answer in time"),
        Ok(Err(_)) => own_page(StatusCode::BAD_GATEWAY, "the target closed the connection or refuses it"),
        Ok(Ok(mut response)) => {
            remove_hop_by_hop(response.headers_mut());
            response.map(|body| body.map_err(BoxError::from).boxed())
        }
    }
}

/// Where a target answers; `None` if it refuses connections.
fn address_of(shared: &Shared, target: &TargetRoute) -> Option<SocketAddr> {
    target.address.or_else(|| shared.site().task_address(target.task?, target.port))
}

/// The request as the target gets it: same method, path, Host and body, `X-Forwarded-*` added.
fn passed_on(
    request: Request<Incoming>,
    address: SocketAddr,
    listener: &ListenerEndpoint,
    peer: SocketAddr,
) -> Option<Request<Body>> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri =
        Uri::builder().scheme("http").authority(address.to_string()).path_and_query(path).build().ok()?;
    parts.version = Version::HTTP_11;
    remove_hop_by_hop(&mut parts.headers);
    let before = parts.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let chain = before.map_or_else(|| peer.ip().to_string(), |before| format!("{before}, {}", peer.ip()));
    let proto = if listener.protocol.eq_ignore_ascii_case("HTTPS") { "https" } else { "http" };
    for (name, value) in [
        ("x-forwarded-for", chain),
        ("x-forwarded-proto", proto.to_owned()),
        ("x-forwarded-port", listener.port.to_string()),
    ] {
        parts.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?);
    }
    Some(Request::from_parts(parts, body.map_err(BoxError::from).boxed()))
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

/// A page of the load balancer's own; the reason is for people who wonder.
fn own_page(status: StatusCode, reason: &str) -> Response<Body> {
    let body =
        format!("<html><head><title>{status}</title></head><body><h1>{status}</h1>{reason}</body></html>\n");
    let mut response = answer(status, "text/html", body);
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("awselb/2.0"));
    response
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// Joins one connection that came to a network load balancer with a task, until either side ends it.
pub(super) async fn join(
    shared: Arc<Shared>,
    listener: Arc<ListenerEndpoint>,
    mut stream: TcpStream,
    peer: SocketAddr,
    mut closed: watch::Receiver<bool>,
) {
    let route = RouteRequest { source_ip: Some(peer.ip().to_string()), ..RouteRequest::default() };
    let routed = shared.world().route_request(shared.clock.now(), &listener.arn, &route);
    let Routed::Target(target) = routed else { return };
    let Some(address) = address_of(&shared, &target) else { return };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let Ok(Ok(mut upstream)) = connected else { return };
    let _ = upstream.set_nodelay(true);
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut upstream) => {}
        () = signal(&mut closed) => {}
    }
}
