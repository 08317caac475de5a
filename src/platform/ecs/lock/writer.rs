//! The lease as the engine sees it.

use super::cluster_tag::ClusterTag;
use super::{Held, Refused};
use crate::aws::{Aws, LOCKS_ON_A_CLUSTER, WriteGuard};
use crate::engine::{Guard, Trouble, TroubleKind, Without, kept_alive, may_go_without};
use crate::platform::Owner;
use crate::platform::ecs::Ecs;
use crate::platform::ecs::read::Kept;
use crate::platform::lock_waits::{LockWaits, held};
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio::time::Instant;

/// The right to write to one application, until it is released or lost.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Held<ClusterTag>>);

/// Why the right was not got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    /// Another run has it and is alive.
    Held {
        application: String,
        by: String,
    },
    /// Another run has it, alive or not: the time given was over before that was known.
    Awaited(Trouble),
    Trouble(Trouble),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Held { application, by } => f.write_str(&held(by, application)),
            LockError::Awaited(trouble) | LockError::Trouble(trouble) => trouble.fmt(f),
        }
    }
}

impl std::error::Error for LockError {}

impl From<LockError> for Trouble {
    fn from(error: LockError) -> Trouble {
        match error {
            LockError::Awaited(trouble) | LockError::Trouble(trouble) => trouble,
            LockError::Held { .. } => Trouble {
                kind: TroubleKind::Rejected,
                doing: "taking the application's lock".into(),
                message: error.to_string(),
            },
        }
    }
}

impl Lease {
    /// Passes while no other run can hold the lock; renews it when it is getting old. Call it right before each write,
    /// and at least every 20 seconds while waiting, so that other runs see this one alive.
    ///
    /// # Errors
    /// [`TroubleKind::Rejected`] once the lock is lost; [`TroubleKind::Transient`] if it could not be renewed in time.
    pub async fn check(&self) -> Result<(), Trouble> {
        self.0.check().await
    }

    /// Frees the lock, if it is still ours.
    ///
    /// # Errors
    /// Those of the calls; the lock then is free for others after a minute.
    pub async fn release(&self) -> Result<(), Trouble> {
        self.0.release().await
    }
}

impl WriteGuard for Lease {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        Box::pin(self.0.check())
    }
}

impl Ecs {
    /// Takes the application's lock on this cluster: about 5 seconds if it is free, up to a minute more if a dead run
    /// left it. What was observed before is old by then: observe again before the first write.
    ///
    /// # Errors
    /// [`LockError::Held`] if another run is alive.
    pub async fn acquire_lock(&self, application: &str, owner: Owner) -> Result<Lease, LockError> {
        let waits = LockWaits::new(application);
        let lease = acquire(&self.aws, &self.cluster, application, owner, None, &waits).await?;
        self.kept().forget();
        Ok(lease)
    }

    /// The engine's guard for one application: takes the lock at the first write. What the connection was fenced with is
    /// part of the lock.
    pub fn writer(&self, application: &str, owner: Owner) -> Writer {
        Writer {
            aws: self.aws.clone(),
            cluster: self.cluster.clone(),
            application: application.to_owned(),
            owner,
            kept: self.kept(),
            waits: LockWaits::new(application),
            until: StdMutex::default(),
            place: StdMutex::default(),
            lease: Mutex::default(),
            held: AtomicBool::default(),
            without: Without::default(),
        }
    }
}

async fn acquire(
    aws: &Aws,
    cluster: &str,
    application: &str,
    owner: Owner,
    until: Option<Instant>,
    waits: &LockWaits,
) -> Result<Lease, LockError> {
    let tag = ClusterTag::new(aws, cluster, application);
    let owner = owner.with_fence(aws.fence());
    match Held::acquire(tag, owner, until, |value, at_most| waits.begin(value, at_most)).await {
        Ok(held) => Ok(Lease(Arc::new(held))),
        Err(Refused::Held(value)) => {
            Err(LockError::Held { application: application.to_owned(), by: Owner::describe(&value) })
        }
        Err(Refused::Awaited(value, left)) => Err(LockError::Awaited(waits.awaited(&value, left))),
        Err(Refused::Trouble(trouble)) => Err(LockError::Trouble(trouble)),
    }
}

