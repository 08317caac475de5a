//! What an HTTP answer that is not wanted means to the person who reads it.

use super::call::Call;
use super::error::{ErrorKind, SourceError, printable};
use super::url::Remote;
use std::io::{self, Read};
use ureq::{Body, http::Response};

/// An answer that is neither 200 nor a redirect. `tried` says which credential was sent.
pub(super) fn describe_status(remote: &Remote, response: Response<Body>, tried: Option<&str>) -> SourceError {
    let status = response.status().as_u16();
    let said = said(response);
    let with = tried.map_or("no credential".to_owned(), |t| format!("a credential ({t})"));
    let (kind, text) = match status {
        401 => (
            ErrorKind::Auth,
            format!(
                "refuses the credential ({}); check that it is valid and not expired",
                tried.unwrap_or("none")
            ),
        ),
        403 => (
            ErrorKind::Auth,
            format!("forbids access with {with}; check what the token may do and from where"),
        ),
        404 => (
            ErrorKind::NotFound,
            format!(
                "was not found, asked with {with}; check the repoURL, and that the credential may see it (many \
                 hosts answer 404 for a private repository)"
            ),
        ),
        407 => (ErrorKind::Network, "cannot be reached: the proxy asks for a credential".to_owned()),
        429 => (ErrorKind::Network, "asks for fewer requests (429); wait and try again".to_owned()),
        500..=599 => (ErrorKind::Network, format!("failed with HTTP status {status}; try again later")),
        _ => (ErrorKind::Network, format!("answers with HTTP status {status}, which Git does not use here")),
    };
    SourceError::new(kind, format!("{remote} {text}{said}"))
}

/// The first words of a plain-text body: Git hosts explain themselves there.
fn said(response: Response<Body>) -> String {
    let kind = response.headers().get("content-type").and_then(|k| k.to_str().ok()).unwrap_or("");
    if !kind.starts_with("text/plain") {
        return String::new();
    }
    let mut text = Vec::new();
    // An explanation that breaks off is still one.
    let _ = response.into_body().into_reader().take(2_000).read_to_end(&mut text);
    let text = printable(&String::from_utf8_lossy(&text), 300);
    if text.is_empty() { text } else { format!(". It says: {text}") }
}

/// A request that got no answer.
pub(super) fn describe_ureq(call: &Call, error: ureq::Error) -> SourceError {
    let remote = &call.remote;
    let network = |why: String| SourceError::new(ErrorKind::Network, format!("cannot reach {remote}: {why}"));
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) if call.remaining().is_ok() => {
            SourceError::new(ErrorKind::Timeout, format!("{remote} did not accept a connection in time"))
        }
        ureq::Error::Timeout(_) => call.timed_out(),
        ureq::Error::HostNotFound => {
            network(format!("the name {} is not known; check the repoURL's host", remote.host))
        }
        ureq::Error::Rustls(error) => tls(remote, &error),
        ureq::Error::ConnectProxyFailed(why) => {
            network(format!("the proxy refused: {}", printable(&why, 200)))
        }
        ureq::Error::Io(error) => describe_io(call, error),
        other => network(printable(&other.to_string(), 200)),
    }
}

/// An error while bytes were on the way.
pub(super) fn describe_io(call: &Call, error: io::Error) -> SourceError {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|e| e.downcast_ref::<rustls::Error>()) {
        return tls(&call.remote, error);
    }
    let timed_out = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
        || matches!(inner.and_then(|e| e.downcast_ref::<ureq::Error>()), Some(ureq::Error::Timeout(_)));
    if timed_out {
        return call.timed_out();
    }
    let why = printable(&error.to_string(), 200);
    let message = format!("the connection to {} broke: {why}; try again", call.remote);
    SourceError::new(ErrorKind::Network, message)
}

fn tls(remote: &Remote, error: &rustls::Error) -> SourceError {
    let hint = match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            "; if the host uses an authority of your own, name its PEM file in SSL_CERT_FILE"
        }
        _ => "",
    };
    let why = printable(&error.to_string(), 300);
    SourceError::new(ErrorKind::Network, format!("no safe connection to {remote}: {why}{hint}"))
}
