//! Traces by OpenTelemetry's protocol over HTTP: a span for each reconcile, with what happened in it.

mod sender;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use sender::Sender;
use std::time::Duration;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// A collector has that long for an answer, and the last traces have it at the end of the process.
const LIMIT: Duration = Duration::from_secs(10);

/// Sends spans to a collector, from a thread of its own. Spans beyond a bound are dropped, never waited for.
pub struct Tracing {
    provider: SdkTracerProvider,
}

impl Tracing {
    /// Starts the thread; the collector need not be there.
    ///
    /// # Errors
    /// A sentence if the URL is not usable.
    pub fn start(endpoint: &str) -> Result<Tracing, String> {
        let url = url(endpoint)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new(LIMIT))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .with_timeout(LIMIT)
            .build()
            .map_err(|error| format!("traces can't be sent: {error}"))?;
        let resource = Resource::builder_empty()
            .with_service_name("cutover")
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Tracing { provider })
    }

    /// The layer of a subscriber that makes spans of the program's.
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer("cutover")).with_location(false)
    }

    /// Sends what is left. Blocks; not on a thread of the runtime.
    pub fn stop(self) {
        // What a collector does not take now is lost, which harms nobody.
        let _ = self.provider.shutdown_with_timeout(LIMIT);
    }
}

/// The endpoint, with the usual path if it has none.
fn url(endpoint: &str) -> Result<String, String> {
    let rest = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic()) => {
            match rest.trim_end_matches('/').contains('/') {
                true => Ok(endpoint.to_owned()),
                false => Ok(format!("{}/v1/traces", endpoint.trim_end_matches('/'))),
            }
        }
        _ => Err("the collector's URL must begin with http:// or https://".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn a_collector_without_a_path_gets_the_usual_one() {
        for (endpoint, want) in [
            ("http://collector:4318", Some("http://collector:4318/v1/traces")),
            ("https://collector/", Some("https://collector/v1/traces")),
            ("https://collector/otlp/v1/traces", Some("https://collector/otlp/v1/traces")),
            ("collector:4318", None),
            ("grpc://collector", None),
            ("http://", None),
        ] {
            assert_eq!(url(endpoint).ok().as_deref(), want, "{endpoint}");
        }
    }
}
