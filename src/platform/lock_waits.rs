//! Tells that a lock is waited for: who has it, and how long at most.

use super::Owner;
use crate::engine::{Trouble, TroubleKind};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// What one application's run says of its lock; the same sentences on every platform.
pub(super) struct LockWaits {
    application: String,
    sender: UnboundedSender<String>,
    sentences: Mutex<UnboundedReceiver<String>>,
}

impl LockWaits {
    pub(super) fn new(application: &str) -> LockWaits {
        let (sender, receiver) = unbounded_channel();
        LockWaits { application: application.to_owned(), sender, sentences: Mutex::new(receiver) }
    }

    /// Tells that the run that wrote `value` (a tag's value or a Lease's holder) has the lock, and that this is known to be
    /// a dead one after `at_most`.
    pub(super) fn begin(&self, value: &str, at_most: Duration) {
        // Both ends live as long as this does.
        let _ = self.sender.send(format!(
            "the lock of application {}, which {} has: {} s at most, after which a dead run's lock is taken over; a run that \
             is alive shows itself before",
            self.application,
            Owner::describe(value),
            at_most.as_secs()
        ));
    }

    /// The next thing to tell; waits until there is one.
    pub(super) async fn next(&self) -> String {
        match self.sentences.lock().await.recv().await {
            Some(sentence) => sentence,
            None => std::future::pending().await,
        }
    }

    /// Why the lock is not got yet: the time given was over while the run that wrote `value` had it, which would have been
    /// known to be a dead one after `left`.
    pub(super) fn awaited(&self, value: &str, left: Duration) -> Trouble {
        Trouble {
            kind: TroubleKind::LockAwaited,
            doing: "taking the application's lock".into(),
            message: format!(
                "the lock of application {}, which {} has: {} s more at most, after which a dead run's lock is taken over",
                self.application,
                Owner::describe(value),
                left.as_secs()
            ),
        }
    }

    /// Why the lock is not got: the run that wrote `value` is alive.
    pub(super) fn refusal(&self, value: &str) -> String {
        held(&Owner::describe(value), &self.application)
    }
}

/// The pause before a lock that another run has is looked at again, of at most `pause`; `None` if `until` is over.
pub(super) async fn pause_until(pause: Duration, until: Option<Instant>) -> Option<()> {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) {
        return None;
    }
    tokio::time::sleep(left.map_or(pause, |left| left.min(pause))).await;
    Some(())
}

/// Why a lock is not got that `by` keeps.
pub(super) fn held(by: &str, application: &str) -> String {
    format!(
        "{by} works on application {application}; let it end, or stop it there (a dead run's lock is taken over after a \
         minute)"
    )
}
