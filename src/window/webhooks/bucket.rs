//! How often a provider may knock.

use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Deliveries at once, and then a second, for each provider, good or bad. A push that is refused for this is found
/// when the repository has its turn.
const BURST: f64 = 100.0;
const PER_SECOND: f64 = 20.0;

/// A token bucket.
pub(super) struct Bucket(Mutex<(f64, Instant)>);

impl Default for Bucket {
    fn default() -> Bucket {
        Bucket(Mutex::new((BURST, Instant::now())))
    }
}

impl Bucket {
    /// Takes a token, if there is one.
    pub(super) fn take(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (tokens, before) = *state;
        let tokens = (tokens + (now - before).as_secs_f64() * PER_SECOND).min(BURST);
        let has_one = tokens >= 1.0;
        *state = (if has_one { tokens - 1.0 } else { tokens }, now);
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_hundred_at_once_and_then_twenty_a_second() {
        let bucket = Bucket::default();
        let taken = |tries: usize| (0..tries).filter(|_| bucket.take()).count();
        assert_eq!(taken(500), 100);
        tokio::time::advance(Duration::from_millis(1010)).await;
        assert_eq!(taken(500), 20);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken(500), 100);
    }
}
