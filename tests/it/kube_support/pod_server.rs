//! The HTTP server of a running container: it says what it is and behaves as its image is tagged.

use super::SECOND;
use super::life::Life;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::USER_AGENT;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

const HEALTH_CHECKER: &str = "ELB-HealthChecker/2.0";

/// Listens until it is dropped, which cuts what is under way, or finished.
#[derive(Debug)]
pub struct PodServer {
    finish: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl PodServer {
    /// Serves as `life` says, whose container started at `started`.
    pub async fn open(
        address: SocketAddr,
        life: Arc<Life>,
        pod: String,
        started: Instant,
    ) -> io::Result<PodServer> {
        let listener = TcpListener::bind(address).await?;
        let (finish, mut finishing) = watch::channel(false);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let stream = tokio::select! {
                    stream = listener.accept() => stream,
                    _ = finishing.changed() => break,
                };
                let Ok((stream, _)) = stream else { continue };
                let (life, pod, mut finishing) = (Arc::clone(&life), pod.clone(), finishing.clone());
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let answer = answer(&request, &life, &pod, started);
                        async { answer }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    let mut connection = std::pin::pin!(connection);
                    tokio::select! {
                        _ = connection.as_mut() => {}
                        _ = finishing.changed() => {
                            connection.as_mut().graceful_shutdown();
                            let _ = connection.await;
                        }
                    }
                });
                while connections.try_join_next().is_some() {}
            }
            drop(listener);
            while connections.join_next().await.is_some() {}
        });
        Ok(PodServer { finish, accepting })
    }

    /// No new connections; requests under way are answered.
    pub fn finish(self) {
        let _ = self.finish.send(true);
        std::mem::forget(self);
    }
}

impl Drop for PodServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Answer = Result<Response<Full<Bytes>>, io::Error>;

/// 200, or what the image says, with the image in the body and in `x-image`.
fn answer(request: &Request<Incoming>, life: &Life, pod: &str, started: Instant) -> Answer {
    let checked = request.headers().get(USER_AGENT).is_some_and(|agent| agent == HEALTH_CHECKER);
    let age = started.elapsed().as_millis() * 1_000 / SECOND.as_millis();
    let status = life.behaviour.answer(age as u64, checked).ok_or_else(|| io::Error::other("refused"))?;
    let release = cutover::simulator::release(&life.image);
    let body = serde_json::json!({"release": release, "image": life.image, "pod": pod});
    let response = Response::builder().status(status).header("content-type", "application/json");
    let response = response.header("x-release", &release).header("x-image", &life.image).header("x-pod", pod);
    response.body(Full::from(format!("{body}\n"))).map_err(io::Error::other)
}
