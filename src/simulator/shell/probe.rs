//! Health checks, really sent.

use super::task::HEALTH_CHECKER;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, client::conn::http1::handshake, header};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Asks a task as ELB's health checker does. `path` `None` tries only to connect, and 200 stands for success.
/// `None`: no answer in time.
pub(super) async fn probe(address: SocketAddr, path: Option<&str>, limit: Duration) -> Option<u16> {
    tokio::time::timeout(limit, ask(address, path)).await.ok().flatten()
}

async fn ask(address: SocketAddr, path: Option<&str>) -> Option<u16> {
    let stream = TcpStream::connect(address).await.ok()?;
    let Some(path) = path else { return Some(200) };
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, HEALTH_CHECKER)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let answer = async { sender.send_request(request).await.ok().map(|answer| answer.status().as_u16()) };
    // The connection moves the bytes; it may end in the same moment in which it hands over the answer.
    let (status, _) = tokio::join!(answer, connection);
    status
}
