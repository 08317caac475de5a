//! The check that a client room makes right before each write: are we still the only writer?

use super::{Begun, Trouble, TroubleKind};
use futures_util::future::BoxFuture;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

tokio::task_local! {
    static WAY_BACK: ();
}

/// For how long a lease that can't be renewed is asked for before an observation goes on without the answer.
const ASK_FOR: Duration = Duration::from_secs(8);
/// For how long a lock that could not be asked is not asked again on the way back.
const NOT_AGAIN_FOR: Duration = Duration::from_secs(300);

/// Marks the writes of `work` as those of a return of traffic: the application's lock holds them up where another run has
/// it, not where it can't be asked ([`may_go_without`]).
pub async fn on_the_way_back<F: Future>(work: F) -> F::Output {
    WAY_BACK.scope((), work).await
}

/// True within [`on_the_way_back`].
pub(crate) fn is_on_the_way_back() -> bool {
    WAY_BACK.try_with(|()| ()).is_ok()
}

/// True if what is written now may be written without the application's lock, which could not be taken or renewed because
/// of `trouble`. Only a return of traffic may, and only if nobody else is known to have the lock: it needs the rules and
/// the health of the side that takes over, and a right to write tags may be gone at the worst moment.
pub fn may_go_without(trouble: &Trouble) -> bool {
    let is_unknown = trouble.kind.is_passing()
        || matches!(trouble.kind, TroubleKind::Denied | TroubleKind::Missing | TroubleKind::Crowded);
    is_unknown && is_on_the_way_back()
}

/// A lease that is shown to the others while its run waits: only one that is lost ends the wait. One that could not be
/// renewed is asked for again before the next write.
///
/// # Errors
/// That it is lost.
pub async fn kept_alive(check: impl Future<Output = Result<(), Trouble>>) -> Result<(), Trouble> {
    match tokio::time::timeout(ASK_FOR, check).await {
        Ok(Err(trouble)) if trouble.kind == TroubleKind::Rejected => Err(trouble),
        _ => Ok(()),
    }
}

/// Remembers that a return goes on without the lock, so that not each of its writes waits for it anew.
#[derive(Debug, Default)]
pub struct Without(Mutex<Option<Begun>>);

impl Without {
    /// True if it was tried in vain not long ago and what is written now may do without it.
    pub fn is_known(&self) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        is_on_the_way_back() && since.is_some_and(|since| since.elapsed() < NOT_AGAIN_FOR)
    }

    /// Notes that it was tried in vain. What was observed may be old by now.
    pub fn note(&self, vain: &Trouble) -> Trouble {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Begun::now());
        Trouble {
            kind: TroubleKind::LookAgain,
            doing: "taking the application's lock".into(),
            message: format!("it can't be asked, and a return goes on without it: {vain}"),
        }
    }
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
