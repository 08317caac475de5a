//! The lease as the engine sees it.

use super::held::{Held, Place, Refused};
use crate::engine::{Guard, Trouble, TroubleKind, Without, WriteGuard, kept_alive, may_go_without};
use crate::kubernetes::{Apply, Cluster, Resource};
use crate::platform::Owner;
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::inventory::{Inventory, OwnNamespace};
use crate::platform::lock_waits::LockWaits;
use futures_util::future::BoxFuture;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The right to write to one application, until it is released or lost.
#[derive(Clone)]
pub struct Lease(Arc<Held>);

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
    /// Those of the request; the lock then is free for others after a minute.
    pub async fn release(&self) -> Result<(), Trouble> {
        self.0.release().await
    }
}

impl Lease {
    async fn remove(&self) -> Result<(), Trouble> {
        self.0.remove().await
    }
}

impl WriteGuard for Lease {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        Box::pin(self.0.check())
    }
}

/// Takes the lock when the first write is about to be made, and from then on checks it before each one. A run that
/// writes nothing never takes it.
pub struct Writer {
    cluster: Cluster,
    namespace: String,
    application: String,
    owner: Owner,
    inventory: Arc<Inventory>,
    waits: LockWaits,
    until: StdMutex<Option<Instant>>,
    lease: Mutex<Option<Lease>>,
    /// Whether there is one: known also while it is being renewed.
    held: AtomicBool,
    without: Without,
    /// True if nobody will need the lock after this run.
    is_ending: AtomicBool,
}

impl Kubernetes {
    /// The engine's guard for the application: takes the lock at the first write. What the connection was fenced with
    /// is part of the lock.
    pub fn writer(&self, owner: Owner) -> Writer {
        let owner = owner.with_fence(self.cluster.fence());
        Writer {
            cluster: self.cluster.clone(),
            namespace: self.identity.namespace().to_owned(),
            application: self.identity.application().to_owned(),
            owner,
            inventory: Arc::clone(&self.inventory),
            waits: LockWaits::new(self.identity.application()),
            until: StdMutex::default(),
            lease: Mutex::default(),
            held: AtomicBool::default(),
            without: Without::default(),
            is_ending: AtomicBool::default(),
        }
    }
}

impl Writer {
    /// Takes the lock now, for a verb that writes outside of a sync. What was observed before is old by then.
    ///
    /// # Errors
    /// [`TroubleKind::Rejected`] if another run is alive, with a message that says where.
    pub async fn acquire(&self) -> Result<(), Trouble> {
        let mut lease = self.lease.lock().await;
        if lease.is_none() {
            *lease = Some(self.take().await?);
            self.held.store(true, Ordering::SeqCst);
        }
        Ok(())
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

    /// Has the lock removed when it is freed: there is no application any more.
    pub fn end(&self) {
        self.is_ending.store(true, Ordering::SeqCst);
    }

    /// Frees the lock, if this run has it.
    ///
    /// # Errors
    /// Those of [`Lease::release`].
    pub async fn release(&self) -> Result<(), Trouble> {
        self.cluster.set_guard(None);
        let lease = self.lease.lock().await.take();
        self.held.store(false, Ordering::SeqCst);
        match lease {
            Some(lease) if self.is_ending.load(Ordering::SeqCst) => lease.remove().await,
            Some(lease) => lease.release().await,
            None => Ok(()),
        }
    }

    async fn take(&self) -> Result<Lease, Trouble> {
        let place = || Place {
            cluster: self.cluster.without_guard(),
            namespace: self.namespace.clone(),
            application: self.application.clone(),
        };
        let waits = |holder: &str, at_most| self.waits.begin(holder, at_most);
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let held = match Held::acquire(place(), self.owner.clone(), until, waits).await {
            Err(Refused::Trouble(trouble)) if trouble.kind == TroubleKind::Missing => {
                self.make_namespace(trouble).await?;
                Held::acquire(place(), self.owner.clone(), until, waits).await
            }
            other => other,
        };
        let held = held.map_err(|refused| match refused {
            Refused::Trouble(trouble) => trouble,
            Refused::Awaited(by, left) => self.waits.awaited(&by, left),
            Refused::Held(by) => Trouble {
                kind: TroubleKind::Rejected,
                doing: "taking the application's lock".into(),
                message: self.waits.refusal(&by),
            },
        })?;
        let lease = Lease(Arc::new(held));
        self.cluster.set_guard(Some(Arc::new(lease.clone())));
        // What was read before we were the only writer counts no more.
        self.inventory.forget().await;
        Ok(lease)
    }

    /// The lock lies in the application's namespace. Where that is for the application to make it comes first, and only it:
    /// two runs that do so at the same time write the same.
    async fn make_namespace(&self, missing: Trouble) -> Result<(), Trouble> {
        let namespace = &self.namespace;
        let Some(own) = self.inventory.own_namespace() else {
            let message = format!(
                "{}; add a Namespace document for {namespace}, set sync.createNamespace, or `kubectl create namespace \
                 {namespace}`",
                missing.message
            );
            return Err(Trouble { message, ..missing });
        };
        self.owner.check_fence().await?;
        let cluster = self.cluster.without_guard();
        match own {
            OwnNamespace::Declared(resource, body) => {
                let applied = cluster.apply(&resource, None, &body, Apply::default()).await;
                let doing = format!("making namespace {namespace}");
                applied.map(drop).map_err(|refusal| refusal.into_trouble(&doing))
            }
            OwnNamespace::Made => {
                let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
                match cluster.create(&Resource::namespaces(), None, &body).await {
                    // Somebody else has made it meanwhile.
                    Err(trouble) if trouble.kind == TroubleKind::LookAgain => Ok(()),
                    made => made.map(drop),
                }
            }
        }
    }
}

/// For the writes of another client that this lock stands for, too.
impl WriteGuard for Writer {
    /// Passes while this run has the lock, or for a return that goes on without.
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        Box::pin(async {
            let lease = self.lease.lock().await.clone();
            match lease {
                Some(lease) => lease.check().await,
                None if self.without.is_known() => self.owner.check_fence().await,
                None => Err(Trouble {
                    kind: TroubleKind::LookAgain,
                    doing: format!("writing for application {}", self.application),
                    message: "this run does not have the lock".into(),
                }),
            }
        })
    }
}

impl Guard for Writer {
    /// Right after the lock was taken this is [`TroubleKind::LookAgain`] once: while it was waited for, another run may
    /// have changed what the write was decided on.
    async fn check_lease(&self) -> Result<(), Trouble> {
        let mut lease = self.lease.lock().await;
        if let Some(lease) = &*lease {
            return lease.check().await;
        }
        if self.without.is_known() {
            return Ok(());
        }
        *lease = match self.take().await {
            Err(trouble) if may_go_without(&trouble) => return Err(self.without.note(&trouble)),
            taken => Some(taken?),
        };
        self.held.store(true, Ordering::SeqCst);
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
