//! OpenSSH's `known_hosts`, read as sshd(8) describes it. The reader that comes with russh is not used: it takes a line
//! marked `@revoked` for a host of that name, knows no patterns, and reads an unreadable file as an empty one.

use super::error::{ErrorKind, SourceError};
use russh::keys::{Algorithm, PublicKey, parse_public_key_base64};
use std::io::Read;
use std::path::{Path, PathBuf};

/// All lines of all files.
pub(super) struct KnownHosts {
    entries: Vec<Entry>,
}

struct Entry {
    place: Place,
    revoked: bool,
    hosts: String,
    key: PublicKey,
}

/// A line, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub file: PathBuf,
    pub line: usize,
}

/// What the files say about a server's key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Known,
    Unknown,
    /// Another key is recorded for this host.
    Changed(Place),
    Revoked(Place),
}

/// Nobody's file is larger.
const SIZE_LIMIT: u64 = 8 << 20;

impl KnownHosts {
    /// Reads the files; those that do not exist have no lines.
    ///
    /// # Errors
    /// [`ErrorKind::HostKey`] if a file exists and can not be read: its lines might revoke a key.
    pub fn read(files: &[PathBuf]) -> Result<Self, SourceError> {
        let mut entries = Vec::new();
        for file in files {
            let opened = match std::fs::File::open(file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                opened => opened,
            };
            let mut text = Vec::new();
            let read = opened.and_then(|f| f.take(SIZE_LIMIT).read_to_end(&mut text));
            read.map_err(|error| {
                let message = format!("cannot read the known hosts in {}: {error}", file.display());
                SourceError::new(ErrorKind::HostKey, message)
            })?;
            entries.extend(parse(&String::from_utf8_lossy(&text), file));
        }
        Ok(KnownHosts { entries })
    }

    /// Reads lines that are no file's; `origin` stands for the file's name.
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Self {
        KnownHosts { entries: parse(&String::from_utf8_lossy(bytes), Path::new(origin)) }
    }

    /// Judges the key that the server at `host` and `port` showed.
    pub fn check(&self, host: &str, port: u16, key: &PublicKey) -> Verdict {
        let same = |entry: &&Entry| entry.key.key_data() == key.key_data();
        let name = name(host, port);
        // As OpenSSH does, a key without a port is good for every port, but says nothing against another key there.
        let anywhere =
            |entry: &&Entry| matches_hosts(&entry.hosts, &name) || matches_hosts(&entry.hosts, host);
        let here: Vec<&Entry> = self.entries.iter().filter(anywhere).collect();
        if let Some(entry) = here.iter().copied().filter(|e| e.revoked).find(same) {
            return Verdict::Revoked(entry.place.clone());
        }
        let mut valid = here.into_iter().filter(|e| !e.revoked);
        if valid.clone().any(|entry| same(&entry)) {
            return Verdict::Known;
        }
        let other = valid.find(|e| matches_hosts(&e.hosts, &name));
        other.map_or(Verdict::Unknown, |entry| Verdict::Changed(entry.place.clone()))
    }

    /// The kinds of key recorded for the host, so that the server is asked for one of these.
    pub fn algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        let name = name(host, port);
        let matching = |e: &&Entry| matches_hosts(&e.hosts, &name) || matches_hosts(&e.hosts, host);
        self.entries.iter().filter(|e| !e.revoked).filter(matching).map(|e| e.key.algorithm()).collect()
    }
}

/// The name under which OpenSSH records a host.
pub(super) fn name(host: &str, port: u16) -> String {
    if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
}

/// Lines that are not understood, and those for certificate authorities, record no key: the host stays unknown.
fn parse(text: &str, file: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut fields = line.split_whitespace();
        let Some(mut hosts) = fields.next() else { continue };
        let revoked = hosts == "@revoked";
        if revoked {
            let Some(next) = fields.next() else { continue };
            hosts = next;
        } else if hosts.starts_with(['@', '#']) {
            continue;
        }
        let key = fields.nth(1).and_then(|key| parse_public_key_base64(key).ok());
        if let Some(key) = key {
            let place = Place { file: file.to_owned(), line: index + 1 };
            entries.push(Entry { place, revoked, hosts: hosts.to_owned(), key });
        }
    }
    entries
}

/// True if the field `hosts` (names, `*` and `?` patterns, `!` exceptions, or one hash) covers `name`.
fn matches_hosts(hosts: &str, name: &str) -> bool {
    if let Some(hash) = hosts.strip_prefix("|1|") {
        return matches_hash(hash, name).unwrap_or(false);
    }
    let name = name.to_ascii_lowercase();
    let mut found = false;
    for pattern in hosts.split(',') {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_pattern(pattern.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches_pattern(pattern.as_bytes(), name.as_bytes()),
        }
    }
    found
}

/// `salt|hash`, both in base64: HMAC-SHA1 of the name under the salt.
fn matches_hash(hash: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hash.split_once('|')?;
    let salt = data_encoding::BASE64.decode(salt.as_bytes()).ok()?;
    let hash = data_encoding::BASE64.decode(hash.as_bytes()).ok()?;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(ring::hmac::verify(&key, name.as_bytes(), &hash).is_ok())
}

/// `*` stands for any characters, `?` for one. Linear in both: a hostile pattern costs nothing.
fn matches_pattern(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, t));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
#[path = "known_hosts_tests.rs"]
mod tests;
