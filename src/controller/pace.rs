//! How long to wait. Pure: chance comes from the name, so that the same run is the same run again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(300);
/// How often everything of an application is read although nothing is known to have changed.
pub(super) const RESYNC: Duration = Duration::from_secs(3600);

/// 5, 10, 20 … 300 seconds, each a fifth more or less, so that those that failed together do not come back together.
pub fn backoff(who: &impl Hash, failures: u32) -> Duration {
    let doubled =
        FIRST_RETRY.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    jittered(who, failures, doubled.min(LAST_RETRY), 20)
}

/// `length`, up to `percent` percent more or less; different for each name and round.
pub(super) fn jittered(who: &impl Hash, round: u32, length: Duration, percent: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (who, round).hash(&mut hasher);
    // Between -1 and 1.
    let share = (hasher.finish() % 20_001) as f64 / 10_000.0 - 1.0;
    length.mul_f64(1.0 + share * f64::from(percent) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_grows_to_five_minutes_and_differs_between_applications() {
        let bounds = |failures| match failures {
            1 => (4, 6),
            2 => (8, 12),
            3 => (16, 24),
            _ => (240, 360),
        };
        for failures in [1, 2, 3, 9, 40, u32::MAX] {
            let waits: Vec<Duration> = (0..100).map(|who| backoff(&who, failures)).collect();
            let (least, most) = bounds(failures);
            assert!(
                waits.iter().all(|wait| (least..=most).contains(&wait.as_secs())),
                "{failures}: {waits:?}"
            );
            let mut distinct = waits.clone();
            distinct.sort();
            distinct.dedup();
            assert!(distinct.len() > 90, "they come back together");
        }
        assert_eq!(backoff(&"a", 2), backoff(&"a", 2));
    }
}
