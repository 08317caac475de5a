//! Signs of life, for those who ask whether this process is well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The loop beats every few seconds; one that has not for so long hangs.
const SILENCE: Duration = Duration::from_secs(60);

/// The controller's pulse.
#[derive(Debug, Default)]
pub struct Pulse {
    last: Mutex<Option<Instant>>,
    is_listed: AtomicBool,
}

impl Pulse {
    /// The loop has come round.
    pub fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Everything that is registered is known.
    pub fn listed(&self) {
        self.is_listed.store(true, Ordering::Relaxed);
    }

    /// True if the loop has come round lately.
    pub fn is_alive(&self) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < SILENCE)
    }

    /// True if it knows what is registered: it can take over work, or already does it.
    pub fn is_ready(&self) -> bool {
        self.is_alive() && self.is_listed.load(Ordering::Relaxed)
    }
}
