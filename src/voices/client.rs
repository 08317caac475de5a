//! HTTP for what is told: short, bounded, and without a word of the URL in its errors, since a URL may be the secret.

use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// An answer is read that far; no sender needs more.
const ANSWER_BYTES: u64 = 16 << 10;

/// A client whose requests take `timeout` at most, with the system's certificate authorities. It follows no redirect: what
/// it sends holds secrets that are meant for one host.
pub fn agent(timeout: Duration) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(authorities()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("cutover/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(timeout))
        .build()
        .new_agent()
}

fn authorities() -> &'static [Certificate<'static>] {
    static AUTHORITIES: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();
    AUTHORITIES.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        found.certs.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect()
    })
}

/// Why there was no answer, in words that hold nothing of the request.
pub fn describe(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "there was no answer in time",
        ureq::Error::HostNotFound => "the host's name is not known",
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => "there is no safe connection to the host",
        ureq::Error::ConnectionFailed | ureq::Error::Io(_) => "the host can't be reached",
        ureq::Error::ConnectProxyFailed(_) => "the proxy refused",
        ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl => "the URL is not usable",
        _ => "the request failed",
    }
}

/// The beginning of an answer's body.
pub fn beginning(body: &mut ureq::Body) -> Vec<u8> {
    let mut bytes = vec![];
    // An answer that breaks off has said what it could.
    let _ = body.as_reader().take(ANSWER_BYTES).read_to_end(&mut bytes);
    bytes
}
