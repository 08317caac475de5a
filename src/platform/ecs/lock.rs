//! One writer per application, with nothing but AWS: a tag on the cluster, `cutover.dev/lock/<application>`, whose value
//! is `<owner> <counter>`.
//!
//! Tags know no compare-and-set, so the lock is Fischer's: write your name only after you have seen the tag free, wait
//! longer than anybody's write may take, and read: whose name is there now holds the lock. It is safe as long as
//! [`SETTLE`] is longer than [`WRITE_BOUND`] plus how old an answer of DescribeClusters may be (3 seconds
//! are left for that). A write that took longer than the bound counts as not done, and what it may have left behind is treated as a
//! stranger's.
//!
//! The holder raises the counter every [`RENEW_AFTER`]. A tag that stays the same for [`TTL`], watched on our own
//! monotonic clock, belongs to nobody alive and is taken over; one that changes while watched belongs to somebody.
//!
//! A run that works from a seat names the seat in the tag once it holds the lock, and whoever has that seat later takes
//! the lock over without watching it: the seat's fence says that nothing of the former holder is under way. Only once it
//! holds it: a write that was to take the lock and arrives late, on top of the name of a run that has taken it since,
//! names no seat and is watched like a stranger's, in which time that run finds its name gone. A late renewal can't do
//! that harm: for others to have taken the lock meanwhile it has to come more than [`TTL`] less
//! [`PLAIN_RENEWAL_UNTIL`] after its answer was given up.

mod cluster_tag;
mod waits;
mod writer;

#[cfg(test)]
mod schedules;

pub use writer::{Lease, LockError, Writer};

use waits::{
    FREE_AGAIN_AFTER, PLAIN_RENEWAL_UNTIL, RENEW_AFTER, SETTLE, SURE_UNTIL, TTL, WATCH_EVERY, WRITE_BOUND,
};

use crate::engine::{Begun, Trouble, TroubleKind, may_go_without};
use crate::platform::Owner;
use crate::platform::lock_waits::pause_until;
use std::future::Future;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Attempts to take a lock that is free.
const ATTEMPTS: u32 = 4;

/// The one register that the lock lives in.
pub(super) trait Register {
    fn read(&self) -> impl Future<Output = Result<Option<String>, Trouble>> + Send;
    fn write(&self, value: &str) -> impl Future<Output = Result<(), Trouble>> + Send;
    fn clear(&self) -> impl Future<Output = Result<(), Trouble>> + Send;
    /// Waits until the other side's rate allows one more write, so that it can follow a read at once. Who has the lock
    /// comes before those who are yet to take theirs.
    fn make_room(&self, has_lock: bool) -> impl Future<Output = ()> + Send;
    /// For messages: the tag and its cluster.
    fn place(&self) -> String;
}

/// Why the lock was not got.
#[derive(Debug)]
pub(super) enum Refused {
    /// The value of the tag, which another run keeps.
    Held(String),
    /// Another run has it, which would be known to be a dead one after so long; the time given is over.
    Awaited(String, Duration),
    Trouble(Trouble),
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Refused::Trouble(trouble)
    }
}

/// The lock as one run holds it.
#[derive(Debug)]
pub(super) struct Held<R> {
    register: R,
    owner: Owner,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    counter: u64,
    /// When the last confirmed write of the tag was begun.
    confirmed: Begun,
    /// Set once the lock is lost; the lease never comes back.
    lost: Option<String>,
}

