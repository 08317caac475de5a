//! TLS for https://: rustls with ring, and the system's certificate authorities.

use super::call::Call;
use super::error::{ErrorKind, SourceError};
use super::given::Given;
use std::sync::{Arc, OnceLock};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// The configuration for one client. Without any authority at all, the first https:// request explains itself here.
pub(super) fn config(call: &Call) -> Result<TlsConfig, SourceError> {
    let mut roots = system_roots().to_vec();
    if let Some(path) = &call.auth.ca_file {
        let shown = path.display().to_string();
        let pem = std::fs::read(path)
            .map_err(|error| SourceError::new(ErrorKind::Usage, format!("{shown}: {error}")))?;
        roots.extend(certificates(&shown, &pem)?);
    }
    if let Some(Given { origin: Some(origin), authorities: Some(pem), .. }) = &call.auth.given {
        roots.extend(certificates(origin, pem)?);
    }
    if roots.is_empty() && call.remote.scheme == super::url::Scheme::Https {
        let message = "this system has no certificate authorities (the package is often called ca-certificates); \
                       install them, or name a PEM file in SSL_CERT_FILE";
        return Err(SourceError::new(ErrorKind::Local, message));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(&roots))
        .build())
}

/// The authorities of this system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`; read once. Single unreadable files are
/// skipped as other programs skip them.
fn system_roots() -> &'static [Certificate<'static>] {
    static ROOTS: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        found.certs.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect()
    })
}

fn certificates(origin: &str, pem: &[u8]) -> Result<Vec<Certificate<'static>>, SourceError> {
    let wrong = |why: String| SourceError::new(ErrorKind::Usage, format!("{origin}: {why}"));
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(wrong("it holds no certificate".into())) } else { Ok(certificates) }
}
