//! One connection to a remote: its references, and fetches of some of them.

use super::GitOptions;
use super::call::Call;
use super::error::{ErrorKind, SourceError};
use super::revision::{Reference, References};
use super::transport::{self, with_call};
use super::url::Remote;
use git2::{AutotagOption, Direction, FetchOptions, Oid, RemoteCallbacks, Repository};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// Fetches no history behind the commits, all of it, or as many commits.
///
/// Libgit2 tells the server where the mirror's history is cut off only in a fetch with a depth. A fetch without one
/// into a mirror that is cut off would claim all of that history, and be sent too little. So a mirror is either cut off
/// and always fetched with a depth, or has full history and is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// As much as the mirror needs in order to stay whole: nothing is cut off.
    Complete,
    Commits(u16),
    /// Lifts the cut of an earlier fetch.
    Unshallow,
}

/// A connection that has listed the remote's references.
pub(super) struct Session<'r> {
    pub call: Arc<Call>,
    pub remote: git2::Remote<'r>,
    pub references: References,
}

impl<'r> Session<'r> {
    /// Connects and reads the list of references.
    ///
    /// # Errors
    /// Those of the transport: [`ErrorKind::Auth`], [`ErrorKind::HostKey`], [`ErrorKind::Network`] and so on.
    pub fn connect(
        repo: &'r Repository,
        remote: &Remote,
        options: &GitOptions,
        deadline: Instant,
        direction: Direction,
    ) -> Result<Self, SourceError> {
        let call = Arc::new(Call::new(remote, options, deadline));
        let _span = tracing::info_span!("list references").entered();
        options.calls.note_list();
        let mut connection =
            repo.remote_anonymous(transport::URL).map_err(|e| SourceError::git("libgit2", &e))?;
        let listed = with_call(&call, "reading the references of", || {
            connection.connect(direction)?;
            connection.list().map(list)
        });
        // Libgit2 does not understand the list of a repository that is itself a shallow clone.
        let listed = listed.map_err(|error| {
            let hint = "; is that repository a shallow clone? Those cannot be read; run `git fetch --unshallow` in it";
            if error.to_string().ends_with("invalid packet line") { error.followed_by(hint) } else { error }
        })?;
        let unusable = || {
            let message = format!("{remote} has a reference whose name is not UTF-8, which is not supported");
            SourceError::new(ErrorKind::Content, message)
        };
        let references = listed.ok_or_else(unusable)?;
        Ok(Session { call, remote: connection, references })
    }

    /// Fetches the references or full commits `wants`. The connection is used up.
    ///
    /// # Errors
    /// Those of the transport. Without a word from it the server refused: [`ErrorKind::Network`] or a suspect one.
    pub fn fetch(mut self, wants: &[String], depth: Depth) -> Result<(), SourceError> {
        let _span = tracing::info_span!("fetch").entered();
        self.call.calls.note_fetch();
        let mut callbacks = RemoteCallbacks::new();
        // Indexing what came takes time of its own, in which no byte is read.
        let call = self.call.clone();
        callbacks.transfer_progress(move |_| call.remaining().is_ok());
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks).download_tags(AutotagOption::None).update_fetchhead(false);
        options.depth(match depth {
            Depth::Complete => 0,
            Depth::Commits(commits) => i32::from(commits),
            // The protocol's number for everything, as Git sends it for --unshallow.
            Depth::Unshallow => i32::MAX,
        });
        let remote = &mut self.remote;
        with_call(&self.call, "fetching from", || remote.download(wants, Some(&mut options)))
    }
}

/// The references as listed; nothing if a name is not UTF-8, for which git2 knows only to panic.
fn list(heads: &[git2::RemoteHead<'_>]) -> Option<References> {
    catch_unwind(AssertUnwindSafe(|| {
        let mut found = References::default();
        let mut peeled: BTreeMap<String, Oid> = BTreeMap::new();
        for head in heads {
            match head.name().strip_suffix("^{}") {
                Some(tag) => {
                    peeled.insert(tag.to_owned(), head.oid());
                }
                None => {
                    if head.name() == "HEAD" {
                        found.head = head.symref_target().map(str::to_owned);
                    }
                    let id = head.oid();
                    found.list.push(Reference { name: head.name().to_owned(), id, commit: id });
                }
            }
        }
        for reference in &mut found.list {
            reference.commit = peeled.get(&reference.name).copied().unwrap_or(reference.id);
        }
        found
    }))
    .ok()
}
