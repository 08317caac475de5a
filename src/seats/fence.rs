//! The check before each write: is the seat surely ours until that write has ended?

use super::desk::{Closed, Desk};
use super::moment::Moment;
use crate::engine::{Clock, Trouble, TroubleKind, WriteGuard};
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// One tenure of a seat; when that has ended it never passes again.
pub(super) struct Fence {
    pub desk: Arc<Mutex<Desk>>,
    pub origin: Instant,
    pub seat: u32,
    pub tenure: u64,
    /// The uid of the seat's Lease; empty for a fence that never passes.
    pub uid: String,
}

impl Fence {
    fn pass(&self) -> Result<(), Trouble> {
        let closed = {
            let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
            // The clocks are read with the desk in hand: whoever waits for it may wait for long.
            desk.check(self.seat, self.tenure, now(self.origin))
        };
        let (kind, message) = match closed {
            Ok(()) => return Ok(()),
            Err(Closed::Lost) => {
                (TroubleKind::Rejected, "this process no longer works for the application".to_owned())
            }
            Err(Closed::Unsure(age)) => (
                TroubleKind::Transient,
                format!(
                    "its Lease was last renewed {} seconds ago; nothing is written until it is again",
                    age.as_secs()
                ),
            ),
        };
        Err(Trouble { kind, doing: format!("keeping seat {}", self.seat), message })
    }
}

impl WriteGuard for Fence {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        Box::pin(async { self.pass() })
    }

    fn seat(&self) -> Option<String> {
        Some(self.uid.clone()).filter(|uid| !uid.is_empty())
    }
}

/// Now, on both clocks of this machine.
pub(super) fn now(origin: Instant) -> Moment {
    Moment { monotonic: origin.elapsed(), wall: Clock::system() }
}
