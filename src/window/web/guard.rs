//! Who may look: the browser of somebody who asked for this page, and no page of somebody else within that browser.

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Only our own files, nothing inline, and no text that becomes HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Lets a request pass that names a host it may name and does not come from another site, and puts the headers on its
/// answer.
pub(super) async fn guard(State(names): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&names, request.method(), request.uri().path(), request.headers()) {
        Some((status, text)) => (status, text).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(
    names: &[String],
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<(StatusCode, &'static str)> {
    if *method != Method::GET && *method != Method::HEAD {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "this page only shows; nothing can be changed here\n"));
    }
    // With a name of their own that they point to 127.0.0.1 (DNS rebinding), others could read this from a browser.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| is_known(host, names)) {
        let text =
            "this host name is not known; use the address, localhost, or allow the name by --web-host\n";
        return Some((StatusCode::FORBIDDEN, text));
    }
    // A link from elsewhere may lead to the page. Browsers send the header only where they deem the address safe.
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_foreign = site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"));
    if is_foreign && path != "/" {
        return Some((StatusCode::FORBIDDEN, "other sites may not read this\n"));
    }
    None
}

/// True for an address, localhost and the names given, whatever the port.
fn is_known(host: &str, names: &[String]) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok());
    }
    let name = host.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    is_local || name.parse::<IpAddr>().is_ok() || names.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_names_given_are_known_and_no_other_host() {
        let names = ["Cutover.example".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:8081",
            "a.localhost:1",
            "127.0.0.1:8081",
            "10.1.2.3",
            "[::1]:8081",
            "[fe80::1]",
            "cutover.EXAMPLE:80",
        ] {
            assert!(is_known(host, &names), "{host}");
        }
        for host in [
            "",
            ":8081",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "[evil]",
            "[::1",
            "cutover.example.evil",
        ] {
            assert!(!is_known(host, &names), "{host}");
        }
    }
}
