//! The bounds, on real sockets.

use super::*;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    let mut stream = TcpStream::connect(address).await.expect("connection");
    // The server may close while we still write.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_idles_or_never_says_what_it_wants_is_ended() {
    let house = open().await;
    let address = house.address;
    let keep = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(say(address, keep).await, "HTTP/1.1 200 OK", "an idle connection is closed in the end");
    assert_eq!(say(address, "GET / HTTP/1.1\r\nhost: a\r\nx: ").await, "", "a head that never ends");
    assert_eq!(say(address, "").await, "", "no head at all");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_ever_so_slowly_is_not_waited_for() {
    let house = open().await;
    let mut stream = TcpStream::connect(house.address).await.expect("connection");
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
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
