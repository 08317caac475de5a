//! Serves one listener within bounds: connections, headers, time.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// For the head of a request, and for idling between two.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// Of a head; hyper answers a larger one by 431 and ends the connection.
const HEAD_BYTES: usize = 16 * 1024;
/// What is read ahead of a connection.
const BUFFER_BYTES: usize = 32 * 1024;
/// From the head of a request, its body included, to the head of the answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// For requests under way when a connection or the server has to end.
const GRACE: Duration = Duration::from_secs(3);
/// After a failed accept, which mostly means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `stop` is done, then lets requests under way end for a moment. No connection lasts longer than
/// `lifetime`, so that none which is never read from holds its place for ever.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    lifetime: Duration,
    stop: impl Future<Output = ()>,
) {
    let router = router.layer(from_fn(within_time));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (running, stopped) = watch::channel(());
    let mut open = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = open.join_next() => {}
            (accepted, place) = next => match accepted {
                Ok((stream, _)) => {
                    let (router, stopped) = (router.clone(), stopped.clone());
                    open.spawn(async move {
                        converse(stream, router, lifetime, stopped).await;
                        drop(place);
                    });
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    drop(running);
    let _ = timeout(GRACE, async { while open.join_next().await.is_some() {} }).await;
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    lifetime: Duration,
    mut stopped: watch::Receiver<()>,
) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    server.max_header_size(HEAD_BYTES).max_buf_size(BUFFER_BYTES);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // What went wrong is the client's affair.
        _ = &mut connection => return,
        _ = stopped.changed() => {}
        () = sleep(lifetime) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, connection).await;
}

async fn within_time(request: Request, next: Next) -> Response {
    match timeout(ANSWER_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
