//! A line to the API server that writes down what is asked, and whose watches can be broken.

use crate::kube_support::{Space, User};
use bytes::Bytes;
use cutover::kubernetes::{Cluster, Connect, KubeconfigSource};
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;

type Answer = Response<UnsyncBoxBody<Bytes, Error>>;

/// What becomes of watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    Works,
    /// Those that are open break off, and new ones are answered with a 503.
    IsDown,
    /// Those that are open break off, and new ones are told that they come too late, as after a long break.
    IsTooLate,
}

pub struct Line {
    address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    watching: watch::Sender<Watching>,
}

impl Line {
    pub async fn new(space: &Space) -> Line {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let client = space.cluster.client(User::Admin).await;
        let asked = Arc::new(Mutex::new(vec![]));
        let (watching, watched) = watch::channel(Watching::Works);
        let written = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (client, asked, watched) = (client.clone(), Arc::clone(&written), watched.clone());
                let service = hyper::service::service_fn(move |request| {
                    let (client, watched) = (client.clone(), watched.clone());
                    asked.lock().expect("asked").push(what(&request));
                    async move { Ok::<_, Infallible>(pass_on(client, watched, request).await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Line { address, asked, watching }
    }

    /// The cluster at the other end.
    pub async fn cluster(&self) -> Cluster {
        let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
        let kubeconfig = KubeconfigSource::Bytes(kubeconfig.to_string().into_bytes());
        Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await.expect("a connection")
    }

    pub fn set(&self, watching: Watching) {
        self.watching.send_replace(watching);
    }

    /// What was asked so far, sorted: `list pods`, `watch deployments`.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().expect("asked").clone();
        asked.sort();
        asked
    }
}

fn what(request: &Request<Incoming>) -> String {
    let parts: Vec<&str> = request.uri().path().trim_start_matches('/').split('/').collect();
    let plural_at = parts.iter().position(|part| *part == "namespaces").map_or(parts.len() - 1, |at| at + 2);
    let plural = parts.get(plural_at).copied().unwrap_or_default();
    let verb = match (request.method(), is_watch(request), plural_at + 1 == parts.len()) {
        (&Method::GET, true, _) => "watch",
        (&Method::GET, false, true) => "list",
        (&Method::GET, false, false) => "get",
        (method, ..) => method.as_str(),
    };
    format!("{verb} {plural}")
}

fn is_watch<T>(request: &Request<T>) -> bool {
    request.uri().query().is_some_and(|query| query.contains("watch=true"))
}

async fn pass_on(
    client: kube::Client,
    mut watched: watch::Receiver<Watching>,
    request: Request<Incoming>,
) -> Answer {
    let is_watch = is_watch(&request);
    let watching = *watched.borrow_and_update();
    match watching {
        Watching::IsDown if is_watch => return refusal(503, "ServiceUnavailable"),
        Watching::IsTooLate if is_watch => return too_late(),
        _ => {}
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a request's body").to_bytes();
    let mut forward = Request::builder().method(head.method).uri(head.uri);
    for (name, value) in head.headers.iter().filter(|(name, _)| **name != http::header::HOST) {
        forward = forward.header(name, value);
    }
    let forward = forward.body(kube::client::Body::from(body.to_vec())).expect("a request");
    let answer = client.send(forward).await.expect("an answer of the API server");
    let (head, body) = answer.into_parts();
    let data = body.into_data_stream().map(|part| part.map_err(|error| Error::other(error.to_string())));
    let broken = async move {
        match is_watch {
            true => drop(watched.changed().await),
            false => std::future::pending().await,
        }
    };
    let broken = stream::once(broken).map(|()| Err(Error::from(ErrorKind::ConnectionReset)));
    let until_broken = stream::select(data.map(Some).chain(stream::once(async { None })), broken.map(Some));
    let data =
        until_broken.take_while(|part| std::future::ready(part.is_some())).filter_map(std::future::ready);
    let mut response =
        Response::new(BodyExt::boxed_unsync(StreamBody::new(data.map(|part| part.map(Frame::data)))));
    *response.status_mut() = head.status;
    for name in [http::header::CONTENT_TYPE, http::header::DATE] {
        response.headers_mut().extend(head.headers.get(&name).map(|value| (name, value.clone())));
    }
    response
}

fn refusal(code: u16, reason: &str) -> Answer {
    let mut response = answer(&status(code, reason));
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a code");
    response
}

/// The API server begins a watch that comes too late like any other, and tells it as the first event.
fn too_late() -> Answer {
    answer(&json!({"type": "ERROR", "object": status(410, "Expired")}))
}

fn status(code: u16, reason: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason,
        "message": reason, "metadata": {}})
}

fn answer(body: &Value) -> Answer {
    let body = Full::new(Bytes::from(format!("{body}\n"))).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