impl<R: Register> Held<R> {
    /// Takes the lock, or says who has it. Takes [`SETTLE`] when it is free, up to [`TTL`] more when a
    /// dead run left it, of which `waits` is told the tag's value and that time. A tag of another run is not waited for beyond
    /// `until`.
    async fn acquire(
        register: R,
        owner: Owner,
        until: Option<Instant>,
        waits: impl Fn(&str, Duration),
    ) -> Result<Held<R>, Refused> {
        let mut counter = 0;
        let mut attempts = 0;
        let mut watched: Option<(String, Instant)> = None;
        let mut has_room = false;
        loop {
            if !has_room {
                // For our name and, where there is a seat, for that.
                for _ in 0..1 + usize::from(owner.has_seat()) {
                    register.make_room(false).await;
                }
                has_room = true;
            }
            owner.check_fence().await?;
            let begun = Begun::now();
            // Nothing that an earlier holder of our seat sent is under way any more, so that its name counts as none.
            if let Some(value) = register.read().await?.filter(|value| !owner.succeeds(value)) {
                match &watched {
                    Some((last, since)) if *last == value => {
                        let left = TTL.saturating_sub(since.elapsed());
                        if !left.is_zero() {
                            let late = || Refused::Awaited(value, left);
                            pause_until(left.min(WATCH_EVERY), until).await.ok_or_else(late)?;
                            continue;
                        }
                    }
                    // It changed under our eyes: its owner lives. Our own stray write is no owner.
                    Some(_) if !owner.wrote(&value) => return Err(Refused::Held(value)),
                    _ => {
                        if !owner.wrote(&value) {
                            waits(&value, TTL);
                        }
                        watched = Some((value.clone(), Instant::now()));
                        let late = || Refused::Awaited(value, TTL);
                        pause_until(WATCH_EVERY, until).await.ok_or_else(late)?;
                        continue;
                    }
                }
            }
            attempts += 1;
            counter += 1;
            has_room = false;
            let value = owner.value(counter);
            match take(&register, &value, begun).await {
                Ok(Taken::Ours(confirmed)) => {
                    if owner.has_seat() {
                        counter += 1;
                        let value = owner.holding_value(counter);
                        let write = register.write(&value);
                        // Without it a successor on our seat has to wait, and nothing else depends on it.
                        let _ = bounded(&register, write, Begun::now()).await;
                    }
                    let state = State { counter, confirmed, lost: None };
                    return Ok(Held { register, owner, state: Mutex::new(state) });
                }
                Ok(Taken::Others(value)) => return Err(Refused::Held(value)),
                Ok(Taken::Gone) if attempts < ATTEMPTS => {}
                Err(trouble) if trouble.kind == TroubleKind::Transient && attempts < ATTEMPTS => {
                    // Our write may still arrive. What it leaves is watched like a stranger's.
                    watched = None;
                    tokio::time::sleep(SETTLE).await;
                }
                Ok(Taken::Gone) => return Err(unsettled(&register).into()),
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    /// Passes while nobody else can hold the lock; renews it when it is getting old. To be called right before each
    /// write, and now and then while waiting, so that the others see us alive.
    pub(super) async fn check(&self) -> Result<(), Trouble> {
        let mut state = self.state.lock().await;
        if let Some(why) = &state.lost {
            return Err(self.lost(why));
        }
        let is_old = state.confirmed.elapsed() >= RENEW_AFTER;
        if is_old {
            self.register.make_room(true).await;
        }
        self.owner.check_fence().await?;
        if !is_old {
            return Ok(());
        }
        let age = state.confirmed.elapsed();
        match self.renew(&mut state, age).await {
            Err(trouble)
                if trouble.kind == TroubleKind::Transient && state.confirmed.elapsed() < SURE_UNTIL =>
            {
                Ok(())
            }
            Err(trouble) if may_go_without(&trouble) => Ok(()),
            other => other,
        }
    }

    async fn renew(&self, state: &mut State, age: Duration) -> Result<(), Trouble> {
        let begun = Begun::now();
        match self.register.read().await? {
            Some(value) if self.owner.wrote(&value) => {}
            Some(value) => return Err(self.lose(state, format!("{} took it over", Owner::describe(&value)))),
            None => return Err(self.lose(state, "somebody removed it".into())),
        }
        state.counter += 1;
        if age < PLAIN_RENEWAL_UNTIL {
            let value = self.owner.holding_value(state.counter);
            bounded(&self.register, self.register.write(&value), begun).await?;
            state.confirmed = begun;
        } else {
            // Somebody may be taking it over right now.
            let value = self.owner.value(state.counter);
            match take(&self.register, &value, begun).await? {
                Taken::Ours(confirmed) => state.confirmed = confirmed,
                Taken::Others(value) => {
                    return Err(self.lose(state, format!("{} took it over", Owner::describe(&value))));
                }
                Taken::Gone => return Err(self.lose(state, "somebody removed it".into())),
            }
        }
        Ok(())
    }

    /// Frees the lock, if it is still ours: tries until it is free, or so old that somebody may be taking it over. Such a
    /// one is left to expire: our clearing could hit the new owner's name.
    pub(super) async fn release(&self) -> Result<(), Trouble> {
        let mut state = self.state.lock().await;
        if state.lost.is_some() {
            return Ok(());
        }
        state.lost = Some("it was released".into());
        loop {
            let freed = self.free(&state).await;
            let left = PLAIN_RENEWAL_UNTIL.saturating_sub(state.confirmed.elapsed());
            match &freed {
                Err(trouble) if trouble.kind == TroubleKind::Transient && left > FREE_AGAIN_AFTER => {
                    tokio::time::sleep(FREE_AGAIN_AFTER).await;
                }
                _ => return freed,
            }
        }
    }

    async fn free(&self, state: &State) -> Result<(), Trouble> {
        self.register.make_room(true).await;
        let begun = Begun::now();
        let ours = self.register.read().await?.is_some_and(|value| self.owner.wrote(&value));
        if ours && state.confirmed.elapsed() < PLAIN_RENEWAL_UNTIL {
            bounded(&self.register, self.register.clear(), begun).await?;
        }
        Ok(())
    }

    fn lose(&self, state: &mut State, why: String) -> Trouble {
        let trouble = self.lost(&why);
        state.lost = Some(why);
        trouble
    }

    fn lost(&self, why: &str) -> Trouble {
        Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("keeping the lock {}", self.register.place()),
            message: format!("{why}; this run writes nothing more"),
        }
    }
}

enum Taken {
    /// Ours, by a write begun at this time.
    Ours(Begun),
    Others(String),
    Gone,
}

/// Writes our name, waits, and reads whose name is there.
async fn take<R: Register>(register: &R, value: &str, begun: Begun) -> Result<Taken, Trouble> {
    bounded(register, register.write(value), begun).await?;
    tokio::time::sleep(SETTLE).await;
    Ok(match register.read().await? {
        Some(now) if now == value => Taken::Ours(begun),
        Some(now) => Taken::Others(now),
        None => Taken::Gone,
    })
}

/// Writes within [`WRITE_BOUND`] of `begun`, when the read that allowed it was begun.
async fn bounded<R: Register>(
    register: &R,
    write: impl Future<Output = Result<(), Trouble>>,
    begun: Begun,
) -> Result<(), Trouble> {
    let late = || Trouble {
        kind: TroubleKind::Transient,
        doing: format!("writing the lock {}", register.place()),
        message: format!("it took longer than {} seconds", WRITE_BOUND.as_secs()),
    };
    let left = WRITE_BOUND.checked_sub(begun.elapsed()).ok_or_else(late)?;
    tokio::time::timeout(left, write).await.unwrap_or_else(|_| Err(late()))
}

fn unsettled<R: Register>(register: &R) -> Trouble {
    Trouble {
        kind: TroubleKind::Transient,
        doing: format!("taking the lock {}", register.place()),
        message: format!("it was free and then not ours {ATTEMPTS} times"),
    }
}
