//! The seats of a controller with many replicas, kept as Leases in its namespace.

use super::assign::seat_of;
use super::desk::{Act, Desk, Seen, Step};
use super::fence::{Fence, now};
use super::{ANSWER_WITHIN, BEAT, LEASE, LEAVE_WITHIN};
use crate::controller::Seats;
use crate::engine::{Trouble, WriteGuard};
use crate::kubernetes::{Cluster, LeaseForm, LeaseObject};
use crate::model::{AppKey, marks};
use futures_util::future::{BoxFuture, join_all};
use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Of a replica's Lease, the value of its label.
const REPLICA: &str = "replica";
/// Between two attempts to free what is left at the end.
const LEAVE_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Seats on Leases: this replica's share of them, kept by a task of its own until this is dropped.
pub struct LeasedSeats {
    shared: Arc<Shared>,
    keeping: JoinHandle<()>,
}

struct Shared {
    cluster: Cluster,
    namespace: String,
    desk: Arc<Mutex<Desk>>,
    origin: Instant,
    /// Locked before the desk. A fence is in use while somebody besides this list has it.
    fences: Mutex<Vec<Arc<Fence>>>,
    held: watch::Sender<BTreeSet<u32>>,
    changes: watch::Sender<u64>,
    /// One beat at a time.
    beating: tokio::sync::Mutex<()>,
}

impl LeasedSeats {
    /// Takes part in sharing out `count` seats (at least one) whose Leases are in `namespace`. `host` is for people: it
    /// says where this replica runs. The connection is best one of its own, so that renewals never wait behind other
    /// requests; it needs the right to get, list, create, update and delete Leases there. Has to be called in a tokio
    /// runtime.
    pub fn keep(cluster: Cluster, namespace: &str, host: &str, count: u32) -> LeasedSeats {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write(host.as_bytes());
        let host: String =
            host.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).take(100).collect();
        let me = format!("{host}_{}_{:016x}", std::process::id(), hasher.finish());
        let shared = Arc::new(Shared {
            cluster: cluster.without_guard(),
            namespace: namespace.to_owned(),
            desk: Arc::new(Mutex::new(Desk::new(me, count))),
            origin: Instant::now(),
            fences: Mutex::default(),
            held: watch::Sender::default(),
            changes: watch::Sender::default(),
            beating: tokio::sync::Mutex::default(),
        });
        let keeper = Arc::clone(&shared);
        let keeping = tokio::spawn(async move {
            loop {
                keeper.beat().await;
                sleep(BEAT).await;
            }
        });
        LeasedSeats { shared, keeping }
    }

    /// What this replica calls itself in the Leases: `HOST_PID_NUMBER`.
    pub fn identity(&self) -> String {
        self.shared.desk().me().to_owned()
    }

    /// Gives up what is held as soon as nobody works from it.
    #[cfg(test)]
    pub(super) fn begin_to_leave(&self) {
        self.shared.desk().leave();
    }

    /// From now on nothing of it runs any more, but for what it is asked.
    #[cfg(test)]
    pub(super) fn stand_still(&self) {
        self.keeping.abort();
    }

    /// The seats that this process works from now.
    pub fn held(&self) -> BTreeSet<u32> {
        self.shared.desk().held()
    }
}

