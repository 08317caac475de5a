//! What can go wrong between a repository's URL and its files, in words for the person who has to fix it.

use std::fmt;

/// Why a repository could not be read or written. `Display` is one message: what happened, where, why, what to do next.
/// It never contains a password or token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    pub kind: ErrorKind,
    message: String,
    /// True where the local mirror may be what is broken, so that making it anew is worth one try.
    pub(super) mirror_suspect: bool,
}

/// What the caller can make of a [`SourceError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The URL, revision, path or an option is not usable as it is written.
    Usage,
    /// No credential, or one that was refused.
    Auth,
    /// The SSH server's key is unknown, changed or revoked.
    HostKey,
    /// The repository, revision or path does not exist.
    NotFound,
    /// An abbreviated commit or a name means more than one thing.
    Ambiguous,
    /// Nothing came back within the time limit.
    Timeout,
    /// A cap on sizes or counts was exceeded.
    Limit,
    /// A symbolic link lies in the path, or in the place of a document.
    Symlink,
    /// The tree holds something that is not read: a file name that is not UTF-8, or a forged one.
    Content,
    /// The object database is damaged.
    Corrupt,
    /// The connection failed, or the other side does not speak Git.
    Network,
    /// Another process holds the mirror.
    Busy,
    /// The branch moved while a commit for it was made.
    Moved,
    /// The other side refuses the push.
    Rejected,
    /// The cache directory or another local file cannot be used.
    Local,
}

impl SourceError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        SourceError { kind, message: message.into(), mirror_suspect: false }
    }

    /// Marks an error that a broken mirror would also give.
    pub(super) fn suspect(mut self) -> Self {
        self.mirror_suspect = true;
        self
    }

    /// Puts `context` in front of the message.
    pub(super) fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Puts `hint` behind the message.
    pub(super) fn followed_by(mut self, hint: &str) -> Self {
        self.message.push_str(hint);
        self
    }

    /// An error of libgit2 while `doing`. Everything but a network error may be the mirror's fault.
    pub(super) fn git(doing: impl fmt::Display, error: &git2::Error) -> Self {
        use git2::ErrorClass::{FetchHead, Http, Net, Os, Ssh, Ssl};
        let kind = match (error.code(), error.class()) {
            (git2::ErrorCode::Owner, _) => ErrorKind::Local,
            (_, Net | Http | Ssl | Ssh | FetchHead) => ErrorKind::Network,
            (_, Os) => ErrorKind::Local,
            _ => ErrorKind::Corrupt,
        };
        // What the server itself says, over any transport.
        let missing = ["not found", "not exported", "does not exist", "no such", "not a git repository"];
        let said = error.message().strip_prefix("remote error: ").unwrap_or_default().to_lowercase();
        let kind = if missing.iter().any(|m| said.contains(m)) { ErrorKind::NotFound } else { kind };
        let new = SourceError::new(kind, format!("{doing}: {}", printable(error.message(), 300)));
        if matches!(kind, ErrorKind::Network | ErrorKind::NotFound) { new } else { new.suspect() }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SourceError {}

/// Text from outside, fit for a terminal: control characters become spaces, at most `limit` characters.
pub(super) fn printable(text: &str, limit: usize) -> String {
    let clean: String = text.chars().map(|c| if is_hostile(c) { ' ' } else { c }).take(limit).collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().nth(limit).is_some() { format!("{clean}…") } else { clean }
}

/// Control characters, and those that turn the direction of writing.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Bytes that may not be UTF-8, with everything unusual escaped.
pub(super) fn escaped(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_hostile) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_write_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n\nc\u{202e}d", 99), "a [31mb c d");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(escaped(b"a\xffb"), "a\\xffb");
        assert_eq!(escaped("wörld".as_bytes()), "wörld");
    }
}
