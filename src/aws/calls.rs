//! Counts what is called, by operation.

use super::Call;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How often each operation was sent, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    pub operations: BTreeMap<String, CallTally>,
}

/// One operation's numbers. Every attempt counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallTally {
    pub sent: u64,
    pub throttled: u64,
    pub failed: u64,
    pub write: bool,
}

impl CallCounts {
    /// All requests sent.
    pub fn sent(&self) -> u64 {
        self.operations.values().map(|t| t.sent).sum()
    }

    /// The requests that change something.
    pub fn writes(&self) -> u64 {
        self.operations.values().filter(|t| t.write).map(|t| t.sent).sum()
    }

    /// The answers that said "slower".
    pub fn throttled(&self) -> u64 {
        self.operations.values().map(|t| t.throttled).sum()
    }

    /// How often `operation` was sent.
    pub fn of(&self, operation: &str) -> u64 {
        self.operations.get(operation).map_or(0, |t| t.sent)
    }
}

#[derive(Default)]
pub(super) struct Calls(Mutex<CallCounts>);

impl Calls {
    pub(super) fn counts(&self) -> CallCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, call: &Call, change: impl FnOnce(&mut CallTally)) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = counts.operations.entry(call.operation.to_owned()).or_default();
        tally.write = call.is_write();
        change(tally);
    }
}
