//! The other side's time, taken from the `Date` header of its answers.

use crate::model::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The other side's time for decisions: the first answer's `Date` plus the time that has passed since on the monotonic
/// clock. It never goes back and never jumps, whatever happens to this machine's wall clock or to a later header.
#[derive(Debug, Default)]
pub struct Clock {
    anchor: Mutex<Option<(Timestamp, Instant)>>,
    /// How many times faster than here time passes there; 0 counts as 1.
    scale: u32,
}

impl Clock {
    /// A clock for a simulated AWS whose time runs `scale` times as fast as real time.
    pub fn scaled(scale: u32) -> Clock {
        Clock { anchor: Mutex::default(), scale }
    }

    /// How many times as fast as real time the other side's time passes: 1, but for a simulator.
    pub fn scale(&self) -> u32 {
        self.scale.max(1)
    }

    /// The time now. Before the first answer this is the system's time.
    pub fn now(&self) -> Timestamp {
        match *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((at, since)) => Timestamp(at.0.saturating_add((since.elapsed() * self.scale()).as_secs())),
            None => Clock::system(),
        }
    }

    /// This machine's wall clock; for what people read, for measuring what the monotonic clock does not see (a suspended
    /// laptop), and before anything has answered.
    #[allow(clippy::disallowed_methods)]
    pub fn system() -> Timestamp {
        seconds_of(SystemTime::now())
    }

    /// Takes the first `Date` as the anchor; later ones only differ by the network's delay. What is no date is ignored.
    pub fn note(&self, date: &str) {
        let Ok(date) = httpdate::parse_http_date(date) else { return };
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.get_or_insert((seconds_of(date), Instant::now()));
    }
}

/// When something was begun whose age decides. The monotonic clock stands still while a laptop sleeps; the wall clock
/// tells for how long, unless it was set back meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// Tokio's own, which tests stop and move on.
    timers: Instant,
    monotonic: std::time::Instant,
    wall: SystemTime,
}

impl Begun {
    /// Begun now.
    #[allow(clippy::disallowed_methods)]
    pub fn now() -> Begun {
        Begun { timers: Instant::now(), monotonic: std::time::Instant::now(), wall: SystemTime::now() }
    }

    /// How long ago that is, with the time that the machine slept: what the wall clock has more than the monotonic one. A
    /// second is left to their unevenness.
    pub fn elapsed(self) -> Duration {
        let asleep = self.wall.elapsed().unwrap_or_default().saturating_sub(self.monotonic.elapsed());
        let asleep = if asleep < Duration::from_secs(1) { Duration::ZERO } else { asleep };
        self.timers.elapsed() + asleep
    }
}

fn seconds_of(time: SystemTime) -> Timestamp {
    Timestamp(time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_follows_the_first_answer_and_the_monotonic_clock_only() {
        let clock = Clock::default();
        assert!(clock.now().0 > 1_700_000_000, "system time before the first answer");
        clock.note("no date");
        clock.note("Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(clock.now(), Timestamp(1_700_000_000));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now(), Timestamp(1_700_000_090));
        clock.note("Fri, 14 Nov 2053 22:13:20 GMT");
        clock.note("Tue, 14 Nov 2000 22:13:20 GMT");
        assert_eq!(clock.now(), Timestamp(1_700_000_090), "a later header moved the clock");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleeping_machine_ages_and_neither_a_slow_one_nor_a_wall_clock_that_is_set_back_does() {
        let (begun, minute) = (Begun::now(), Duration::from_secs(60));
        tokio::time::advance(minute).await;
        assert_eq!(begun.elapsed(), minute);
        let slept = Begun { wall: begun.wall - minute, ..begun };
        assert_eq!(slept.elapsed().as_secs_f64().round(), 120.0);
        let slow = Begun { monotonic: begun.monotonic - minute, ..slept };
        assert_eq!(slow.elapsed(), minute, "tokio's clock alone counts");
        assert_eq!(Begun { wall: begun.wall + minute, ..begun }.elapsed(), minute);
    }
}
