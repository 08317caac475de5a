//! The Lease as one run holds it.

use super::{ATTEMPTS, RENEW_AFTER, SURE_UNTIL, TTL, WATCH_EVERY};
use crate::engine::{Clock, Trouble, TroubleKind};
use crate::kubernetes::{Cluster, Resource};
use crate::model::{Timestamp, marks};
use crate::platform::Owner;
use k8s_openapi::jiff;
use serde_json::{Value, json};
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
    lease: Value,
    /// When the last confirmed write was begun, on both clocks: the monotonic one stands still while a laptop sleeps,
    /// the wall clock can be set back.
    confirmed: Instant,
    confirmed_wall: Timestamp,
    /// Set once it is lost; it never comes back.
    lost: Option<String>,
}

impl State {
    fn age(&self) -> Duration {
        let wall = Duration::from_secs(Clock::system().since(self.confirmed_wall));
        self.confirmed.elapsed().max(wall)
    }
}

impl Held {
    /// Takes the Lease, or says who has it: at once when it is free, after [`TTL`] when a dead run left it.
    pub(super) async fn acquire(place: Place, owner: Owner) -> Result<Held, Refused> {
        let mut watched: Option<(String, Instant)> = None;
        let mut attempts = 0;
        loop {
            let found = place.read().await?;
            if let Some(lease) = &found
                && let Some(holder) = holder(lease).filter(|holder| *holder != owner.identity())
            {
                let version = version(lease).to_owned();
                match &watched {
                    Some((last, since)) if *last == version => {
                        let left = TTL.saturating_sub(since.elapsed());
                        if !left.is_zero() {
                            tokio::time::sleep(left.min(WATCH_EVERY)).await;
                            continue;
                        }
                    }
                    // It changed under our eyes: its holder lives.
                    Some(_) => return Err(Refused::Held(holder.to_owned())),
                    None => {
                        watched = Some((version, Instant::now()));
                        tokio::time::sleep(WATCH_EVERY).await;
                        continue;
                    }
                }
            }
            attempts += 1;
            let (begun, wall) = (Instant::now(), Clock::system());
            match place.write(found.as_ref(), owner.identity()).await {
                Ok(lease) => {
                    let state = State { lease, confirmed: begun, confirmed_wall: wall, lost: None };
                    return Ok(Held { place, owner, state: Mutex::new(state) });
                }
                // Somebody was faster, or our own write arrived although its answer was lost: the next read tells.
                Err(trouble)
                    if matches!(trouble.kind, TroubleKind::LookAgain | TroubleKind::Transient)
                        && attempts < ATTEMPTS => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    /// Passes while no other run can hold the Lease; renews it when it is getting old.
    pub(super) async fn check(&self) -> Result<(), Trouble> {
        let mut state = self.state.lock().await;
        if let Some(why) = &state.lost {
            return Err(self.place.lost(why));
        }
        if state.age() < RENEW_AFTER {
            return Ok(());
        }
        match self.renew(&mut state).await {
            Err(trouble) if trouble.kind == TroubleKind::Transient && state.age() < SURE_UNTIL => Ok(()),
            other => other,
        }
    }

    async fn renew(&self, state: &mut State) -> Result<(), Trouble> {
        for _ in 0..2 {
            let (begun, wall) = (Instant::now(), Clock::system());
            match self.place.write(Some(&state.lease), self.owner.identity()).await {
                Ok(lease) => {
                    (state.lease, state.confirmed, state.confirmed_wall) = (lease, begun, wall);
                    return Ok(());
                }
                Err(trouble) if matches!(trouble.kind, TroubleKind::LookAgain | TroubleKind::Missing) => {}
                Err(trouble) => return Err(trouble),
            }
            // An earlier renewal may have arrived without an answer. Nobody else writes our identity.
            match self.place.read().await? {
                Some(lease) if holder(&lease) == Some(self.owner.identity()) => state.lease = lease,
                Some(lease) => {
                    let by = holder(&lease).map_or_else(|| "somebody".into(), Owner::describe);
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

    /// Frees the Lease, if it is still ours.
    pub(super) async fn release(&self) -> Result<(), Trouble> {
        let mut state = self.state.lock().await;
        if state.lost.is_some() {
            return Ok(());
        }
        state.lost = Some("it was released".into());
        match self.place.write(Some(&state.lease), "").await {
            // It is not as we wrote it last: not ours, or about to be.
            Err(trouble) if matches!(trouble.kind, TroubleKind::LookAgain | TroubleKind::Missing) => Ok(()),
            other => other.map(drop),
        }
    }

    fn lose(&self, state: &mut State, why: String) -> Trouble {
        let trouble = self.place.lost(&why);
        state.lost = Some(why);
        trouble
    }
}

impl Place {
    fn resource() -> Resource {
        Resource::known("coordination.k8s.io", "v1", "Lease", "leases", true)
    }

    fn name(&self) -> String {
        format!("cutover-{}", self.application)
    }

    fn text(&self) -> String {
        format!("the lock Lease/{}/{}", self.namespace, self.name())
    }

    async fn read(&self) -> Result<Option<Value>, Trouble> {
        self.cluster.get(&Self::resource(), Some(&self.namespace), &self.name()).await
    }

    /// Writes `holder` into the Lease, if that is as it was `seen`, or not there if nothing was seen.
    async fn write(&self, seen: Option<&Value>, holder: &str) -> Result<Value, Trouble> {
        let now = micro_time(self.cluster.clock().now());
        let before = |field: &str| seen.and_then(|lease| lease["spec"].get(field));
        let changes_hands = before("holderIdentity").and_then(Value::as_str).unwrap_or_default() != holder;
        let transitions = before("leaseTransitions").and_then(Value::as_u64).unwrap_or_default();
        let acquired = before("acquireTime").filter(|_| !changes_hands).cloned();
        let mut metadata = json!({"name": self.name(), "namespace": self.namespace,
            "labels": {marks::APPLICATION: self.application}});
        if let Some(lease) = seen {
            metadata["resourceVersion"] = version(lease).into();
        }
        let body = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": TTL.as_secs(),
            "acquireTime": acquired.unwrap_or_else(|| now.clone().into()),
            "renewTime": now,
            "leaseTransitions": transitions + u64::from(changes_hands && !holder.is_empty()),
        }});
        match seen {
            Some(_) => self.cluster.replace(&Self::resource(), Some(&self.namespace), &body).await,
            None => self.cluster.create(&Self::resource(), Some(&self.namespace), &body).await,
        }
    }

    fn lost(&self, why: &str) -> Trouble {
        Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("keeping {}", self.text()),
            message: format!("{why}; this run writes nothing more"),
        }
    }
}

fn holder(lease: &Value) -> Option<&str> {
    lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty())
}

fn version(lease: &Value) -> &str {
    lease["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

/// `2026-11-22T04:08:25.000000Z`
fn micro_time(time: Timestamp) -> String {
    let seconds = i64::try_from(time.0).unwrap_or_default();
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}
