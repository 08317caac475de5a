//! Simulated time: real time, started at the wall clock and sped up.

use crate::simulator::Millis;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Runs `scale` times as fast as real time from the moment it was made; never goes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScaledClock {
    started: Instant,
    base: Millis,
    scale: u32,
}

impl ScaledClock {
    /// Starts at this machine's wall-clock time. A scale of 0 counts as 1.
    pub fn start(scale: u32) -> ScaledClock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let base = Millis::try_from(since.as_millis()).unwrap_or(0);
        ScaledClock { started: Instant::now(), base, scale: scale.max(1) }
    }

    /// Simulated milliseconds since 1970.
    pub fn now(&self) -> Millis {
        let elapsed = self.started.elapsed().as_nanos() * u128::from(self.scale) / 1_000_000;
        self.base.saturating_add(Millis::try_from(elapsed).unwrap_or(Millis::MAX))
    }

    /// How long to wait in real time until it is `then`; zero if that has passed.
    pub fn until(&self, then: Millis) -> Duration {
        self.real(then.saturating_sub(self.now()))
    }

    /// A simulated span in real time.
    pub fn real(&self, span: Millis) -> Duration {
        Duration::from_millis(span) / self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn simulated_time_runs_scale_times_as_fast() {
        let clock = ScaledClock::start(60);
        let begin = clock.now();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now() - begin, 120_000);
        assert_eq!(clock.until(clock.now() + 60_000), Duration::from_secs(1));
        assert_eq!(clock.until(begin), Duration::ZERO);
    }
}
