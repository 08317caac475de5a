//! A running task as a real HTTP server that says what it is and behaves as its image tag tells.

use super::clock::ScaledClock;
use super::server::{Body, Cut, Server, answer};
use crate::simulator::{Behaviour, Millis, TaskEndpoint, TaskId};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// What the load balancer's health checker calls itself.
pub(super) const HEALTH_CHECKER: &str = "ELB-HealthChecker/2.0";
const SLEEP_LIMIT_MS: u64 = 30_000;

/// The servers of one task, one for each of its ports.
#[derive(Debug)]
pub(super) struct RunningTask {
    pub id: TaskId,
    face: Arc<Face>,
    ports: Vec<u16>,
    servers: BTreeMap<u16, Server>,
}

#[derive(Debug)]
struct Face {
    id: TaskId,
    image: String,
    release: String,
    behaviour: Behaviour,
    started_at: Millis,
    clock: ScaledClock,
}

impl RunningTask {
    /// A task that has no server yet; [`RunningTask::open`] gives it some when it is ready.
    pub fn new(task: &TaskEndpoint, clock: ScaledClock) -> RunningTask {
        let face = Face {
            id: task.id,
            image: task.image.clone(),
            release: task.release.clone(),
            behaviour: task.behaviour.clone(),
            started_at: task.started_at,
            clock,
        };
        RunningTask { id: task.id, face: Arc::new(face), ports: task.ports.clone(), servers: BTreeMap::new() }
    }

    /// When it starts to take connections.
    pub fn ready_at(&self) -> Millis {
        self.face.started_at.saturating_add(self.face.behaviour.slow_start_ms)
    }

    /// When its process ends by itself.
    pub fn crashes_at(&self) -> Option<Millis> {
        self.face.behaviour.crash_after_ms.map(|age| self.face.started_at.saturating_add(age))
    }

    /// True if its servers are there.
    pub fn is_open(&self) -> bool {
        self.servers.len() == self.ports.len()
    }

    /// Where the server for a container port listens; `None` while it refuses connections.
    pub fn address(&self, port: u16) -> Option<SocketAddr> {
        self.servers.get(&port).map(Server::address)
    }

    /// Starts the servers that are missing.
    ///
    /// # Errors
    /// Of the system, if no port can be had.
    pub fn open(&mut self, address: Ipv4Addr) -> io::Result<()> {
        for port in &self.ports {
            if !self.servers.contains_key(port) {
                let listener = TcpListener::bind(SocketAddr::from((address, 0)))?;
                let face = Arc::clone(&self.face);
                let server = Server::http(listener, move |request, _| respond(Arc::clone(&face), request))?;
                self.servers.insert(*port, server);
            }
        }
        Ok(())
    }

    /// Its servers, to be closed.
    pub fn into_servers(self) -> impl Iterator<Item = Server> {
        self.servers.into_values()
    }

    /// Ends it as SIGTERM does: no new connections, requests under way are answered.
    pub async fn finish(self, limit: Duration) {
        for server in self.servers.into_values() {
            server.finish(limit).await;
        }
    }
}

/// Any path: status by behaviour, and a JSON body that says which version this is. `?sleep=MILLISECONDS` (30 000 at
/// most, real time) delays the answer.
async fn respond(face: Arc<Face>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let checked = request.headers().get(USER_AGENT).is_some_and(|agent| agent == HEALTH_CHECKER);
    let sleep = request.uri().query().and_then(sleep_ms);
    discard(request.into_body()).await;
    if let Some(sleep) = sleep {
        tokio::time::sleep(Duration::from_millis(sleep)).await;
    }
    let age = face.clock.now().saturating_sub(face.started_at);
    let status = face.behaviour.answer(age, checked).ok_or(Cut)?;
    let body = json!({"release": face.release, "image": face.image, "task": face.id.to_string()});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status, "application/json", format!("{body}\n"));
    for (name, value) in [("x-release", &face.release), ("x-image", &face.image)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

fn sleep_ms(query: &str) -> Option<u64> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("sleep="))?;
    value.parse::<u64>().ok().map(|ms| ms.min(SLEEP_LIMIT_MS))
}

async fn discard(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}
