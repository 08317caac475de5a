//! One writer per application: a `coordination.k8s.io/v1` Lease in its namespace. Its `resourceVersion` makes every
//! write of it a compare-and-set, so that of two runs which see it free only one gets it.
//!
//! The holder renews it every [`RENEW_AFTER`] while it writes or waits. A Lease that stays the same for [`TTL`], watched
//! on our own monotonic clock, belongs to nobody alive and is taken over; one that changes while it is watched belongs
//! to somebody. What the Lease itself says about time is for people: it comes from other machines' clocks.

mod held;
#[cfg(test)]
mod tests;
mod writer;

pub use writer::{Lease, Writer};

use std::time::Duration;

/// A Lease unchanged for so long is a dead run's.
const TTL: Duration = Duration::from_secs(60);
/// A lease older than this is renewed before a write.
const RENEW_AFTER: Duration = Duration::from_secs(20);
/// Up to this age a failed renewal does not end the lease: a write that is sent now ends, one way or the other, before
/// anybody can have taken it over.
const SURE_UNTIL: Duration = Duration::from_secs(30);
/// How often a foreign Lease is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(3);
/// How long after a failure to free the Lease that is tried again.
const FREE_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Attempts to take a Lease that is free.
const ATTEMPTS: u32 = 5;
