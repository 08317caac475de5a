//! The check of an SSH server's key, and the words for one that is not accepted.

use super::call::Call;
use super::error::{ErrorKind, SourceError};
use super::known_hosts::{KnownHosts, Verdict};
use russh::client;
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use std::sync::Arc;

/// Accepts the server's key if it is recorded, and nothing else.
pub(super) struct Checker {
    call: Arc<Call>,
    known: KnownHosts,
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum Problem {
    HostKey(SourceError),
    Ssh(russh::Error),
}

impl From<russh::Error> for Problem {
    fn from(error: russh::Error) -> Self {
        Problem::Ssh(error)
    }
}

impl Checker {
    pub fn new(call: Arc<Call>, known: KnownHosts) -> Self {
        Checker { call, known }
    }
}

impl client::Handler for Checker {
    type Error = Problem;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Problem> {
        let key = shown.public_key();
        let (host, port) = (&self.call.remote.host, self.call.remote.port());
        match self.known.check(host, port, &key) {
            Verdict::Known => Ok(true),
            refused => Err(Problem::HostKey(self.explain(&key, &refused))),
        }
    }
}

impl Checker {
    fn explain(&self, key: &PublicKey, verdict: &Verdict) -> SourceError {
        let (host, port) = (&self.call.remote.host, self.call.remote.port());
        let kind = key.algorithm();
        let print = key.fingerprint(HashAlg::Sha256);
        let name = super::known_hosts::name(host, port);
        let file = self.call.auth.known_hosts.first();
        let file = file.map_or("~/.ssh/known_hosts".to_owned(), |f| f.display().to_string());
        let message = match verdict {
            Verdict::Changed(place) => format!(
                "the key of {name} is not the one in {}:{}. Either the host has a new key, or somebody else \
                 answers in its place; nothing was sent. It shows {kind} {print}: if the host's owners confirm \
                 that, remove the old key with `ssh-keygen -R '{name}' -f {}` and add the new one",
                place.file.display(),
                place.line,
                place.file.display(),
            ),
            Verdict::Revoked(place) => format!(
                "the key of {name} ({kind} {print}) is revoked by {}:{}; nothing was sent",
                place.file.display(),
                place.line,
            ),
            Verdict::Known | Verdict::Unknown if self.call.auth.given.is_some() => {
                let secret = self.call.auth.given.as_ref().and_then(|given| given.origin.clone());
                let place = secret.unwrap_or_else(|| "a Secret that spec.source.secretRef names".into());
                format!(
                    "the host {name} is not known, so nothing was sent. It shows {kind} {print}: compare that with what \
                     the host publishes, then put the line that ssh-keyscan prints for it under known_hosts in {place}"
                )
            }
            Verdict::Known | Verdict::Unknown => {
                let port = if port == 22 { String::new() } else { format!("-p {port} ") };
                let scan = kind
                    .as_str()
                    .trim_start_matches("ssh-")
                    .split('-')
                    .next()
                    .unwrap_or("ed25519")
                    .to_owned();
                format!(
                    "the host {name} is not known, so nothing was sent. It shows {kind} {print}: compare that with \
                     what the host publishes, then run `ssh-keyscan {port}-t {scan} {host} >> {file}`"
                )
            }
        };
        SourceError::new(ErrorKind::HostKey, message)
    }
}
