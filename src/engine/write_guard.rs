//! The check that a client room makes right before each write: are we still the only writer?

use super::Trouble;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// A write has ended, done or not, so long after the check that let it pass. The rooms of the clients keep to it, and
/// every lease is computed from it.
pub const WRITE_BOUND: Duration = Duration::from_secs(30);

/// Says whether a write may be sent now. The lease of the application's lock is one, the fence of a seat another.
pub trait WriteGuard: Send + Sync {
    /// Passes, or says why no write may be sent any more.
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>>;

    /// Names the seat that the writer works from, if it has one. Whoever has a guard of that name which passes can be
    /// sure that no write of an earlier holder is under way.
    fn seat(&self) -> Option<String> {
        None
    }
}
