//! An application on ECS.

use super::balanced::Balanced;
use super::confirmed::Confirmed;
use super::looked::{Looked, Seen, mark_of_service};
use crate::aws::{Aws, CallCounts};
use crate::engine::{
    Deployment, Gating, Guard, History, Neighbours, NoHistory, Obstacles, Platform, Registered, Rollout,
    Settled, Signal, Signalling, SlotsReading, TimeSource, Traffic, TrafficReading, Trouble, TroubleKind,
    Workloads, declared_services, lock,
};
use crate::gates::Gates;
use crate::model::{Application, BySlot, Manifests, RevisionId, Slot, Timestamp};
use crate::plan::{Live, Owned, PlanItem};
use crate::platform::ecs::{Ecs, Writer};
use crate::rollout::{Action, Alarm, Hindrance, HttpAnswer, RuleObservation, Stranger, Terms};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// One application's cluster, load balancers, gates and lock.
pub struct EcsTarget {
    pub aws: Aws,
    ecs: Ecs,
    balanced: Balanced,
    gates: Gates,
    writer: Writer,
    time_scale: u32,
    seen: Seen,
    history: Arc<dyn History>,
    application: Application,
    confirmed: Confirmed,
}

impl EcsTarget {
    /// The cluster, through these clients.
    pub fn new(aws: Aws, application: &Application, cluster: &str, time_scale: u32) -> EcsTarget {
        let ecs = Ecs::new(aws.clone(), cluster);
        EcsTarget {
            writer: ecs.writer(&application.name, super::owner()),
            ecs,
            balanced: Balanced::new(aws.clone()),
            gates: Gates::new(aws.clone()),
            aws,
            time_scale: time_scale.max(1),
            seen: Seen::default(),
            history: Arc::new(NoHistory),
            application: application.clone(),
            confirmed: Confirmed::default(),
        }
    }

    /// Knows the other applications of the same process.
    #[must_use]
    pub fn beside(self, neighbours: Arc<dyn Neighbours>) -> EcsTarget {
        EcsTarget { ecs: self.ecs.beside(neighbours), ..self }
    }

    /// Reads earlier commits there.
    #[must_use]
    pub fn remembering(self, history: Arc<dyn History>) -> EcsTarget {
        EcsTarget { history, ..self }
    }

    /// Why targets of a BlueGreen were unhealthy when some last were in this run, for people.
    pub fn target_reasons(&self, blue_green: &str) -> BySlot<Vec<String>> {
        self.balanced.target_reasons(blue_green)
    }

    /// How services and rules were when they were last read.
    pub(super) fn looked(&self) -> Looked {
        self.seen.all()
    }

    /// What was sent to AWS.
    pub fn call_counts(&self) -> CallCounts {
        self.aws.call_counts()
    }

    /// Frees the application's lock, if this run took it.
    ///
    /// # Errors
    /// If AWS can't be told; others then have to wait for a minute.
    pub async fn release(&self) -> Result<(), Trouble> {
        self.writer.release().await
    }
}

impl EcsTarget {
    /// Refuses to delete a service while a rule of any listener, but for those in `except`, gives weight to one of its
    /// groups.
    async fn check_no_traffic(
        &self,
        service: &str,
        groups: &[String],
        except: &[String],
    ) -> Result<(), Trouble> {
        if groups.is_empty() {
            return Ok(());
        }
        match self.balanced.traffic_behind(groups, except).await? {
            None => Ok(()),
            Some(hindrance) => Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: format!("deleting service {service}"),
                message: hindrance.in_words(Terms::Ecs),
            }),
        }
    }

    /// Says of the services that a sync would delete and create anew which of them requests still reach.
    async fn mark_held(&self, deployment: &Deployment, live: &mut Live) -> Result<(), Trouble> {
        let replaced: Vec<(String, Vec<String>)> = self
            .ecs
            .replaced(deployment, live)
            .filter(|(_, groups)| !groups.is_empty())
            .map(|(name, groups)| (name.to_owned(), groups))
            .collect();
        for (name, groups) in replaced {
            let behind = self.balanced.traffic_behind(&groups, &[]).await?;
            live.held.extend(behind.map(|hindrance| (name, hindrance.in_words(Terms::Ecs))));
        }
        Ok(())
    }
}

impl Workloads for EcsTarget {
    async fn desired_revision(&self, rollout: &Rollout) -> Result<RevisionId, Trouble> {
        self.ecs.desired_revision(rollout).await
    }

    /// Every wait comes by here, so this is also where the other runs are shown that this one is alive.
    async fn observe_slots(&self, rollout: &Rollout) -> Result<SlotsReading, Trouble> {
        self.writer.keep().await?;
        self.ecs.observe_slots(rollout).await
    }

