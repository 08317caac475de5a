//! Caps on what a repository may cost. Each excess is an error that names the number and the cap.

use super::error::{ErrorKind, SourceError};
use std::fmt;

/// The caps. The defaults leave room for ten thousand services and stop what was never meant to be manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes the server may send as its list of references.
    pub advertisement_bytes: u64,
    /// Bytes the server may send for one fetch.
    pub transfer_bytes: u64,
    /// Manifest files under one path.
    pub files: u64,
    /// Bytes in one manifest file.
    pub file_bytes: u64,
    /// Bytes in all manifest files under one path.
    pub total_bytes: u64,
    /// Folders below the application's path.
    pub depth: u64,
    /// Entries of any kind looked at under one path.
    pub entries: u64,
    /// Bytes of one tree object: a folder with about a million files.
    pub tree_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            advertisement_bytes: 64 << 20,
            transfer_bytes: 4 << 30,
            files: 20_000,
            file_bytes: 2 << 20,
            total_bytes: 256 << 20,
            depth: 32,
            entries: 200_000,
            tree_bytes: 32 << 20,
        }
    }
}

/// Fails if `number` is above `cap`; `what` reads like `bytes in apps/web.yaml`.
///
/// # Errors
/// [`ErrorKind::Limit`].
pub(super) fn check(number: u64, cap: u64, what: impl fmt::Display) -> Result<(), SourceError> {
    if number <= cap {
        return Ok(());
    }
    Err(SourceError::new(
        ErrorKind::Limit,
        format!("{number} {what}, but at most {cap} are read; point the application at a smaller folder"),
    ))
}
