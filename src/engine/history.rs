//! Earlier commits of an application's source: a rollout under way goes on with the documents that it began with.

use super::Trouble;
use crate::model::Manifests;
use futures_util::future::{BoxFuture, LocalBoxFuture};

/// The commits that live slots were last brought to, with the slots' names; read when it is awaited.
pub type LiveCommits<'a> = LocalBoxFuture<'a, Result<Vec<(String, String)>, Trouble>>;

/// What can be known of the commits that an application came from.
pub trait History: Send + Sync {
    /// The application's documents at the commit with this full id; the error is a sentence that says why they can't be had.
    fn documents<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, Result<Manifests, String>>;

    /// True if [`History::confirm`] is to be asked.
    fn is_asked_again(&self) -> bool {
        false
    }

    /// Asked once this run has the application's lock, before it writes anything: whether the documents are
    /// still those that are to be brought about. They may have been read long before.
    ///
    /// # Errors
    /// That they are not, or that it can't be told.
    fn confirm<'a>(&'a self, _live: LiveCommits<'a>) -> LocalBoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }
}

/// No commit is known.
pub struct NoHistory;

impl History for NoHistory {
    fn documents<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Manifests, String>> {
        Box::pin(async { Err("earlier commits can't be read from here".to_owned()) })
    }
}
