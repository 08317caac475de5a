//! Steady HTTP load on one URL, to see what users would see while versions change.

use super::report::TrafficReport;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 64 * 1024;
/// Every so many requests of a connection, the connection is closed and a new one made.
const REQUESTS_PER_CONNECTION: u32 = 5;
const WAITING_PER_CONNECTION: usize = 64;

/// What to send where.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// `http://host[:port]/path`
    pub url: String,
    /// Requests a second, 1–10 000.
    pub per_second: u32,
    /// How many connections send at the same time, 1–1000.
    pub connections: usize,
}

/// Traffic that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct TrafficGenerator {
    pacer: JoinHandle<JoinSet<()>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    report: Arc<Mutex<TrafficReport>>,
}

impl TrafficGenerator {
    /// Starts sending, at an even pace whatever the answers take (as long as not all connections are stuck), over a
    /// mix of kept and new connections.
    ///
    /// # Errors
    /// A sentence, if the URL is not one that can be asked.
    pub fn start(traffic: &Traffic) -> Result<TrafficGenerator, String> {
        let target = Target::parse(&traffic.url)?;
        let report = Arc::new(Mutex::new(TrafficReport::default()));
        let started = Instant::now();
        let mut workers = JoinSet::new();
        let mut queues = Vec::new();
        for _ in 0..traffic.connections.clamp(1, 1000) {
            let (queue, jobs) = mpsc::channel(WAITING_PER_CONNECTION);
            queues.push(queue);
            workers.spawn(work(target.clone(), jobs, started, Arc::clone(&report)));
        }
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let period = Duration::from_secs(1) / traffic.per_second.clamp(1, 10_000);
        let pacer = tokio::spawn(async move {
            tokio::select! {
                () = pace(period, queues) => {}
                _ = stopped => {}
            }
            workers
        });
        Ok(TrafficGenerator { pacer, stop: Some(stop), report })
    }

    /// What was seen so far.
    pub fn report(&self) -> TrafficReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops sending, waits for the answers still under way, and says what was seen.
    pub async fn stop(mut self) -> TrafficReport {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Ok(mut workers) = (&mut self.pacer).await {
            while workers.join_next().await.is_some() {}
        }
        self.report()
    }
}

impl Drop for TrafficGenerator {
    fn drop(&mut self) {
        self.pacer.abort();
    }
}

/// Gives out one request a period, in turn; a connection that is stuck does not hold up the others.
async fn pace(period: Duration, queues: Vec<mpsc::Sender<Instant>>) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut turn = 0;
    loop {
        let due = ticks.tick().await;
        turn += 1;
        let free = (0..queues.len()).find(|n| queues[(turn + n) % queues.len()].try_send(due).is_ok());
        if free.is_none() && queues[turn % queues.len()].send(due).await.is_err() {
            return;
        }
    }
}

async fn work(
    target: Target,
    mut jobs: mpsc::Receiver<Instant>,
    started: Instant,
    report: Arc<Mutex<TrafficReport>>,
) {
    let mut connection = Connection::default();
    while jobs.recv().await.is_some() {
        let second = started.elapsed().as_secs();
        let outcome = match timeout(ANSWER_TIMEOUT, connection.ask(&target)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())),
        };
        if outcome.is_err() {
            connection = Connection::default();
        }
        report.lock().unwrap_or_else(PoisonError::into_inner).note(second, outcome);
    }
}

