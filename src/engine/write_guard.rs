//! The check that a client room makes right before each write: are we still the only writer?

use super::Trouble;
use futures_util::future::BoxFuture;

/// Says whether a write may be sent now. The lease of the application's lock is one.
pub trait WriteGuard: Send + Sync {
    /// Passes, or says why no write may be sent any more.
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>>;
}
