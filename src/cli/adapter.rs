//! The adapters of one run as the one thing the engine works with.

use crate::aws::Aws;
use crate::engine::{
    Deployment, Gating, Guard, Platform, Rollout, Settled, Signal, Signalling, TimeSource, Traffic,
    TrafficReading, Trouble, TroubleKind, Workloads,
};
use crate::gates::Gates;
use crate::model::{Application, BySlot, Destination, RevisionId, Slot, Timestamp};
use crate::plan::{Live, PlanItem};
use crate::platform::ecs::{Ecs, Owner, Writer};
use crate::rollout::{Action, Alarm, HttpAnswer, RuleObservation, SlotObservation};
use crate::traffic::alb::Alb;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One application's cluster, load balancers, gates and lock.
pub struct Target {
    pub aws: Aws,
    pub ecs: Ecs,
    pub alb: Alb,
    gates: Gates,
    writer: Writer,
    time_scale: u32,
    /// The BlueGreens whose last observation was begun while this run had the lock.
    observed_locked: Mutex<BTreeSet<String>>,
    /// Why targets were unhealthy, by BlueGreen, when they last were.
    reasons: Mutex<BTreeMap<String, BySlot<Vec<String>>>>,
}

impl Target {
    /// The application's destination, through these clients.
    pub fn new(aws: Aws, application: &Application, time_scale: u32) -> Target {
        let cluster = match &application.destination {
            Destination::Ecs { cluster, .. } => cluster.clone(),
            Destination::Kubernetes { .. } => String::new(),
        };
        let ecs = Ecs::new(aws.clone(), cluster);
        Target {
            writer: ecs.writer(&application.name, owner()),
            ecs,
            alb: Alb::new(aws.clone()),
            gates: Gates::new(aws.clone()),
            aws,
            time_scale: time_scale.max(1),
            observed_locked: Mutex::default(),
            reasons: Mutex::default(),
        }
    }

    /// Why targets of a BlueGreen were unhealthy when some last were in this run, for people.
    pub fn target_reasons(&self, blue_green: &str) -> BySlot<Vec<String>> {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.get(blue_green).cloned().unwrap_or_default()
    }

    /// Passes if the rollout was observed under the lock: with several rollouts, one takes the lock for all, and what
    /// the others decide on may be older than that.
    fn check_observation(&self, rollout: &Rollout) -> Result<(), Trouble> {
        let observed = self.observed_locked.lock().unwrap_or_else(PoisonError::into_inner);
        if observed.contains(&rollout.blue_green.name) {
            return Ok(());
        }
        Err(Trouble {
            kind: TroubleKind::LookAgain,
            doing: format!("writing to BlueGreen/{}", rollout.blue_green.name),
            message: "it was observed before this run had the lock".into(),
        })
    }

    /// Frees the application's lock, if this run took it.
    ///
    /// # Errors
    /// If AWS can't be told; others then have to wait for a minute.
    pub async fn release(&self) -> Result<(), Trouble> {
        self.writer.release().await
    }

    /// Takes the application's lock for a verb that writes outside of a sync; [`Target::release`] frees it. What was
    /// observed before is old by then.
    ///
    /// # Errors
    /// If another run has it.
    pub async fn lock(&self) -> Result<(), Trouble> {
        loop {
            match self.check_lease().await {
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => {}
                other => return other,
            }
        }
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
        self.ecs.desired_revision(rollout).await
    }

    /// Every wait comes by here, so this is also where the other runs are shown that this one is alive.
    async fn observe_slots(&self, rollout: &Rollout) -> Result<BySlot<SlotObservation>, Trouble> {
        self.writer.keep().await?;
        let name = &rollout.blue_green.name;
        {
            let mut observed = self.observed_locked.lock().unwrap_or_else(PoisonError::into_inner);
            if self.writer.is_held() {
                observed.insert(name.clone())
            } else {
                observed.remove(name)
            };
        }
        self.ecs.observe_slots(rollout).await
    }

    async fn apply_workload(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble> {
        self.check_observation(rollout)?;
        self.ecs.apply_workload(rollout, action).await
    }
}

impl Signalling for Target {
    async fn apply_signal(&self, rollout: &Rollout, slot: Slot, signal: Signal) -> Result<(), Trouble> {
        self.ecs.apply_signal(rollout, slot, signal).await
    }
}

impl Traffic for Target {
    async fn observe_traffic(&self, rollout: &Rollout) -> Result<TrafficReading, Trouble> {
        let reading = self.alb.observe_traffic(rollout).await?;
        if Slot::BOTH.into_iter().any(|slot| reading.targets.get(slot).unhealthy > 0) {
            // The groups' names are known by now, so this asks AWS nothing.
            let reasons = self.alb.target_troubles(rollout).await?;
            let mut known = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            let known = known.entry(rollout.blue_green.name.clone()).or_default();
            for slot in Slot::BOTH {
                if reading.targets.get(slot).unhealthy > 0 {
                    known.get_mut(slot).clone_from(reasons.get(slot));
                }
            }
        }
        Ok(reading)
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        self.check_observation(rollout)?;
        self.alb.apply_traffic(rollout, observed, action).await
    }

    async fn traffic_behind(&self, target_groups: &[String]) -> Result<Option<String>, Trouble> {
        self.alb.traffic_behind(target_groups).await
    }
}

impl Gating for Target {
    async fn read_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        self.gates.read_alarms(names).await
    }

    async fn ask_http(&self, rollout: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        self.gates.ask_http(rollout).await
    }
}

impl Platform for Target {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.ecs.read_live(deployment).await
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        self.writer.check_lease().await?;
        self.ecs.apply_item(deployment, item).await
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        self.writer.keep().await?;
        self.ecs.settled(deployment, item).await
    }
}

impl Guard for Target {
    async fn check_lease(&self) -> Result<(), Trouble> {
        self.writer.check_lease().await
    }
}

impl TimeSource for Target {
    fn now(&self) -> Timestamp {
        self.aws.clock().now()
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration / self.time_scale).await;
    }
}
