//! One replica's part of the protocol, without a client and without a clock: what it knows of the Leases, which seats it
//! holds, and what it writes next.

use super::assign::assign;
use super::moment::Moment;
use super::{FORGET_REPLICA, GIVE_UP_WITHIN, LEASE, MARGIN, REPLICA_SEEN, SURE_FOR};
use crate::engine::WRITE_BOUND;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A Lease as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub name: String,
    /// `None` for a replica's.
    pub seat: Option<u32>,
    /// The identity of a replica; `None` if it is free.
    pub holder: Option<String>,
    pub version: String,
}

/// A write that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub name: String,
    /// `None` for a replica's Lease.
    pub seat: Option<u32>,
    pub act: Act,
    /// As what the Lease was seen; `None` if it was not there.
    pub version: Option<String>,
}

/// What a step does to its Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Writes our name: it is taken, or renewed.
    Hold,
    Free,
    Delete,
}

pub(super) struct Desk {
    me: String,
    count: u32,
    watched: BTreeMap<String, Watched>,
    tenures: BTreeMap<u32, Tenure>,
    begun_tenures: u64,
    is_leaving: bool,
}

/// Since when a Lease has been what it is, on our monotonic clock.
struct Watched {
    version: String,
    since: Duration,
}

/// The time from getting a seat to giving it up or losing it.
struct Tenure {
    number: u64,
    uid: String,
    /// When the last confirmed write of the Lease was begun.
    confirmed: Moment,
    /// Since when it is to be given up, for which there is no way back.
    giving_up: Option<Moment>,
}

/// Why a fence does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// For good.
    Lost,
    /// Not renewed for so long.
    Unsure(Duration),
}

