//! An in-process HTTP client for the AWS SDK: requests go into a [`World`] instead of a socket.

use super::{Millis, WireRequest, WireResponse, World};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// An SDK HTTP client whose other side is a world. The world's time is `start` plus what has passed on tokio's clock,
/// which a test may have paused. Give it to an SDK configuration as `http_client`.
#[derive(Clone)]
pub struct Connector {
    world: Arc<Mutex<World>>,
    start: Millis,
    began: Instant,
    latency: Duration,
    halted: Arc<Notify>,
}

impl Connector {
    /// Connects to `world`, whose time is `start` now. Must be called inside a tokio runtime.
    pub fn new(world: Arc<Mutex<World>>, start: Millis) -> Connector {
        Connector {
            world,
            start,
            began: Instant::now(),
            latency: Duration::from_millis(20),
            halted: Arc::new(Notify::new()),
        }
    }

    /// How long each call is on its way, there and back; 20 ms unless told.
    pub fn with_latency(self, latency: Duration) -> Connector {
        Connector { latency, ..self }
    }

    /// The simulated time.
    pub fn now(&self) -> Millis {
        self.start + u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The world, advanced to now.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.now());
        world
    }

    /// Returns once a call has met [`Fault::Halt`](super::Fault::Halt). From then on calls wait for ever, as those of
    /// a dead process do; the caller drops the future that makes them.
    pub async fn halted(&self) {
        self.halted.notified().await;
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = to_wire(&request)?;
        tokio::time::sleep(self.latency / 2).await;
        let answer = {
            let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
            world.handle(self.now(), &request)
        };
        tokio::time::sleep(self.latency / 2).await;
        if answer.halted {
            self.halted.notify_one();
            std::future::pending::<()>().await;
        }
        if answer.dropped {
            let cut =
                io::Error::new(io::ErrorKind::ConnectionReset, "the connection was cut before the answer");
            return Err(ConnectorError::io(cut.into()));
        }
        from_wire(answer)
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("start", &self.start).finish_non_exhaustive()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn to_wire(request: &HttpRequest) -> Result<WireRequest, ConnectorError> {
    let body = request.body().bytes().ok_or_else(|| {
        ConnectorError::user("the simulator takes only requests whose body is in memory".into())
    })?;
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let after_scheme = request.uri().split_once("://").map_or(request.uri(), |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..]);
    Ok(WireRequest {
        method: request.method().to_string(),
        path: path.to_string(),
        headers: headers.collect(),
        body: body.to_vec(),
    })
}

fn from_wire(answer: WireResponse) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(answer.status).map_err(|e| ConnectorError::other(e.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
