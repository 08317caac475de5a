//! The adapters of one run as the one thing the engine works with.

mod accounts;
mod balanced;
mod clusters;
mod confirmed;
mod destinations;
mod ecs;
mod ecs_site;
mod kubernetes;
mod kubernetes_site;
mod later;
mod looked;
mod patrol;
mod site;

pub use accounts::{Accounts, Region};
pub use destinations::Destinations;
pub use ecs::EcsTarget;
pub use kubernetes::KubernetesTarget;

use crate::aws::CallCounts;
use crate::engine::{
    Deployment, Gating, Guard, History, Obstacles, Platform, Registered, Rollout, Settled, Signal,
    Signalling, SlotsReading, TimeSource, Traffic, TrafficReading, Trouble, Workloads,
};
use crate::model::{Application, BySlot, Manifests, RevisionId, Slot, Timestamp};
use crate::plan::{Live, Owned, PlanItem};
use crate::platform::Owner;
use crate::rollout::{Action, Alarm, Hindrance, HttpAnswer, RuleObservation, Stranger};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Where one application goes, with everything that a run needs there.
pub enum Target {
    Ecs(Box<EcsTarget>),
    Kubernetes(Box<KubernetesTarget>),
}

/// The same call on whichever target it is.
macro_rules! on {
    ($self:ident, $target:ident => $call:expr) => {
        match $self {
            Target::Ecs($target) => $call,
            Target::Kubernetes($target) => $call,
        }
    };
}

impl Target {
    /// Reads earlier commits there, and asks there once more under the lock.
    #[must_use]
    pub fn remembering(self, history: Arc<dyn History>) -> Target {
        match self {
            Target::Ecs(target) => Target::Ecs(Box::new(target.remembering(history))),
            Target::Kubernetes(target) => Target::Kubernetes(Box::new(target.remembering(history))),
        }
    }

    /// Why targets of a BlueGreen were unhealthy when some last were in this run, for people.
    pub fn target_reasons(&self, blue_green: &str) -> BySlot<Vec<String>> {
        on!(self, target => target.target_reasons(blue_green))
    }

    /// What was sent so far.
    pub fn call_counts(&self) -> CallCounts {
        on!(self, target => target.call_counts())
    }

    /// Frees the application's lock, if this run took it.
    ///
    /// # Errors
    /// If the other side can't be told; other runs then have to wait for a minute.
    pub async fn release(&self) -> Result<(), Trouble> {
        on!(self, target => target.release().await)
    }
}

/// Names this run to others.
fn owner() -> Owner {
    let host = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter();
    let host = host.filter_map(|path| std::fs::read_to_string(path).ok()).map(|name| name.trim().to_owned());
    let host = host.chain(std::env::var("HOSTNAME")).find(|name| !name.is_empty());
    Owner::new(host.as_deref().unwrap_or("unknown-host"), std::process::id())
}

impl Workloads for Target {
    async fn desired_revision(&self, rollout: &Rollout) -> Result<RevisionId, Trouble> {
        on!(self, target => target.desired_revision(rollout).await)
    }

    async fn observe_slots(&self, rollout: &Rollout) -> Result<SlotsReading, Trouble> {
        on!(self, target => target.observe_slots(rollout).await)
    }

    async fn own_targets(
        &self,
        rollout: &Rollout,
        slot: Slot,
        healthy: &BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, Trouble> {
        on!(self, target => target.own_targets(rollout, slot, healthy).await)
    }

    async fn strangers(&self, rollout: &Rollout, slot: Slot) -> Result<Vec<Stranger>, Trouble> {
        on!(self, target => target.strangers(rollout, slot).await)
    }

    async fn apply_workload(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble> {
        on!(self, target => target.apply_workload(rollout, action).await)
    }
}

impl Signalling for Target {
    async fn apply_signal(&self, rollout: &Rollout, slot: Slot, signal: Signal) -> Result<(), Trouble> {
        on!(self, target => target.apply_signal(rollout, slot, signal).await)
    }

    async fn forget_refused(&self, deployment: &Deployment) -> Result<Vec<String>, Trouble> {
        on!(self, target => target.forget_refused(deployment).await)
    }
}

impl Traffic for Target {
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        on!(self, target => target.observe_traffic(rollout, registered).await)
    }

    async fn observe_obstacles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        on!(self, target => target.observe_obstacles(rollout, registered).await)
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        on!(self, target => target.apply_traffic(rollout, registered, observed, action).await)
    }

    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble> {
        on!(self, target => target.traffic_behind(target_groups, except).await)
    }
}

impl Gating for Target {
    async fn read_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        on!(self, target => target.read_alarms(names).await)
    }

    async fn ask_http(&self, rollout: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        on!(self, target => target.ask_http(rollout).await)
    }
}

impl Platform for Target {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        on!(self, target => target.read_live(deployment).await)
    }

    async fn read_slots(&self, application: &Application) -> Result<Vec<Owned>, Trouble> {
        on!(self, target => target.read_slots(application).await)
    }

    async fn documents_at(&self, commit: &str) -> Result<Manifests, String> {
        on!(self, target => target.documents_at(commit).await)
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        on!(self, target => target.apply_item(deployment, item).await)
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        on!(self, target => target.settled(deployment, item).await)
    }

    async fn read_owned(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        on!(self, target => target.read_owned(deployment).await)
    }

    async fn has_bookkeeping(&self) -> Result<bool, Trouble> {
        on!(self, target => target.has_bookkeeping().await)
    }

    async fn remove_bookkeeping(&self) -> Result<(), Trouble> {
        on!(self, target => target.remove_bookkeeping().await)
    }
}

impl Guard for Target {
    async fn check_lease(&self) -> Result<(), Trouble> {
        on!(self, target => target.check_lease().await)
    }

    fn wait_until(&self, end: tokio::time::Instant) {
        on!(self, target => target.wait_until(end));
    }

    fn is_held(&self) -> bool {
        on!(self, target => target.is_held())
    }

    async fn lock_waited_for(&self) -> String {
        on!(self, target => target.lock_waited_for().await)
    }

    async fn take_place(&self, waits: impl Fn(String)) -> bool {
        on!(self, target => target.take_place(waits).await)
    }
}

impl TimeSource for Target {
    fn now(&self) -> Timestamp {
        on!(self, target => target.now())
    }

    async fn pause(&self, duration: Duration) {
        on!(self, target => target.pause(duration).await)
    }
}