impl Desk {
    /// The part of a replica that calls itself `me`, in sharing out `count` seats.
    pub(super) fn new(me: String, count: u32) -> Desk {
        Desk {
            me,
            count: count.max(1),
            watched: BTreeMap::new(),
            tenures: BTreeMap::new(),
            begun_tenures: 0,
            is_leaving: false,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn me(&self) -> &str {
        &self.me
    }

    /// From now on everything is given up.
    pub(super) fn leave(&mut self) {
        self.is_leaving = true;
    }

    /// The seats that work may be begun for.
    pub(super) fn held(&self) -> BTreeSet<u32> {
        self.tenures.iter().filter(|(_, tenure)| tenure.giving_up.is_none()).map(|(seat, _)| *seat).collect()
    }

    /// True if nothing is held any more.
    pub(super) fn is_free(&self) -> bool {
        self.tenures.is_empty()
    }

    /// The number of the tenure of a seat that is held, and the uid of its Lease.
    pub(super) fn tenure(&self, seat: u32) -> Option<(u64, String)> {
        let tenure = self.tenures.get(&seat).filter(|tenure| tenure.giving_up.is_none())?;
        Some((tenure.number, tenure.uid.clone()))
    }

    /// Passes if a write that is begun now, and under this tenure, ends before anybody else can have the seat.
    pub(super) fn check(&self, seat: u32, number: u64, now: Moment) -> Result<(), Closed> {
        let tenure = self.tenures.get(&seat).filter(|tenure| tenure.number == number).ok_or(Closed::Lost)?;
        if tenure.giving_up.is_some_and(|since| now.since(since) >= GIVE_UP_WITHIN) {
            return Err(Closed::Lost);
        }
        let age = now.since(tenure.confirmed);
        if age < SURE_FOR { Ok(()) } else { Err(Closed::Unsure(age)) }
    }

    /// Takes all Leases as they just were and says what is to be written; `in_use` has the seats whose fence somebody
    /// has.
    pub(super) fn look(&mut self, leases: &[Seen], in_use: &BTreeSet<u32>, now: Moment) -> Vec<Step> {
        self.watch(leases, now);
        let holders: BTreeMap<u32, &str> =
            leases.iter().filter_map(|lease| Some((lease.seat?, lease.holder.as_deref()?))).collect();
        let wanted = assign(self.count, &self.live(leases, now), &holders);
        let wanted: BTreeSet<u32> =
            wanted.into_iter().filter(|(_, by)| *by == self.me).map(|(seat, _)| seat).collect();
        let mut steps: Vec<Step> = self.show(leases).into_iter().collect();
        steps.extend(self.clear_away(leases, now));
        let seen: BTreeMap<u32, &Seen> =
            leases.iter().filter_map(|lease| Some((lease.seat?, lease))).collect();
        let seats: BTreeSet<u32> = (0..self.count).chain(self.tenures.keys().copied()).collect();
        for seat in seats {
            let is_wanted = wanted.contains(&seat);
            let lease = seen.get(&seat).copied();
            let act = match lease.and_then(|lease| lease.holder.as_deref()) {
                Some(holder) if holder == self.me => self.keep(seat, is_wanted, in_use.contains(&seat), now),
                other => {
                    // Whoever has it now, or had it in between, got it after our time.
                    self.tenures.remove(&seat);
                    let is_free = other.is_none()
                        || lease.is_some_and(|lease| self.unchanged_for(&lease.name, now) >= LEASE);
                    (is_wanted && is_free).then_some(Act::Hold)
                }
            };
            steps.extend(act.map(|act| Step {
                name: seat_name(seat),
                seat: Some(seat),
                act,
                version: lease.map(|lease| lease.version.clone()),
            }));
        }
        steps
    }

    /// What becomes of a seat that is ours by its Lease.
    fn keep(&mut self, seat: u32, is_wanted: bool, is_in_use: bool, now: Moment) -> Option<Act> {
        let Some(tenure) = self.tenures.get_mut(&seat) else {
            // It was taken by a write whose answer did not come, or renewals failed for long. Who works under an old
            // fence is not let through any more, but may have been just before.
            return if is_wanted { Some(Act::Hold) } else { (!is_in_use).then_some(Act::Free) };
        };
        if is_wanted && tenure.giving_up.is_none() {
            return Some(Act::Hold);
        }
        let since = *tenure.giving_up.get_or_insert(now);
        // Nobody works from it any more, or who does has not been let through for as long as a write may take; a wall
        // clock that was set does not make that time pass.
        let waited = now.monotonic.saturating_sub(since.monotonic);
        if !is_in_use || waited >= GIVE_UP_WITHIN + WRITE_BOUND + MARGIN {
            self.tenures.remove(&seat);
            return Some(Act::Free);
        }
        Some(Act::Hold)
    }

    /// A write that holds a Lease was confirmed; it had been begun at that time. `uid` is the Lease's.
    pub(super) fn confirmed(&mut self, step: &Step, begun: Moment, uid: &str) {
        let Some(seat) = step.seat.filter(|_| step.act == Act::Hold) else { return };
        if let Some(tenure) = self.tenures.get_mut(&seat) {
            tenure.confirmed = begun;
            return;
        }
        self.begun_tenures += 1;
        let tenure =
            Tenure { number: self.begun_tenures, uid: uid.to_owned(), confirmed: begun, giving_up: None };
        self.tenures.insert(seat, tenure);
    }

    /// Lets go of what somebody else may have by now, without having heard of it.
    pub(super) fn expire(&mut self, now: Moment) {
        self.tenures.retain(|_, tenure| now.since(tenure.confirmed) < LEASE);
    }

    /// As [`Desk::expire`], in the midst of everything: by the monotonic clock alone, since one that was set takes nothing
    /// from who goes on renewing. True if anything was let go.
    pub(super) fn forfeit(&mut self, monotonic: Duration) -> bool {
        let before = self.tenures.len();
        self.tenures.retain(|_, tenure| monotonic.saturating_sub(tenure.confirmed.monotonic) < LEASE);
        self.tenures.len() < before
    }

    fn watch(&mut self, leases: &[Seen], now: Moment) {
        self.watched.retain(|name, _| leases.iter().any(|lease| lease.name == *name));
        for lease in leases {
            let seen = Watched { version: lease.version.clone(), since: now.monotonic };
            let watched = self.watched.entry(lease.name.clone()).or_insert(seen);
            if watched.version != lease.version {
                *watched = Watched { version: lease.version.clone(), since: now.monotonic };
            }
        }
    }

    fn unchanged_for(&self, name: &str, now: Moment) -> Duration {
        let since = self.watched.get(name).map_or(now.monotonic, |watched| watched.since);
        now.monotonic.saturating_sub(since)
    }

    /// The replicas that have shown themselves lately, and this one.
    fn live<'a>(&'a self, leases: &'a [Seen], now: Moment) -> BTreeSet<&'a str> {
        let others = leases
            .iter()
            .filter(|lease| lease.seat.is_none() && self.unchanged_for(&lease.name, now) < REPLICA_SEEN);
        let others = others.filter_map(|lease| lease.holder.as_deref()).filter(|holder| *holder != self.me);
        others.chain((!self.is_leaving).then_some(self.me.as_str())).collect()
    }

    /// Shows the others that we live, or that we do no longer.
    fn show(&self, leases: &[Seen]) -> Option<Step> {
        let name = replica_name(&self.me);
        let lease = leases.iter().find(|lease| lease.name == name);
        let version = lease.map(|lease| lease.version.clone());
        let act = if self.is_leaving { Act::Delete } else { Act::Hold };
        (!self.is_leaving || version.is_some()).then_some(Step { name, seat: None, act, version })
    }

    fn clear_away(&self, leases: &[Seen], now: Moment) -> Vec<Step> {
        let own = replica_name(&self.me);
        let dead = leases.iter().filter(|lease| {
            lease.seat.is_none()
                && lease.name != own
                && self.unchanged_for(&lease.name, now) >= FORGET_REPLICA
        });
        dead.map(|lease| Step {
            name: lease.name.clone(),
            seat: None,
            act: Act::Delete,
            version: Some(lease.version.clone()),
        })
        .collect()
    }
}

/// No application's lock can have such a name: theirs begin with `cutover-`.
pub(super) fn seat_name(seat: u32) -> String {
    format!("cutover.seat-{seat}")
}

/// The Lease that a replica shows itself by; `me` ends in a random number of 16 hex digits.
pub(super) fn replica_name(me: &str) -> String {
    let number = me.rsplit('_').next().unwrap_or_default();
    format!("cutover.replica-{number}")
}