#[derive(Clone, Debug)]
struct Target {
    host: String,
    port: u16,
    /// As it stands in the URL, for the Host header.
    authority: String,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Target, String> {
        let wrong =
            |why: &str| format!("`{url}` can't be asked: {why}; write it like http://127.0.0.1:8080/");
        let uri: Uri = url.parse().map_err(|_| wrong("it is not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("only http:// is spoken here"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        Ok(Target {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

/// One client's connection: kept for a few requests, then closed and made anew, as browsers and other clients mix.
#[derive(Default)]
struct Connection {
    sender: Option<SendRequest<Empty<Bytes>>>,
    requests: u32,
}

impl Connection {
    /// One GET; the release that answered, or why it failed.
    async fn ask(&mut self, target: &Target) -> Result<String, String> {
        let mut sender = self.open(target).await?;
        let request = Request::get(&target.path)
            .header(header::HOST, &target.authority)
            .header(header::USER_AGENT, "cutover-traffic")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let release = answer.headers().get("x-release").and_then(|value| value.to_str().ok());
        let release = release.map(str::to_owned);
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?.to_bytes();
        if !status.is_success() {
            return Err(describe(status, &body));
        }
        self.sender = Some(sender);
        Ok(release.or_else(|| release_in(&body)).unwrap_or_else(|| "unknown".into()))
    }

    /// The kept connection if it may be used once more, otherwise a new one.
    async fn open(&mut self, target: &Target) -> Result<SendRequest<Empty<Bytes>>, String> {
        self.requests += 1;
        if let Some(mut sender) = self.sender.take()
            && self.requests <= REQUESTS_PER_CONNECTION
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        self.requests = 1;
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
        let stream = stream.map_err(|error| format!("connecting to {}: {error}", target.authority))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Ends by itself as soon as the sender is dropped.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn describe(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let first: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    if first.is_empty() { status.to_string() } else { format!("{status}: {first}") }
}

/// A task that sets no header may say its release in a JSON body.
fn release_in(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("release")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::shell::server::{Server, answer};
    use std::sync::atomic::{AtomicU32, Ordering};

    async fn until_sent(generator: &TrafficGenerator, count: u64) {
        let sent = async {
            while generator.report().sent < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(120), sent).await.expect("requests are sent");
    }

    #[tokio::test]
    async fn every_request_is_counted_once_and_failures_are_named() {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Server::http(listener, move |_, _| {
            let broken = counter.fetch_add(1, Ordering::SeqCst) % 10 == 9;
            let status = if broken { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
            async move { Ok(answer(status, "application/json", r#"{"release": "v1"}"#)) }
        });
        let server = server.expect("a server");
        let url = format!("http://{}/", server.address());
        let traffic = Traffic { url, per_second: 500, connections: 3 };
        let generator = TrafficGenerator::start(&traffic).expect("traffic");
        until_sent(&generator, 50).await;
        let report = generator.stop().await;
        let asked = u64::from(asked.load(Ordering::SeqCst));
        assert_eq!((report.sent, report.failed), (asked, asked / 10));
        assert_eq!(report.by_release()["v1"], asked - asked / 10);
        assert!(report.failures[0].contains("502 Bad Gateway"), "{:?}", report.failures);
    }

    #[tokio::test]
    async fn a_port_nobody_listens_on_makes_every_request_fail() {
        // Bound, so that nobody else can have the port, and not listened on.
        let closed = tokio::net::TcpSocket::new_v4().expect("a socket");
        closed.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let url = format!("http://{}/", closed.local_addr().expect("an address"));
        let generator = TrafficGenerator::start(&Traffic { url, per_second: 200, connections: 2 });
        let generator = generator.expect("traffic");
        until_sent(&generator, 5).await;
        let report = generator.stop().await;
        assert_eq!(report.failed, report.sent);
        assert!(report.failures[0].contains("connecting to 127.0.0.1"), "{:?}", report.failures);
    }

    #[test]
    fn a_url_that_cannot_be_asked_is_refused_with_the_way_out() {
        for url in ["", "https://example.test/", "/only/a/path", "ftp://x", "http://"] {
            let error = Target::parse(url).expect_err(url);
            assert!(error.contains("write it like http://"), "{error}");
        }
    }

    #[test]
    fn port_and_path_of_a_url_have_defaults() {
        let target = Target::parse("http://127.0.0.1").expect("a URL");
        assert_eq!((target.port, target.path.as_str()), (80, "/"));
        let target = Target::parse("http://[::1]:81/a?b=c").expect("a URL");
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), ("::1", 81, "/a?b=c"));
    }
}
