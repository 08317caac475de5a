//! How long the lock waits for what.

use std::time::Duration;

/// What a simulator's lock is hurried by at the most: its time may pass much faster, but its answers come no sooner than
/// this machine gives them, and a write has to fit into its bound.
const FASTEST: u32 = 5;

/// The lock's times. What makes it safe are their proportions, so they are only ever shortened together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// From the read that found the lock free to the answer of the write that takes it.
    pub write_bound: Duration,
    /// From that answer to the read that decides.
    pub settle: Duration,
    /// A tag unchanged for so long is a dead run's.
    pub ttl: Duration,
    /// A lease older than this is renewed before a write.
    pub renew_after: Duration,
    /// Up to this age a failed renewal does not end the lease: nobody can have taken it over.
    pub sure_until: Duration,
    /// Up to this age a renewal is a single write; later on it has to win the lock anew.
    pub plain_renewal_until: Duration,
    /// How often a foreign tag is looked at.
    pub watch_every: Duration,
}

impl Waits {
    /// For AWS.
    pub const REAL: Waits = Waits {
        write_bound: Duration::from_secs(2),
        settle: Duration::from_secs(5),
        ttl: Duration::from_secs(60),
        renew_after: Duration::from_secs(20),
        sure_until: Duration::from_secs(30),
        plain_renewal_until: Duration::from_secs(40),
        watch_every: Duration::from_secs(5),
    };

    /// For an AWS whose time passes `scale` times as fast: anything but 0 and 1 is a simulator on this machine.
    pub fn for_scale(scale: u32) -> Waits {
        let by = scale.clamp(1, FASTEST);
        let Waits { write_bound, settle, ttl, renew_after, sure_until, plain_renewal_until, watch_every } =
            Waits::REAL;
        Waits {
            write_bound: write_bound / by,
            settle: settle / by,
            ttl: ttl / by,
            renew_after: renew_after / by,
            sure_until: sure_until / by,
            plain_renewal_until: plain_renewal_until / by,
            watch_every: watch_every / by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_simulators_lock_is_hurried_and_never_so_much_that_a_write_does_not_fit() {
        for (scale, bound_ms, settle_ms, ttl_ms) in [
            (0, 2_000, 5_000, 60_000),
            (1, 2_000, 5_000, 60_000),
            (2, 1_000, 2_500, 30_000),
            (500, 400, 1_000, 12_000),
        ] {
            let waits = Waits::for_scale(scale);
            let found = [waits.write_bound, waits.settle, waits.ttl].map(|wait| wait.as_millis());
            assert_eq!(found, [bound_ms, settle_ms, ttl_ms], "at {scale}");
        }
    }
}
