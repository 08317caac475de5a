//! Counts what is asked of Git servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often servers were asked, by all repositories that were opened with the same options.
#[derive(Clone, Debug, Default)]
pub struct GitCalls(Arc<[AtomicU64; 2]>);

impl GitCalls {
    /// How often a list of references was asked for (`ls-remote`).
    pub fn listed(&self) -> u64 {
        self.0[0].load(Ordering::Relaxed)
    }

    /// How often objects were asked for (`fetch`).
    pub fn fetched(&self) -> u64 {
        self.0[1].load(Ordering::Relaxed)
    }

    pub(super) fn note_list(&self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_fetch(&self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }
}
