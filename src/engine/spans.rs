//! Spans: what of a sync took how long, for a collector of traces. What is logged within one bears its fields, so each has
//! a `phase`. Without a subscriber they cost nothing.

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use std::fmt::Display;
use tracing::{Instrument, Span};

/// Characters that are kept of why something failed.
const WHY: usize = 1_000;

/// A span for a part of a sync: its name, the phase that lines of the log have in it, and more fields. It is part of the
/// span `in`, or else of the one around.
macro_rules! work_span {
    (in $parent:expr, $name:literal, $phase:expr $(, $($field:tt)+)?) => {
        tracing::info_span!(
            parent: $parent,
            $name,
            phase = %$phase,
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty
            $(, $($field)+)?
        )
    };
    ($name:literal, $phase:expr $(, $($field:tt)+)?) => {
        $crate::engine::work_span!(in &tracing::Span::current(), $name, $phase $(, $($field)+)?)
    };
}
pub(crate) use work_span;

/// Says that what `span` stands for failed.
pub(crate) fn failed(span: &Span, why: &dyn Display) {
    if span.is_disabled() {
        return;
    }
    let why: String = why.to_string().chars().take(WHY).collect();
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", why);
}

/// Does `work` within `span`, and says so if it fails. On the heap: a sync is a deep nest of futures, each of which would
/// hold the next one in itself.
pub(crate) fn traced<'a, T: 'a, E: Display + 'a>(
    span: Span,
    work: impl Future<Output = Result<T, E>> + 'a,
) -> LocalBoxFuture<'a, Result<T, E>> {
    let work = work.boxed_local().instrument(span.clone());
    let noted = async move {
        let done = work.await;
        if let Err(why) = &done {
            failed(&span, why);
        }
        done
    };
    noted.boxed_local()
}
