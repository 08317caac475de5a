//! The check that a client room makes right before each write: are we still the only writer?

use super::{Trouble, TroubleKind};
use futures_util::future::BoxFuture;
use std::future::Future;
use std::time::Duration;

tokio::task_local! {
    static WAY_BACK: ();
}

/// Marks the writes of `work` as those of a return of traffic: the application's lock holds them up where another run has
/// it, not where it can't be asked ([`may_go_without`]).
pub async fn on_the_way_back<F: Future>(work: F) -> F::Output {
    WAY_BACK.scope((), work).await
}

/// True if what is written now may be written without the application's lock, which could not be taken or renewed because
/// of `trouble`. Only a return of traffic may, and only if nobody else is known to have the lock: it needs the rules and
/// the health of the side that takes over, and a right to write tags may be gone at the worst moment.
pub fn may_go_without(trouble: &Trouble) -> bool {
    let is_unknown = trouble.kind.is_passing()
        || matches!(trouble.kind, TroubleKind::Denied | TroubleKind::Missing | TroubleKind::Crowded);
    is_unknown && WAY_BACK.try_with(|()| ()).is_ok()
}

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
