//! Writes one line for each event. An event that concerns an application bears `application`, `revision` and `phase`, of
//! its own or of the span that it is in.

use super::LogFormat;
use super::fields::Fields;
use crate::model::Timestamp;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// What comes first on a line, in this order; everything else follows.
const FIRST: [&str; 4] = ["application", "revision", "phase", "message"];

/// The layer of a subscriber that writes lines.
pub struct Lines<W> {
    format: LogFormat,
    clock: fn() -> SystemTime,
    out: Mutex<W>,
}

impl<W: Write> Lines<W> {
    /// Lines with the time of this machine's wall clock: they are compared with those of other programs.
    pub fn new(format: LogFormat, out: W) -> Lines<W> {
        Lines { format, clock: SystemTime::now, out: Mutex::new(out) }
    }

    /// The same with another clock.
    pub fn with_clock(self, clock: fn() -> SystemTime) -> Lines<W> {
        Lines { clock, ..self }
    }

    fn write(&self, meta: &Metadata<'_>, fields: &Fields) {
        let time = shown((self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default());
        let line = match self.format {
            LogFormat::Json => json(&time, meta, fields),
            LogFormat::Text => text(&time, meta, fields),
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the log itself can't be written, there is nobody to tell.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

/// `2026-11-25T21:19:16.042Z`
fn shown(since_1970: Duration) -> String {
    let seconds = Timestamp(since_1970.as_secs()).to_string();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), since_1970.subsec_millis())
}

fn json(time: &str, meta: &Metadata<'_>, fields: &Fields) -> String {
    let mut line = Map::new();
    line.insert("time".into(), time.into());
    line.insert("level".into(), meta.level().as_str().to_lowercase().into());
    for name in FIRST {
        if let Some(value) = fields.get(name) {
            line.insert(name.into(), value.into());
        }
    }
    for (name, value) in &fields.0 {
        if !line.contains_key(*name) {
            line.insert((*name).into(), value.as_str().into());
        }
    }
    line.insert("target".into(), meta.target().into());
    Value::Object(line).to_string() + "\n"
}

/// `2026-11-25T21:19:16.042Z INFO  team-a/shop 1a2b3c4: message key=value`
fn text(time: &str, meta: &Metadata<'_>, fields: &Fields) -> String {
    let mut line = format!("{time} {:<5}", meta.level().as_str());
    let revision = fields.get("revision").map(|revision| revision.get(..7).unwrap_or(revision));
    for value in
        [fields.get("application"), revision.filter(|revision| !revision.is_empty())].into_iter().flatten()
    {
        line.push(' ');
        line.push_str(value);
    }
    if fields.get("application").is_some() {
        line.push(':');
    }
    line.push(' ');
    line.push_str(fields.get("message").unwrap_or_default());
    for (name, value) in
        fields.0.iter().filter(|(name, _)| !["application", "revision", "message"].contains(name))
    {
        // Writing to a String can't fail.
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    line
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Write + Send + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Fields>() {
                fields.add_missing(around);
            }
        }
        self.write(event.metadata(), &fields);
    }
}
