//! The secrets that webhooks are signed with, from files.

use super::Provider;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A secret is read up to here; the rest of a larger file is not part of it, so that it never matches.
const SECRET_BYTES: u64 = 4096;

/// For each provider that may send webhooks, the files with the secrets that are good: several while one takes the
/// place of another. They are read at each delivery, since a mounted Secret changes under the program.
#[derive(Clone, Debug, Default)]
pub struct WebhookSecrets(pub BTreeMap<Provider, Vec<PathBuf>>);

impl WebhookSecrets {
    /// True if the provider may send webhooks at all.
    pub(super) fn expects(&self, provider: Provider) -> bool {
        self.0.get(&provider).is_some_and(|files| !files.is_empty())
    }

    /// The secrets that can be read at this moment, without line breaks at their end. An empty one is left out: anybody
    /// could sign with it.
    pub(super) fn read(&self, provider: Provider) -> Vec<Vec<u8>> {
        self.0.get(&provider).into_iter().flatten().filter_map(|file| read(file)).collect()
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let mut secret = vec![];
    std::fs::File::open(file).ok()?.take(SECRET_BYTES).read_to_end(&mut secret).ok()?;
    while secret.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        secret.pop();
    }
    (!secret.is_empty()).then_some(secret)
}
