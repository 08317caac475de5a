//! The Lease as one run holds it.

use super::{ATTEMPTS, FREE_AGAIN_AFTER, RENEW_AFTER, SURE_UNTIL, TTL, WATCH_EVERY};
use crate::engine::{Begun, Trouble, TroubleKind, may_go_without};
use crate::kubernetes::{Cluster, LeaseForm, LeaseObject};
use crate::model::marks;
use crate::platform::Owner;
use crate::platform::lock_waits::pause_until;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Where the Lease is.
#[derive(Clone)]
pub(super) struct Place {
    /// Without a guard: the lock's own writes are not checked against the lock.
    pub cluster: Cluster,
    pub namespace: String,
    pub application: String,
}

/// Why the right was not got.
pub(super) enum Refused {
    /// Another run has it: its identity.
    Held(String),
    /// Another run has it, which would be known to be a dead one after so long; the time given is over.
    Awaited(String, Duration),
    Trouble(Trouble),
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Refused {
        Refused::Trouble(trouble)
    }
}

pub(super) struct Held {
    place: Place,
    owner: Owner,
    state: Mutex<State>,
}

struct State {
    /// As last written.
    lease: LeaseObject,
    /// When the last confirmed write was begun.
    confirmed: Begun,
    /// Set once it is lost; it never comes back.
    lost: Option<String>,
}