impl Drop for LeasedSeats {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Seats for LeasedSeats {
    fn holds(&self, key: &AppKey) -> bool {
        // A process that was stopped knows nothing new when it goes on, but the time.
        let has_lost = self.shared.desk().forfeit(now(self.shared.origin).monotonic);
        if has_lost {
            self.shared.tell();
        }
        let desk = self.shared.desk();
        desk.tenure(seat_of(key, desk.count())).is_some()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Whoever has it waits for the answers of its writes before letting go of it. One for an application that this
    /// process does not work for never passes.
    fn fence(&self, key: &AppKey) -> Arc<dyn WriteGuard> {
        let shared = &self.shared;
        let mut fences = shared.fences.lock().unwrap_or_else(PoisonError::into_inner);
        let (seat, tenure) = {
            let desk = shared.desk();
            let seat = seat_of(key, desk.count());
            (seat, desk.tenure(seat))
        };
        let (tenure, uid) = tenure.unwrap_or_default();
        if let Some(fence) = fences.iter().find(|fence| fence.seat == seat && fence.tenure == tenure) {
            return fence.clone();
        }
        let fence =
            Arc::new(Fence { desk: Arc::clone(&shared.desk), origin: shared.origin, seat, tenure, uid });
        if tenure > 0 {
            fences.push(Arc::clone(&fence));
        }
        fence
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        self.shared.desk().leave();
        Box::pin(async {
            let leaving = async {
                loop {
                    let is_done = self.shared.beat().await;
                    if is_done && self.shared.desk().is_free() {
                        return;
                    }
                    sleep(LEAVE_AGAIN_AFTER).await;
                }
            };
            if timeout(LEAVE_WITHIN, leaving).await.is_err() {
                tracing::warn!(after = ?LEASE, "seats could not be given away; others take them over when their Leases are old");
            }
        })
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads all Leases, and writes what is to be written. True if all of that worked.
    async fn beat(&self) -> bool {
        let _one = self.beating.lock().await;
        let reading = self.cluster.list_leases(&self.namespace, marks::SEAT);
        let done = match timeout(ANSWER_WITHIN, reading).await {
            Ok(Ok(leases)) => {
                let steps = self.look(&leases);
                self.tell();
                let written = steps.iter().map(|step| self.carry_out(step, &leases));
                join_all(written).await.into_iter().all(|done| done)
            }
            Ok(Err(trouble)) => {
                tracing::warn!(%trouble, "the Leases of the seats can't be read");
                false
            }
            Err(_) => {
                tracing::warn!("the API server takes too long to list the Leases of the seats");
                false
            }
        };
        self.desk().expire(now(self.origin));
        self.tell();
        done
    }

    fn look(&self, leases: &[LeaseObject]) -> Vec<Step> {
        let seen: Vec<Seen> = leases.iter().filter_map(seen).collect();
        let mut fences = self.fences.lock().unwrap_or_else(PoisonError::into_inner);
        let mut desk = self.desk();
        fences.retain(|fence| Arc::strong_count(fence) > 1);
        let in_use = fences.iter().map(|fence| fence.seat).collect();
        desk.look(&seen, &in_use, now(self.origin))
    }

    async fn carry_out(&self, step: &Step, leases: &[LeaseObject]) -> bool {
        let seen = leases.iter().find(|lease| lease.name() == step.name);
        let begun = now(self.origin);
        let me = self.desk().me().to_owned();
        let value = step.seat.map_or_else(|| REPLICA.to_owned(), |seat| seat.to_string());
        let form = LeaseForm { name: &step.name, label: (marks::SEAT, &value), duration: LEASE };
        let writing = async {
            match (step.act, seen) {
                (Act::Hold, _) => {
                    let lease = self.cluster.write_lease(&self.namespace, form, seen, &me).await?;
                    self.desk().confirmed(step, begun, lease.uid());
                }
                (Act::Free, _) => drop(self.cluster.write_lease(&self.namespace, form, seen, "").await?),
                (Act::Delete, Some(seen)) => self.cluster.delete_lease(&self.namespace, seen).await?,
                (Act::Delete, None) => {}
            }
            Ok::<_, Trouble>(())
        };
        match timeout(ANSWER_WITHIN, writing).await {
            Ok(Ok(())) => true,
            Ok(Err(trouble)) => {
                tracing::info!(lease = %step.name, %trouble, "a Lease was not written");
                false
            }
            Err(_) => {
                tracing::info!(lease = %step.name, "a Lease was not written in time");
                false
            }
        }
    }

    /// Says what has changed about what is held, if anything has.
    fn tell(&self) {
        let now = self.desk().held();
        let changed = self.held.send_if_modified(|held| {
            for seat in now.difference(held) {
                tracing::info!(seat, "this process works from the seat");
            }
            for seat in held.difference(&now) {
                tracing::info!(seat, "this process no longer works from the seat");
            }
            let changed = *held != now;
            held.clone_from(&now);
            changed
        });
        if changed {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }
}

/// What a Lease says; `None` if it is none of ours.
fn seen(lease: &LeaseObject) -> Option<Seen> {
    let label = lease.label(marks::SEAT);
    let seat = if label == REPLICA { None } else { Some(label.parse().ok()?) };
    Some(Seen {
        name: lease.name().to_owned(),
        seat,
        holder: lease.holder().map(ToOwned::to_owned),
        version: lease.version().to_owned(),
    })
    .filter(|seen| seen.seat.is_none_or(|seat| seen.name == super::desk::seat_name(seat)))
}