/// Takes the lock when the first write is about to be made, and from then on checks it before each one. A run that
/// writes nothing never takes it.
pub struct Writer {
    aws: Aws,
    cluster: String,
    application: String,
    owner: Owner,
    kept: Kept,
    waits: LockWaits,
    until: StdMutex<Option<Instant>>,
    /// Kept until the lock is free again.
    place: StdMutex<Option<OwnedSemaphorePermit>>,
    lease: Mutex<Option<Lease>>,
    /// Whether there is one: known also while it is being renewed.
    held: AtomicBool,
    without: Without,
}

impl Writer {
    /// Takes one of the places for locks that this process has on the cluster; `waits` is told what is awaited if none
    /// is free. True if it was waited for.
    pub async fn take_place(&self, waits: impl Fn(String)) -> bool {
        if self.place.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return false;
        }
        let places = self.aws.lock_places(&self.cluster);
        let at_once = Arc::clone(&places).try_acquire_owned();
        let has_waited = at_once.is_err();
        let place = match at_once {
            Ok(place) => Some(place),
            Err(_) => {
                waits(format!(
                    "its turn on cluster {}: {LOCKS_ON_A_CLUSTER} other syncs have their locks in its tags, of which AWS \
                     allows 50",
                    self.cluster
                ));
                places.acquire_owned().await.ok()
            }
        };
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        has_waited
    }

    /// Renews the lease if there is one and it is getting old: for loops that wait.
    ///
    /// # Errors
    /// That it is lost.
    pub async fn keep(&self) -> Result<(), Trouble> {
        let lease = self.lease.lock().await.clone();
        match lease {
            Some(lease) => kept_alive(lease.check()).await,
            None => Ok(()),
        }
    }

    /// Frees the lock and the place for it, if this run has them.
    ///
    /// # Errors
    /// Those of [`Lease::release`].
    pub async fn release(&self) -> Result<(), Trouble> {
        self.aws.set_guard(None);
        let lease = self.lease.lock().await.take();
        self.held.store(false, Ordering::SeqCst);
        let released = match lease {
            Some(lease) => lease.release().await,
            None => Ok(()),
        };
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = None;
        released
    }
}

impl Guard for Writer {
    /// Right after the lock was taken this is [`TroubleKind::LookAgain`] once: while it was waited for,
    /// another run may have changed what the write was decided on.
    async fn check_lease(&self) -> Result<(), Trouble> {
        let mut lease = self.lease.lock().await;
        if let Some(lease) = &*lease {
            return lease.check().await;
        }
        // Who may not write has no use for the lock.
        self.aws.check_guard().await?;
        if self.without.is_known() {
            return Ok(());
        }
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let (owner, waits) = (self.owner.clone(), &self.waits);
        let taken = match acquire(&self.aws, &self.cluster, &self.application, owner, until, waits).await {
            Err(LockError::Trouble(trouble)) if may_go_without(&trouble) => {
                return Err(self.without.note(&trouble));
            }
            taken => taken?,
        };
        self.aws.set_guard(Some(Arc::new(taken.clone())));
        *lease = Some(taken);
        self.held.store(true, Ordering::SeqCst);
        // What was read before we were the only writer counts no more.
        self.kept.forget();
        Err(Trouble {
            kind: TroubleKind::LookAgain,
            doing: format!("taking the lock of application {}", self.application),
            message: "it is ours now; looking again before the first write".into(),
        })
    }

    fn wait_until(&self, end: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    async fn lock_waited_for(&self) -> String {
        self.waits.next().await
    }
}
