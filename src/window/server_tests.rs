//! The bounds, on real sockets but where time is one of them.

use super::*;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

const LIFETIME: Duration = Duration::from_secs(60);

/// A server that answers `/` at once, and `/gate` when it is opened.
struct House {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    /// Somebody asked for `/gate`.
    asked: Arc<Notify>,
    gate: Arc<Notify>,
}

async fn open() -> House {
    let (asked, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (asked.clone(), gate.clone());
    let router = Router::new().route("/", get(async || "here")).route(
        "/gate",
        get(move || async move {
            tell.notify_one();
            wait.notified().await;
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
    let address = listener.local_addr().expect("address");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, router, LIFETIME, async move {
        let _ = stopped.await;
    }));
    House { address, stop, server, asked, gate }
}

/// What comes back until the server closes the connection: the first line, or nothing.
async fn say(address: std::net::SocketAddr, request: &str) -> String {
    talk(TcpStream::connect(address).await.expect("connection"), request).await
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    // The server may close while we still write.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

/// The client's end of a connection that is served. It is a pipe in memory: a stopped clock goes on as soon as nobody has
/// anything to do, and knows nothing of bytes that a socket has yet to hand over.
fn connected() -> DuplexStream {
    let (client, served) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let router = Router::new().route("/", get(async || "here"));
        let (_running, stopped) = watch::channel(());
        converse(served, router, LIFETIME, stopped).await;
    });
    client
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_idles_or_never_says_what_it_wants_is_ended() {
    let keep = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    for (request, answer, why) in [
        (keep, "HTTP/1.1 200 OK", "an idle connection is closed in the end"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: ", "", "a head that never ends"),
        ("", "", "no head at all"),
    ] {
        let begun = tokio::time::Instant::now();
        assert_eq!(talk(connected(), request).await, answer, "{why}");
        assert!(begun.elapsed() <= HEAD_TIME + GRACE, "{why}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_ever_so_slowly_is_not_waited_for() {
    let mut stream = connected();
    let begun = tokio::time::Instant::now();
    let trickle = async {
        let mut line = &b"GET / HTTP/1.1\r\n"[..];
        while stream.write_all(line).await.is_ok() {
            sleep(Duration::from_secs(3)).await;
            line = b"x: y\r\n";
        }
    };
    timeout(10 * HEAD_TIME, trickle).await.expect("the server ends it");
    assert!(begun.elapsed() <= 2 * HEAD_TIME, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_head_may_have_sixteen_kilobytes_and_no_more() {
    let house = open().await;
    let head = |bytes: usize| {
        let rest = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: \r\n\r\n";
        rest.replace("x: ", &format!("x: {}", "y".repeat(bytes - rest.len())))
    };
    assert_eq!(say(house.address, &head(HEAD_BYTES)).await, "HTTP/1.1 200 OK");
    assert_eq!(
        say(house.address, &head(HEAD_BYTES + 1)).await,
        "HTTP/1.1 431 Request Header Fields Too Large"
    );
    // What follows is not read, so the answer may be lost with the connection.
    let answer = say(house.address, &head(1 << 20)).await;
    assert!(["", "HTTP/1.1 431 Request Header Fields Too Large"].contains(&answer.as_str()), "{answer}");
    assert_eq!(say(house.address, &head(100)).await, "HTTP/1.1 200 OK", "others are served as before");
}

#[tokio::test]
async fn a_request_under_way_ends_before_the_server_does() {
    let House { address, stop, server, asked, gate } = open().await;
    let mut stream = TcpStream::connect(address).await.expect("connection");
    stream.write_all(b"GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("request");
    asked.notified().await;
    stop.send(()).expect("server");
    gate.notify_one();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.expect("answer");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
    server.await.expect("server");
    // A program that another test starts just now holds our sockets from its fork to its exec.
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(Duration::from_secs(120), refused).await.expect("nobody listens any more");
}
