//! The log: one line for each event, as JSON for machines or as text for people.

mod clean;
mod fields;
mod lines;
mod voice;

pub use lines::Lines;
pub use voice::LogVoice;

use super::traces::Tracing;
use std::io::Write;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What was started; traces that have not been sent yet go out when it is stopped.
pub struct Logging {
    traces: Option<Tracing>,
}

impl Logging {
    /// Sends what is left of the traces. Blocks for some seconds at most; not on a thread of the runtime.
    pub fn stop(self) {
        if let Some(traces) = self.traces {
            traces.stop();
        }
    }
}

/// Starts the log of the whole process, and its traces if a collector is named: an `http://` or `https://` URL, to which
/// `/v1/traces` is added if it has no path.
///
/// Of the program itself everything down to `level` is written, of the libraries only warnings.
///
/// # Errors
/// A sentence if the URL is not usable, or if a log was started before.
pub fn start(
    format: LogFormat,
    level: LevelFilter,
    otlp_endpoint: Option<&str>,
    out: impl Write + Send + 'static,
) -> Result<Logging, String> {
    let traces = otlp_endpoint.map(Tracing::start).transpose()?;
    let is_told = |meta: &Metadata<'_>| is_own(meta.target()) && *meta.level() <= Level::INFO;
    let spans = traces.as_ref().map(|traces| traces.layer().with_filter(filter_fn(is_told)));
    let subscriber = tracing_subscriber::registry().with(lines(format, level, out)).with(spans);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| "a log was started before".to_owned())?;
    Ok(Logging { traces })
}

/// The layer that writes lines.
fn lines<S>(format: LogFormat, level: LevelFilter, out: impl Write + Send + 'static) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let limit = move |target: &str| if is_own(target) { level } else { level.min(LevelFilter::WARN) };
    // Spans of the program itself always: the fields of a warning are theirs.
    let is_told = move |meta: &Metadata<'_>| {
        meta.is_span() && is_own(meta.target()) || *meta.level() <= limit(meta.target())
    };
    Lines::new(format, out).with_filter(filter_fn(is_told))
}

fn is_own(target: &str) -> bool {
    target == "cutover" || target.starts_with("cutover::")
}
