//! The other side's time, taken from the `Date` header of its answers.

use crate::model::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How far the `Date` of an answer may be from a time and still agree with it. An answer is under way for up to 30
/// seconds, and `Date` counts whole seconds.
const AGREEING: Duration = Duration::from_secs(31);

/// The other side's time for decisions: the `Date` of its answers plus the time that has passed since on the monotonic
/// clock. It is set, and set anew, only by two answers in a row that agree with each other: whatever happens to this
/// machine's wall clock, and one odd header, change nothing. Between two such settings it never jumps.
#[derive(Debug, Default)]
pub struct Clock {
    dates: Mutex<Dates>,
    /// How many times faster than here time passes there; 0 counts as 1.
    scale: u32,
}

#[derive(Debug, Default)]
struct Dates {
    anchor: Option<Anchor>,
    /// The last answer's, if it did not agree with the anchor.
    odd: Option<Anchor>,
}

/// A time of the other side, and when it was told.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Timestamp,
    since: Instant,
}

impl Anchor {
    /// What the clock that was right then says at `when`.
    fn time_at(self, when: Instant, scale: u32) -> Timestamp {
        let passed = when.saturating_duration_since(self.since) * scale;
        Timestamp(self.at.0.saturating_add(passed.as_secs()))
    }

    fn agrees_with(self, later: Anchor, scale: u32) -> bool {
        self.time_at(later.since, scale).0.abs_diff(later.at.0) <= (AGREEING * scale).as_secs()
    }
}

impl Clock {
    /// A clock for a simulated AWS whose time runs `scale` times as fast as real time.
    pub fn scaled(scale: u32) -> Clock {
        Clock { dates: Mutex::default(), scale }
    }

    /// How many times as fast as real time the other side's time passes: 1, but for a simulator.
    pub fn scale(&self) -> u32 {
        self.scale.max(1)
    }

    /// The time now. Before two answers have agreed this is the system's time.
    pub fn now(&self) -> Timestamp {
        match self.dates.lock().unwrap_or_else(PoisonError::into_inner).anchor {
            Some(anchor) => anchor.time_at(Instant::now(), self.scale()),
            None => Clock::system(),
        }
    }

    /// This machine's wall clock; for what people read, for measuring what the monotonic clock does not see (a suspended
    /// laptop), and before anything has answered.
    #[allow(clippy::disallowed_methods)]
    pub fn system() -> Timestamp {
        seconds_of(SystemTime::now())
    }

    /// Compares the `Date` of an answer with the clock; of two answers that agree with each other and not with it, it takes
    /// the time. To be called with answers of the other side only: whoever else is on the way has a clock of its own. What
    /// is no date is ignored.
    pub fn note(&self, date: &str) {
        let Ok(date) = httpdate::parse_http_date(date) else { return };
        let (told, scale) = (Anchor { at: seconds_of(date), since: Instant::now() }, self.scale());
        let mut dates = self.dates.lock().unwrap_or_else(PoisonError::into_inner);
        let agrees = |with: Option<Anchor>| with.filter(|anchor| anchor.agrees_with(told, scale));
        if agrees(dates.anchor).is_some() {
            dates.odd = None;
        } else if let Some(first) = agrees(dates.odd) {
            // Delays only make an answer's date older.
            let is_older = told.at < first.time_at(told.since, scale);
            *dates = Dates { anchor: Some(if is_older { first } else { told }), odd: None };
        } else {
            dates.odd = Some(told);
        }
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

    const HEADER: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const SOON: &str = "Tue, 14 Nov 2023 22:13:22 GMT";

    #[tokio::test(start_paused = true)]
    async fn time_follows_two_answers_that_agree_and_the_monotonic_clock_only() {
        let clock = Clock::default();
        clock.note("no date");
        clock.note(HEADER);
        assert!(clock.now().0 > 1_780_000_000, "one answer alone set the clock");
        clock.note(SOON);
        assert_eq!(clock.now(), Timestamp(1_700_000_002));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now(), Timestamp(1_700_000_092));
        for odd in ["Fri, 14 Nov 2053 22:13:20 GMT", "Tue, 14 Nov 2000 22:13:20 GMT"] {
            clock.note(odd);
            assert_eq!(clock.now(), Timestamp(1_700_000_092), "one odd header moved the clock");
        }
        // An answer that was under way for long is no odd one.
        clock.note("Tue, 14 Nov 2023 22:14:25 GMT");
        clock.note("Fri, 14 Nov 2053 22:13:20 GMT");
        clock.note("Tue, 14 Nov 2023 22:14:53 GMT");
        clock.note("Fri, 14 Nov 2053 22:13:20 GMT");
        assert_eq!(
            clock.now(),
            Timestamp(1_700_000_092),
            "two odd headers that do not follow each other moved it"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_wrong_is_set_right_by_two_answers_that_agree() {
        for (wrong, right) in [(HEADER, 2_000_000_000), ("Wed, 18 May 2033 03:33:20 GMT", 1_700_000_000)] {
            let clock = Clock::default();
            (0..2).for_each(|_| clock.note(wrong));
            tokio::time::advance(Duration::from_secs(600)).await;
            let date = |seconds| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            clock.note(&date(right));
            tokio::time::advance(Duration::from_secs(20)).await;
            clock.note(&date(right + 20));
            assert_eq!(clock.now(), Timestamp(right + 20));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_simulators_time_that_passes_faster_is_followed_as_well() {
        let clock = Clock::scaled(60);
        clock.note(HEADER);
        tokio::time::advance(Duration::from_secs(1)).await;
        clock.note("Tue, 14 Nov 2023 22:14:20 GMT");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(clock.now(), Timestamp(1_700_000_660));
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
