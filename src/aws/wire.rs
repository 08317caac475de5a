//! The HTTP client under the SDK: rustls, proxies from the environment, a time limit for the whole exchange and a
//! bound on what an answer may weigh.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use std::net::IpAddr;
use std::time::Duration;

/// From sending a request to the last byte of its answer.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The heaviest answers (ten services with their events, a hundred targets) are below 1 MB.
const BODY_LIMIT: usize = 16 << 20;

/// The client for all AWS calls; `instead` takes the network's place.
pub(super) fn client(instead: Option<SharedHttpClient>) -> SharedHttpClient {
    SharedHttpClient::new(match instead {
        Some(http) => Wire { direct: http.clone(), proxied: http },
        None => Wire { direct: network(ProxyConfig::disabled()), proxied: network(ProxyConfig::from_env()) },
    })
}

fn network(proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    })
}

#[derive(Debug)]
struct Wire {
    direct: SharedHttpClient,
    proxied: SharedHttpClient,
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(WireConnector {
            direct: self.direct.http_connector(settings, components),
            proxied: self.proxied.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct WireConnector {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
}

impl HttpConnector for WireConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let inner = if is_local(request.uri()) { &self.direct } else { &self.proxied };
        let exchange = inner.call(request);
        HttpConnectorFuture::new(async move {
            let bounded = async { read_whole(exchange.await?).await };
            tokio::time::timeout(EXCHANGE_TIMEOUT, bounded)
                .await
                .map_err(|_| ConnectorError::timeout("no full answer within 30 seconds".into()))?
        })
    }
}

/// Takes the body into memory here, so that a server that trickles or floods is cut off.
async fn read_whole(mut response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    if response.body().bytes().is_some_and(|b| b.len() <= BODY_LIMIT) {
        return Ok(response);
    }
    let body = response.take_body();
    let whole = Limited::new(body, BODY_LIMIT).collect().await.map_err(ConnectorError::io)?.to_bytes();
    *response.body_mut() = SdkBody::from(whole);
    Ok(response)
}

/// True for this machine and for link-local addresses (the metadata and container credential services): no proxy can
/// reach these.
fn is_local(uri: &str) -> bool {
    let Ok(uri) = uri.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|ip| {
            ip.is_loopback()
                || match ip {
                    IpAddr::V4(v4) => v4.is_link_local(),
                    IpAddr::V6(v6) => v6.is_unique_local(),
                }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_asked_for_what_only_this_machine_can_reach() {
        for uri in [
            "http://127.0.0.1:4566/",
            "http://localhost:1/",
            "http://169.254.170.2/creds",
            "http://[::1]:80/",
        ] {
            assert!(is_local(uri), "{uri}");
        }
        for uri in ["https://ecs.eu-central-1.amazonaws.com/", "http://10.0.0.1/", "nonsense"] {
            assert!(!is_local(uri), "{uri}");
        }
    }
}