impl Held {
    /// Takes the Lease, or says who has it: at once when it is free or was left by a run that worked from the owner's
    /// seat, after [`TTL`] when another dead run left it, of which `waits` is told the holder and that time. It is not waited
    /// for beyond `until`.
    pub(super) async fn acquire(
        place: Place,
        owner: Owner,
        until: Option<Instant>,
        waits: impl Fn(&str, Duration),
    ) -> Result<Held, Refused> {
        let identity = owner.identity();
        let mut watched: Option<(String, Instant)> = None;
        let mut attempts = 0;
        loop {
            owner.check_fence().await?;
            let found = place.read().await?;
            if let Some(lease) = &found
                && let Some(holder) = lease.holder().filter(|holder| *holder != identity)
                // Nothing that an earlier holder of our seat sent is under way any more, so that there is nothing to wait for.
                && !owner.succeeds(holder)
            {
                let version = lease.version().to_owned();
                match &watched {
                    Some((last, since)) if *last == version => {
                        let left = TTL.saturating_sub(since.elapsed());
                        if !left.is_zero() {
                            let late = || Refused::Awaited(holder.to_owned(), left);
                            pause_until(left.min(WATCH_EVERY), until).await.ok_or_else(late)?;
                            continue;
                        }
                    }
                    // It changed under our eyes: its holder lives.
                    Some(_) => return Err(Refused::Held(holder.to_owned())),
                    None => {
                        waits(holder, TTL);
                        watched = Some((version, Instant::now()));
                        let late = || Refused::Awaited(holder.to_owned(), TTL);
                        pause_until(WATCH_EVERY, until).await.ok_or_else(late)?;
                        continue;
                    }
                }
            }
            attempts += 1;
            let begun = Begun::now();
            match place.write(found.as_ref(), &identity).await {
                Ok(lease) => {
                    let state = State { lease, confirmed: begun, lost: None };
                    return Ok(Held { place, owner, state: Mutex::new(state) });
                }
                // Somebody was faster, or our own write arrived although its answer was lost: the next read tells.
                Err(trouble)
                    if (trouble.kind == TroubleKind::LookAgain || trouble.kind.is_passing())
                        && attempts < ATTEMPTS => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    /// Passes while the owner's fence does and no other run can hold the Lease; renews it when it is getting old.
    pub(super) async fn check(&self) -> Result<(), Trouble> {
        let mut state = self.state.lock().await;
        if let Some(why) = &state.lost {
            return Err(self.place.lost(why));
        }
        self.owner.check_fence().await?;
        if state.confirmed.elapsed() < RENEW_AFTER {
            return Ok(());
        }
        match self.renew(&mut state).await {
            Err(trouble) if trouble.kind.is_passing() && state.confirmed.elapsed() < SURE_UNTIL => Ok(()),
            Err(trouble) if may_go_without(&trouble) => Ok(()),
            other => other,
        }
    }

    async fn renew(&self, state: &mut State) -> Result<(), Trouble> {
        let identity = self.owner.identity();
        for _ in 0..2 {
            let begun = Begun::now();
            match self.place.write(Some(&state.lease), &identity).await {
                Ok(lease) => {
                    (state.lease, state.confirmed) = (lease, begun);
                    return Ok(());
                }
                Err(trouble) if matches!(trouble.kind, TroubleKind::LookAgain | TroubleKind::Missing) => {}
                Err(trouble) => return Err(trouble),
            }
            // An earlier renewal may have arrived without an answer. Nobody else writes our identity.
            match self.place.read().await? {
                Some(lease) if lease.holder() == Some(&identity) => state.lease = lease,
                Some(lease) => {
                    let by = lease.holder().map_or_else(|| "somebody".into(), Owner::describe);
                    return Err(self.lose(state, format!("{by} took it over")));
                }
                None => return Err(self.lose(state, "somebody removed it".into())),
            }
        }
        Err(Trouble {
            kind: TroubleKind::Transient,
            doing: format!("renewing {}", self.place.text()),
            message: "somebody else keeps changing it".into(),
        })
    }

    /// Frees the Lease, if it is still ours: tries until it is free or has expired.
    pub(super) async fn release(&self) -> Result<(), Trouble> {
        let mut state = self.state.lock().await;
        if state.lost.is_some() {
            return Ok(());
        }
        state.lost = Some("it was released".into());
        loop {
            let freed = self.place.write(Some(&state.lease), "").await;
            let left = TTL.saturating_sub(state.confirmed.elapsed());
            match freed {
                // It is not as we wrote it last: freed by a write whose answer was lost, not ours, or about to be.
                Err(trouble) if matches!(trouble.kind, TroubleKind::LookAgain | TroubleKind::Missing) => {
                    return Ok(());
                }
                Err(trouble) if trouble.kind.is_passing() && left > FREE_AGAIN_AFTER => {
                    tokio::time::sleep(FREE_AGAIN_AFTER).await;
                }
                other => return other.map(drop),
            }
        }
    }

    /// Deletes the Lease, if it is still ours; where that is not allowed, frees it.
    pub(super) async fn remove(&self) -> Result<(), Trouble> {
        {
            let mut state = self.state.lock().await;
            if state.lost.is_some() {
                return Ok(());
            }
            let removed = self.place.cluster.delete_lease(&self.place.namespace, &state.lease).await;
            if !matches!(&removed, Err(trouble) if trouble.kind == TroubleKind::Denied || trouble.kind.is_passing())
            {
                state.lost = Some("it was removed".into());
                return match removed {
                    // It is not as we wrote it last: not ours any more, or gone.
                    Err(trouble) if matches!(trouble.kind, TroubleKind::LookAgain | TroubleKind::Missing) => {
                        Ok(())
                    }
                    removed => removed,
                };
            }
        }
        self.release().await
    }

    fn lose(&self, state: &mut State, why: String) -> Trouble {
        let trouble = self.place.lost(&why);
        state.lost = Some(why);
        trouble
    }
}

impl Place {
    fn name(&self) -> String {
        format!("cutover-{}", self.application)
    }

    fn text(&self) -> String {
        format!("the lock Lease/{}/{}", self.namespace, self.name())
    }

    async fn read(&self) -> Result<Option<LeaseObject>, Trouble> {
        self.cluster.read_lease(&self.namespace, &self.name()).await
    }

    async fn write(&self, seen: Option<&LeaseObject>, holder: &str) -> Result<LeaseObject, Trouble> {
        let (name, label) = (self.name(), (marks::APPLICATION, self.application.as_str()));
        let form = LeaseForm { name: &name, label, duration: TTL };
        self.cluster.write_lease(&self.namespace, form, seen, holder).await
    }

    fn lost(&self, why: &str) -> Trouble {
        Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("keeping {}", self.text()),
            message: format!("{why}; this run writes nothing more"),
        }
    }
}
