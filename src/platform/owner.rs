//! Who holds the lock.

use crate::engine::{Trouble, WriteGuard};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Names one run: host, process and a random number, so that no two runs are alike. Also for people: it says where to
/// look for the other run. A controller's run works from a seat, whose fence is checked before the lock is.
#[derive(Clone)]
pub struct Owner {
    /// `HOST/PID/NUMBER`
    run: String,
    fence: Option<Arc<dyn WriteGuard>>,
    seat: Option<String>,
}

impl Owner {
    /// A new name for a run on `host` with process id `pid`.
    pub fn new(host: &str, pid: u32) -> Owner {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(pid);
        Owner::with_number(host, pid, hasher.finish())
    }

    /// A name with a number of the caller's choice, which no other run may choose; for reproducible tests.
    pub fn with_number(host: &str, pid: u32, number: u64) -> Owner {
        // A tag's value allows few characters, and a space ends the owner.
        let clean: String =
            host.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).take(100).collect();
        let host = if clean.is_empty() { "unknown-host" } else { &clean };
        Owner { run: format!("{host}/{pid}/{number:016x}"), fence: None, seat: None }
    }

    /// A run that writes only while `fence` passes, if there is one. If that names a seat, a lock that an earlier run on
    /// the same seat left is taken over at once; at any time there is one run at most for an application and a seat.
    #[must_use]
    pub fn with_fence(self, fence: Option<Arc<dyn WriteGuard>>) -> Owner {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let seat = fence.as_ref().and_then(|fence| fence.seat());
        let seat = seat.filter(|seat| (1..=64).contains(&seat.len()) && seat.chars().all(fits));
        Owner { run: self.run, fence, seat }
    }

    /// True if the run works from a seat.
    pub(super) fn has_seat(&self) -> bool {
        self.seat.is_some()
    }

    /// What names this run, `HOST/PID/NUMBER[/SEAT]`: the holder of a Lease.
    pub(super) fn identity(&self) -> String {
        match &self.seat {
            Some(seat) => format!("{}/{seat}", self.run),
            None => self.run.clone(),
        }
    }

    /// A tag's value, as long as it is not sure that the lock is held.
    pub(super) fn value(&self, counter: u64) -> String {
        format!("{} {counter}", self.run)
    }

    /// A tag's value of a run that holds the lock.
    pub(super) fn holding_value(&self, counter: u64) -> String {
        format!("{} {counter}", self.identity())
    }

    /// True if this run wrote the value.
    pub(super) fn wrote(&self, value: &str) -> bool {
        value.rsplit_once(' ').is_some_and(|(owner, _)| owner == self.run || owner == self.identity())
    }

    /// True if an earlier run from the same seat wrote the identity or the tag's value.
    pub(super) fn succeeds(&self, value: &str) -> bool {
        let identity = value.split(' ').next().unwrap_or_default();
        let (run, seat) = identity.rsplit_once('/').unwrap_or_default();
        self.seat.as_deref() == Some(seat) && run != self.run
    }

    /// Passes while the run may write as far as its fence is concerned.
    ///
    /// # Errors
    /// The fence's own.
    pub(super) async fn check_fence(&self) -> Result<(), Trouble> {
        match &self.fence {
            Some(fence) => fence.check().await,
            None => Ok(()),
        }
    }

    /// `another run on HOST (process PID)` of a tag's value or an identity.
    pub(super) fn describe(value: &str) -> String {
        let mut parts = value.split(['/', ' ']);
        match (parts.next(), parts.next()) {
            (Some(host), Some(pid)) if !host.is_empty() => format!("another run on {host} (process {pid})"),
            _ => format!("somebody (`{}`)", value.chars().take(60).collect::<String>()),
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::engine::TroubleKind;
    use futures_util::future::BoxFuture;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// The fence of a seat of this name.
    pub(crate) struct Seat {
        name: &'static str,
        is_closed: AtomicBool,
    }

    impl Seat {
        pub(crate) fn new(name: &'static str) -> Arc<Seat> {
            Arc::new(Seat { name, is_closed: AtomicBool::new(false) })
        }

        pub(crate) fn close(&self) {
            self.is_closed.store(true, Ordering::Relaxed);
        }
    }

    impl WriteGuard for Seat {
        fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
            let closed = || Trouble {
                kind: TroubleKind::Rejected,
                doing: "keeping the seat".into(),
                message: "it is closed".into(),
            };
            let is_closed = self.is_closed.load(Ordering::Relaxed);
            Box::pin(std::future::ready(if is_closed { Err(closed()) } else { Ok(()) }))
        }

        fn seat(&self) -> Option<String> {
            Some(self.name.into())
        }
    }

    #[test]
    fn an_owner_fits_a_tag_and_is_recognised() {
        let seat = "6f1c8b0e-8a55-4f0e-9a3b-0d4b0f0a7c11";
        let owner = Owner::new("läp top.example\n", 4711).with_fence(Some(Seat::new(seat)));
        for value in [owner.value(u64::MAX), owner.holding_value(u64::MAX)] {
            assert!(value.len() <= 256);
            assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c)), "{value}");
            assert!(owner.wrote(&value));
            assert!(!owner.succeeds(&value), "a run is no successor of its own");
            assert!(!Owner::new("läp top.example\n", 4711).wrote(&value), "two runs were alike");
            assert_eq!(Owner::describe(&value), "another run on lptop.example (process 4711)");
        }
        assert!(!owner.wrote("x"));
    }

    #[test]
    fn only_a_run_from_the_same_seat_succeeds_one_that_held_the_lock() {
        let seated = |number, seat| Owner::with_number("host", 1, number).with_fence(Some(Seat::new(seat)));
        let (dead, alone) = (seated(1, "a"), Owner::with_number("host", 1, 1));
        for (heir, value, want) in [
            (seated(2, "a"), dead.holding_value(7), true),
            (seated(2, "a"), dead.identity(), true),
            (seated(2, "a"), dead.value(1), false),
            (seated(2, "b"), dead.holding_value(7), false),
            (Owner::with_number("host", 1, 2), dead.holding_value(7), false),
            (seated(2, "a"), alone.value(1), false),
            (seated(2, "not a name of ours"), "host/1/0/not a name of ours 1".into(), false),
            (seated(2, ""), "host/1/0/ 1".into(), false),
        ] {
            assert_eq!(heir.succeeds(&value), want, "{heir:?} of {value}");
        }
    }
}
