//! How long the lock waits for what. What makes it safe are the proportions of these times.
//!
//! They are the same for a simulator whose time passes faster: its answers come no sooner than this machine gives them,
//! and nothing that makes the lock hurry can then be switched on for AWS by mistake.

use std::time::Duration;

/// From the read that found the lock free to the answer of the write that takes it.
pub(super) const WRITE_BOUND: Duration = Duration::from_secs(2);
/// From that answer to the read that decides.
pub(super) const SETTLE: Duration = Duration::from_secs(5);
/// A tag unchanged for so long is a dead run's.
pub(super) const TTL: Duration = Duration::from_secs(60);
/// A lease older than this is renewed before a write.
pub(super) const RENEW_AFTER: Duration = Duration::from_secs(20);
/// Up to this age a failed renewal does not end the lease: nobody can have taken it over.
pub(super) const SURE_UNTIL: Duration = Duration::from_secs(30);
/// Up to this age a renewal is a single write; later on it has to win the lock anew.
pub(super) const PLAIN_RENEWAL_UNTIL: Duration = Duration::from_secs(40);
/// How often a foreign tag is looked at.
pub(super) const WATCH_EVERY: Duration = Duration::from_secs(5);
/// How long after a failure to free the lock that is tried again.
pub(super) const FREE_AGAIN_AFTER: Duration = Duration::from_secs(2);
