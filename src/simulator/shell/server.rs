//! One HTTP/1.1 server on a bound socket: the API, the load balancers and the tasks are all made of it.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECTIONS_LIMIT: usize = 4096;

/// A body that is made here or passed through.
pub(super) type Body = BoxBody<Bytes, BoxError>;
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answered by a handler that wants the connection closed without an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut off on purpose")
    }
}

impl std::error::Error for Cut {}

/// A running server. Dropping it closes the port and every connection at once.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    closing: watch::Sender<bool>,
}

impl Server {
    /// Serves HTTP on the socket; `handle` gets each request and where it comes from. Must be called in a runtime.
    ///
    /// # Errors
    /// Of the system, if the socket can't be used.
    pub fn http<H, F>(listener: std::net::TcpListener, handle: H) -> io::Result<Server>
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Cut>> + Send + 'static,
    {
        Self::tcp(listener, move |stream, peer, closing| serve(stream, peer, handle.clone(), closing))
    }

    /// Gives each connection to `handle`, with a signal that says when to come to an end.
    ///
    /// # Errors
    /// Of the system, if the socket can't be used.
    pub fn tcp<H, F>(listener: std::net::TcpListener, handle: H) -> io::Result<Server>
    where
        H: Fn(TcpStream, SocketAddr, watch::Receiver<bool>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let (closing, closed) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, closed, handle));
        Ok(Server { address, accepting, closing })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port, lets requests under way end (for `limit` at most), then closes the connections.
    pub async fn finish(mut self, limit: Duration) {
        let _ = self.closing.send(true);
        let _ = tokio::time::timeout(limit, &mut self.accepting).await;
    }

    /// Closes the port and every connection; they are closed when this returns.
    pub async fn close(mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Owns all connections, so that they end with it.
async fn accept<H, F>(listener: TcpListener, mut closed: watch::Receiver<bool>, handle: H)
where
    H: Fn(TcpStream, SocketAddr, watch::Receiver<bool>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = signal(&mut closed) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_LIMIT => match accepted {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(handle(stream, peer, closed.clone()));
                }
                // Out of file descriptors, or the peer gave up already: the next one may work.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve<H, F>(stream: TcpStream, peer: SocketAddr, handle: H, mut closed: watch::Receiver<bool>)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F,
    F: Future<Output = Result<Response<Body>, Cut>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| handle(request, peer)));
    let mut connection = pin!(connection);
    tokio::select! {
        // An error here is the peer's: it has gone, or did not speak HTTP and was told so.
        _ = connection.as_mut() => return,
        () = signal(&mut closed) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Ends when the server is told to finish, or is gone.
pub(super) async fn signal(closed: &mut watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
}

/// A body that is known in full.
pub(super) fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed()
}

/// An answer of our own.
pub(super) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    /// A server whose answer waits until it is let go.
    struct Gate {
        server: Server,
        /// Somebody asked.
        asked: Arc<Notify>,
        open: Arc<Notify>,
    }

    fn gate() -> Gate {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let (asked, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (Arc::clone(&asked), Arc::clone(&open));
        let handle = move |_, _| {
            let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
            async move {
                tell.notify_one();
                wait.notified().await;
                Ok(answer(StatusCode::OK, "text/plain", "done"))
            }
        };
        Gate { server: Server::http(listener, handle).expect("a server"), asked, open }
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A program that another test starts just now holds our sockets from its fork to its exec.
    async fn until_refused(address: SocketAddr) {
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(120), refused).await.expect("the port is closed");
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_before_the_end() {
        let Gate { server, asked, open } = gate();
        let address = server.address();
        let asking = tokio::spawn(ask(address));
        asked.notified().await;
        let ending = tokio::spawn(server.finish(Duration::from_secs(600)));
        // The port is closed first, while the request is still waited for.
        until_refused(address).await;
        assert!(!ending.is_finished(), "a request is under way");
        open.notify_one();
        ending.await.expect("no panic");
        assert!(asking.await.expect("no panic").ends_with("done"));
    }

    #[tokio::test]
    async fn a_server_that_is_closed_leaves_nothing_behind() {
        let Gate { server, asked, .. } = gate();
        let address = server.address();
        let asking = tokio::spawn(ask(address));
        asked.notified().await;
        server.close().await;
        assert_eq!(asking.await.expect("no panic"), "");
        until_refused(address).await;
    }
}
