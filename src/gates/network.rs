//! Asks over real connections.

use super::{Asker, HttpQuestion};
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
    fn ask(&self, question: HttpQuestion) -> BoxFuture<'_, Result<u16, String>> {
        Box::pin(async move {
            tokio::time::timeout(TIMEOUT, self.exchange(question))
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {} seconds", TIMEOUT.as_secs())))
        })
    }
}

impl Network {
    async fn exchange(&self, question: HttpQuestion) -> Result<u16, String> {
        let address = (question.connect_to.as_str(), question.port);
        let tcp = TcpStream::connect(address)
            .await
            .map_err(|error| format!("cannot connect to {}:{}: {error}", address.0, address.1))?;
        if !question.tls {
            return status(tcp, &question).await;
        }
        let config = self.tls.get_or_init(tls_config).clone()?;
        let host = question.host.split(':').next().unwrap_or(&question.host).to_owned();
        let name = ServerName::try_from(host).map_err(|_| {
            format!("`{}` is no host name that a certificate can be valid for; set host", question.host)
        })?;
        let tls = tokio_rustls::TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(|error| format!("TLS for {}: {error}", question.host))?;
        status(tls, &question).await
    }
}

async fn status<S>(stream: S, question: &HttpQuestion) -> Result<u16, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = http::Request::get(&question.path)
        .header(http::header::HOST, &question.host)
        .header(http::header::CONNECTION, "close");
    if !question.headers.keys().any(|name| name.eq_ignore_ascii_case("user-agent")) {
        request = request.header(http::header::USER_AGENT, USER_AGENT);
    }
    for (name, value) in &question.headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| format!("not a request: {error}"))?;
    let broken = |error: hyper::Error| format!("the connection broke: {error}");
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
        assert!(gone.contains("cannot connect"), "{gone}");
        let (port, _task) = server(b"nonsense\r\n\r\n").await;
        assert!(Network::default().ask(question(port)).await.is_err());
        let (port, _task) = server(b"HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nhi").await;
        assert!(Network::default().ask(question(port)).await.is_err(), "a cut answer passed");
    }

    #[tokio::test]
    async fn a_certificate_of_nobody_is_refused() {
        let (port, _task) = server(b"HTTP/1.1 200 x\r\n\r\n").await;
        let asked = HttpQuestion { tls: true, ..question(port) };
        assert!(Network::default().ask(asked).await.is_err());
    }
}
