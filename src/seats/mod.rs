//! Which applications this process works for. One mechanism is leader election (one seat) and sharding (many): a seat is
//! a Lease, applications belong to seats by their names alone, and the replicas that live share the seats out evenly.
//!
//! At most one process passes a seat's fence at any time, and no write of an earlier holder is under way then. This is
//! the arithmetic: a holder's fence passes up to `SURE_FOR` after the beginning of the last renewal that was confirmed,
//! by its monotonic and by its wall clock, so that neither a stopped process nor a machine that slept writes when it wakes
//! up. A write ends within `WRITE_BOUND` of the check that let it pass. Others take the seat over when its Lease has not
//! changed for `LEASE` on their own monotonic clock. So `LEASE` is `SURE_FOR + WRITE_BOUND` and `MARGIN`, which is
//! for the wall clock's whole seconds, for clocks that do not run alike (two percent of the lease are one second) and for
//! what the network holds back. Everything that is written of a Lease is a compare-and-set, so a renewal or a release
//! that comes late changes nothing.
//!
//! Replicas with different numbers of seats, as there are for a while when that number is changed, may come to the same
//! application from two seats. The application's own lock keeps them apart, as it keeps a `cutover sync` apart from both.

mod alone;
mod assign;
mod desk;
mod fence;
mod leased;
mod moment;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use alone::Alone;
pub use leased::LeasedSeats;

use crate::engine::WRITE_BOUND;
use std::time::Duration;

/// How often the Leases are read and what is held is renewed.
const BEAT: Duration = Duration::from_secs(2);
/// What has not been answered by then counts as not answered: the next beat finds out what came of it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long a holder relies on its last confirmed renewal: two beats may fail.
const SURE_FOR: Duration = Duration::from_secs(10);
/// See the head of this room.
const MARGIN: Duration = Duration::from_secs(5);
/// A seat whose Lease is unchanged for so long belongs to nobody who could still write.
const LEASE: Duration = SURE_FOR.saturating_add(WRITE_BOUND).saturating_add(MARGIN);
/// A replica that has not shown itself for so long gets no seat. Nothing depends on this but who takes a free one.
const REPLICA_SEEN: Duration = Duration::from_secs(15);
/// What dead replicas leave behind is cleared away after that time.
const FORGET_REPLICA: Duration = Duration::from_secs(600);
/// How long work may go on after the seat is to be given away; then its fence closes, and when the last write must have
/// ended the seat is freed.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(60);
/// How long the end of the process waits for its seats to be freed.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