    async fn own_targets(
        &self,
        rollout: &Rollout,
        slot: Slot,
        healthy: &BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, Trouble> {
        self.ecs.own_targets(rollout, slot, healthy).await
    }

    async fn strangers(&self, rollout: &Rollout, slot: Slot) -> Result<Vec<Stranger>, Trouble> {
        self.ecs.strangers(rollout, slot).await
    }

    async fn apply_workload(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble> {
        if let Action::UpdateSlot { slot, .. } = action {
            let groups = self.ecs.groups_to_replace(rollout, *slot).await?;
            let alb = &rollout.blue_green.alb;
            let test: Vec<String> =
                alb.test_listener_rule.iter().chain(&alb.test_listener).cloned().collect();
            self.check_no_traffic(&rollout.slot_name(*slot), &groups, &test).await?;
        }
        self.ecs.apply_workload(rollout, action).await
    }
}

impl Signalling for EcsTarget {
    async fn apply_signal(&self, rollout: &Rollout, slot: Slot, signal: Signal) -> Result<(), Trouble> {
        self.ecs.apply_signal(rollout, slot, signal).await
    }

    async fn forget_refused(&self, deployment: &Deployment) -> Result<Vec<String>, Trouble> {
        if self.ecs.refused_services(deployment).await?.is_empty() {
            return Ok(vec![]);
        }
        lock(self, |_| ()).await?;
        self.ecs.forget_refused(deployment).await
    }
}

impl Traffic for EcsTarget {
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        let reading = self.balanced.observe_traffic(rollout, registered).await?;
        self.seen.rules(reading.rules.iter().chain(&reading.test_rule));
        Ok(reading)
    }

    async fn observe_obstacles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        let mut found = self.balanced.observe_obstacles(rollout, registered).await?;
        let named = self.balanced.named_groups(rollout).await;
        match self.ecs.used_by_others(rollout, registered, &named).await {
            Ok(hindrances) => found.hindrances.extend(hindrances),
            Err(trouble) if trouble.kind == TroubleKind::Transient => return Err(trouble),
            Err(trouble) => found.notices.push(format!(
                "nobody can tell whether another application uses the rules and target groups of BlueGreen/{}, since the \
                 cluster's services can't be listed: {trouble}",
                rollout.blue_green.name
            )),
        }
        Ok(found)
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        let written = self.balanced.apply_traffic(rollout, registered, observed, action).await?;
        self.seen.rules(std::iter::once(&written));
        Ok(written)
    }

    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble> {
        self.balanced.traffic_behind(target_groups, except).await
    }
}

impl Gating for EcsTarget {
    async fn read_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        self.gates.read_alarms(names).await
    }

    async fn ask_http(&self, rollout: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        self.gates.ask_http(rollout).await
    }
}

impl Platform for EcsTarget {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        let mut live = self.ecs.read_live(deployment).await?;
        self.mark_held(deployment, &mut live).await?;
        let mark = |name: String| {
            let mark = live.services.get(&name).and_then(mark_of_service);
            (name, mark)
        };
        self.seen.services(declared_services(deployment).into_iter().map(mark));
        Ok(live)
    }

    async fn read_slots(&self, application: &Application) -> Result<Vec<Owned>, Trouble> {
        self.ecs.read_slots(application).await
    }

    async fn documents_at(&self, commit: &str) -> Result<Manifests, String> {
        self.history.documents(commit).await
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        self.check_lease().await?;
        self.check_no_traffic(&item.resource, &self.ecs.groups_to_delete(item).await?, &[]).await?;
        self.ecs.apply_item(deployment, item).await
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        self.writer.keep().await?;
        self.ecs.item_settled(deployment, item, self.writer.is_held()).await
    }

    async fn read_owned(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.ecs.read_owned(deployment).await
    }

    async fn has_bookkeeping(&self) -> Result<bool, Trouble> {
        self.ecs.has_bookkeeping().await
    }

    async fn remove_bookkeeping(&self) -> Result<(), Trouble> {
        self.ecs.remove_bookkeeping().await
    }
}

impl Guard for EcsTarget {
    async fn check_lease(&self) -> Result<(), Trouble> {
        let checked = self.writer.check_lease().await;
        let slots = self.read_slots(&self.application);
        self.confirmed.check(checked, self.writer.is_held(), &*self.history, slots).await
    }

    fn wait_until(&self, end: tokio::time::Instant) {
        self.writer.wait_until(end);
    }

    fn is_held(&self) -> bool {
        self.writer.is_held()
    }

    async fn take_place(&self, waits: impl Fn(String)) -> bool {
        self.writer.take_place(waits).await
    }

    async fn lock_waited_for(&self) -> String {
        self.writer.lock_waited_for().await
    }
}

impl TimeSource for EcsTarget {
    fn now(&self) -> Timestamp {
        self.aws.clock().now()
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration / self.time_scale).await;
    }
}
