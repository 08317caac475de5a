//! Asks over real connections.

use super::{Asker, HttpQuestion, NoAnswer};
use crate::aws::USER_AGENT;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// For the whole of a request, name lookup and TLS included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The body is read and dropped up to here, so that a server that never ends its answer is no different from one that
/// ends it.
const BODY_LIMIT: usize = 64 << 10;

/// TCP, TLS and HTTP/1.1.
#[derive(Default)]
pub struct Network {
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Asker for Network {
    fn ask(&self, question: HttpQuestion) -> BoxFuture<'_, Result<u16, NoAnswer>> {
        Box::pin(async move {
            let end = Instant::now() + TIMEOUT;
            let late = |what: &str| format!("no {what} within {} seconds", TIMEOUT.as_secs());
            let stream = timeout_at(end, self.connect(&question))
                .await
                .unwrap_or_else(|_| Err(NoAnswer::NotSent(late("connection"))))?;
            timeout_at(end, status(stream, &question))
                .await
                .unwrap_or_else(|_| Err(NoAnswer::Broken(late("answer"))))
        })
    }
}

/// What a request is written to.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Network {
    async fn connect(&self, question: &HttpQuestion) -> Result<Box<dyn Stream>, NoAnswer> {
        let address = (question.connect_to.as_str(), question.port);
        let tcp = TcpStream::connect(address).await.map_err(|error| {
            let why = format!("cannot connect to {}:{}: {error}", address.0, address.1);
            match error.kind() {
                std::io::ErrorKind::ConnectionRefused => NoAnswer::Refused(why),
                _ => NoAnswer::NotSent(why),
            }
        })?;
        if !question.tls {
            return Ok(Box::new(tcp));
        }
        let config = self.tls.get_or_init(tls_config).clone().map_err(NoAnswer::NotSent)?;
        let host = question.host.split(':').next().unwrap_or(&question.host).to_owned();
        let name = ServerName::try_from(host).map_err(|_| {
            NoAnswer::NotSent(format!(
                "`{}` is no host name that a certificate can be valid for; set host",
                question.host
            ))
        })?;
        // The load balancer ends TLS, with one certificate for both versions.
        let tls = tokio_rustls::TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(|error| NoAnswer::NotSent(format!("TLS for {}: {error}", question.host)))?;
        Ok(Box::new(tls))
    }
}

async fn status(stream: Box<dyn Stream>, question: &HttpQuestion) -> Result<u16, NoAnswer> {
    let mut request = http::Request::get(&question.path)
        .header(http::header::HOST, &question.host)
        .header(http::header::CONNECTION, "close");
    if !question.headers.keys().any(|name| name.eq_ignore_ascii_case("user-agent")) {
        request = request.header(http::header::USER_AGENT, USER_AGENT);
    }
    for (name, value) in &question.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| NoAnswer::NotSent(format!("not a request: {error}")))?;
    let broken = |error: hyper::Error| NoAnswer::Broken(format!("the connection broke: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            read += frame.map_err(broken)?.data_ref().map_or(0, Bytes::len);
            if read > BODY_LIMIT {
                break;
            }
        }
        Ok(status)
    };
    // The connection has to be driven while the answer is awaited; it may end first, right after the last byte.
    tokio::pin!(talk);
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        ended = connection => match ended {
            Ok(()) => talk.await,
            Err(error) => Err(broken(error)),
        },
    }
}

fn tls_config() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("this machine has no certificate authorities; install ca-certificates".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn server(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (port, task)
    }

    fn question(port: u16) -> HttpQuestion {
        let (connect_to, host) = ("127.0.0.1".to_owned(), "shop.example".to_owned());
        let headers = [("X-Stage".to_owned(), "green".to_owned())].into();
        HttpQuestion { connect_to, port, tls: false, host, path: "/healthz?deep=1".into(), headers }
    }

    #[tokio::test]
    async fn a_question_carries_the_host_and_tells_the_status() {
        let (port, task) = server(b"HTTP/1.1 418 x\r\ncontent-length: 2\r\n\r\nhi").await;
        assert_eq!(Network::default().ask(question(port)).await, Ok(418));
        let request = task.await.unwrap();
        assert!(request.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("host: shop.example\r\n"), "{request}");
        assert!(request.contains("x-stage: green\r\n"), "{request}");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (port, _task) = server(b"HTTP/1.1 302 x\r\nlocation: http://127.0.0.1:1/\r\n\r\n").await;
        assert_eq!(Network::default().ask(question(port)).await, Ok(302));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_or_speaks_something_else_is_a_sentence() {
        // Bound, so that nobody else can have the port, and not listened on.
        let closed = tokio::net::TcpSocket::new_v4().unwrap();
        closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = closed.local_addr().unwrap().port();
        let gone = Network::default().ask(question(port)).await.unwrap_err();
        assert!(matches!(&gone, NoAnswer::Refused(why) if why.contains("cannot connect")), "{gone:?}");
        let is_broken = |answer: &Result<u16, NoAnswer>| matches!(answer, Err(NoAnswer::Broken(_)));
        let (port, _task) = server(b"nonsense\r\n\r\n").await;
        let nonsense = Network::default().ask(question(port)).await;
        assert!(is_broken(&nonsense), "{nonsense:?}");
        let (port, _task) = server(b"HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nhi").await;
        let cut = Network::default().ask(question(port)).await;
        assert!(is_broken(&cut), "a cut answer passed: {cut:?}");
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_and_a_server_that_keeps_silent_are_told_apart() {
        let nowhere = HttpQuestion { connect_to: "lb.invalid".into(), ..question(80) };
        let answer = Network::default().ask(nowhere).await;
        assert!(matches!(&answer, Err(NoAnswer::NotSent(_))), "{answer:?}");
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let answer = Network::default().ask(question(silent.local_addr().unwrap().port())).await;
        assert_eq!(answer, Err(NoAnswer::Broken("no answer within 5 seconds".into())));
    }

    #[tokio::test]
    async fn a_certificate_of_nobody_is_refused() {
        let (port, _task) = server(b"HTTP/1.1 200 x\r\n\r\n").await;
        let asked = HttpQuestion { tls: true, ..question(port) };
        let answer = Network::default().ask(asked).await;
        assert!(matches!(&answer, Err(NoAnswer::NotSent(_))), "{answer:?}");
    }
}
