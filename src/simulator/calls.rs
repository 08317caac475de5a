//! The record of every API call a world was asked.

use super::Millis;
use std::collections::BTreeMap;

/// One API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub at: Millis,
    /// `ecs`, `elbv2`, `cloudwatch` or `sts`.
    pub service: &'static str,
    pub operation: String,
    /// False for Describe, List and Get calls.
    pub is_write: bool,
    /// The error code, or `None` for success.
    pub error: Option<String>,
    /// True if the world was changed or would have been: false for refused, cut and throttled calls.
    pub took_effect: bool,
    /// True if the caller got no answer.
    pub unanswered: bool,
    pub request_bytes: usize,
    pub response_bytes: usize,
}

impl Call {
    /// True if the answer was a throttling error.
    pub fn throttled(&self) -> bool {
        matches!(self.error.as_deref(), Some("ThrottlingException" | "Throttling"))
    }
}

/// At this many calls the older half is forgotten: a simulator may run for days.
const CALLS_MAX: usize = 1_000_000;

/// All calls since the world began or the log was cleared, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallLog {
    calls: Vec<Call>,
}

impl CallLog {
    pub(super) fn push(&mut self, call: Call) {
        if self.calls.len() >= CALLS_MAX {
            self.calls.drain(..CALLS_MAX / 2);
        }
        self.calls.push(call);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.calls.clear();
    }

    /// Every call, oldest first.
    pub fn all(&self) -> &[Call] {
        &self.calls
    }

    /// Those that change something, whatever came of them.
    pub fn writes(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.is_write)
    }

    /// How often `operation` was called.
    pub fn count(&self, operation: &str) -> usize {
        self.calls.iter().filter(|call| call.operation == operation).count()
    }

    /// Calls by operation.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for call in &self.calls {
            *counts.entry(call.operation.as_str()).or_default() += 1;
        }
        counts
    }

    /// How many calls were answered with a throttling error.
    pub fn throttled(&self) -> usize {
        self.calls.iter().filter(|call| call.throttled()).count()
    }
}
