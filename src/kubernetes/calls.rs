//! Counts what is asked of the API server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Discover,
    Get,
    List,
    Watch,
    /// An apply that changes nothing: the server says what would come of it.
    DryRun,
    Apply,
    Patch,
    Create,
    Replace,
    Delete,
}

impl Verb {
    /// True for what changes something.
    pub fn is_write(self) -> bool {
        matches!(self, Verb::Apply | Verb::Patch | Verb::Create | Verb::Replace | Verb::Delete)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Discover => "discover",
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::DryRun => "dry-run",
            Verb::Apply => "apply",
            Verb::Patch => "patch",
            Verb::Create => "create",
            Verb::Replace => "replace",
            Verb::Delete => "delete",
        })
    }
}

/// How often each verb was sent, by resource (`deployments.apps`). Every attempt and every page counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    pub by_verb: BTreeMap<Verb, BTreeMap<String, u64>>,
    /// The bytes of all answers' bodies, watches aside.
    pub bytes: u64,
}

impl CallCounts {
    /// All requests sent.
    pub fn sent(&self) -> u64 {
        self.by_verb.values().flat_map(BTreeMap::values).sum()
    }

    /// The requests that change something.
    pub fn writes(&self) -> u64 {
        self.by_verb.keys().filter(|verb| verb.is_write()).map(|verb| self.of(*verb)).sum()
    }

    /// How often a verb was sent.
    pub fn of(&self, verb: Verb) -> u64 {
        self.by_verb.get(&verb).map_or(0, |by_resource| by_resource.values().sum())
    }
}

#[derive(Default)]
pub(super) struct Calls(Mutex<CallCounts>);

impl Calls {
    pub(super) fn counts(&self) -> CallCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, verb: Verb, resource: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.by_verb.entry(verb).or_default().entry(resource.to_owned()).or_default() += 1;
    }

    pub(super) fn note_bytes(&self, count: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes += count as u64;
    }
}
