//! Commits that were looked for in vain.

use super::error::{ErrorKind, SourceError};
use super::mirrored::Source;
use super::revision::References;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Revisions that are remembered.
const REMEMBERED: usize = 1_000;

/// Remembers, as long as the process lives, for which commits the whole history of a repository was read and did not have
/// them: until the references change nobody has to look again. Clones remember together.
#[derive(Clone, Debug, Default)]
pub struct Searched(Arc<Mutex<HashMap<String, Vain>>>);

#[derive(Debug)]
struct Vain {
    /// Of the references at that time.
    digest: [u8; 32],
    message: String,
}

impl Searched {
    /// Why there is no such commit, if it was looked for while the references were the same.
    pub(super) fn in_vain(
        &self,
        on: &Source<'_>,
        revision: &str,
        references: &References,
    ) -> Option<SourceError> {
        let known = self.known();
        let vain = known.get(&key(on, revision)).filter(|vain| vain.digest == digest(references))?;
        Some(SourceError::new(ErrorKind::NotFound, vain.message.clone()))
    }

    /// Notes that the whole history does not have it.
    pub(super) fn note(&self, on: &Source<'_>, revision: &str, references: &References, error: &SourceError) {
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let vain = Vain { digest: digest(references), message: error.to_string() };
        known.insert(key(on, revision), vain);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Vain>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mirror, which is one identity's, and the revision.
fn key(on: &Source<'_>, revision: &str) -> String {
    format!("{} {} {revision}", on.options.cache_dir.display(), on.remote.file_name())
}

fn digest(references: &References) -> [u8; 32] {
    let mut hash = Sha256::new();
    for reference in &references.list {
        hash.update(format!("{} {}\n", reference.name, reference.id));
    }
    hash.finalize().into()
}
