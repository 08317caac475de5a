//! An application on Kubernetes.

use super::accounts::Region;
use super::confirmed::Confirmed;
use super::later::Later;
use super::looked::{Looked, Seen};
use crate::aws::{CallCounts, CallTally, WriteGuard};
use crate::engine::{
    Deployment, Gating, Guard, History, Neighbours, NoHistory, Obstacles, Platform, Registered, Rollout,
    Settled, Signal, Signalling, SlotsReading, TimeSource, Traffic, TrafficReading, Trouble, Workloads,
};
use crate::kubernetes::Cluster;
use crate::model::{
    Allowed, Application, BySlot, ClusterTraffic, Lineage, Manifests, RevisionId, Slot, Timestamp,
};
use crate::plan::{Live, Owned, PlanItem};
use crate::platform::kubernetes::{Forcing, Kubernetes, Sighting, Writer};
use crate::rollout::{Action, Alarm, Hindrance, HttpAnswer, RuleObservation};
use crate::traffic::http_route::RouteTraffic;
use crate::traffic::service::ServiceTraffic;
use std::sync::Arc;
use std::time::Duration;

/// One application's cluster, load balancers, gates and lock.
pub struct KubernetesTarget {
    platform: Kubernetes,
    aws: Later,
    service: ServiceTraffic,
    route: RouteTraffic,
    writer: Arc<Writer>,
    seen: Seen,
    history: Arc<dyn History>,
    application: Application,
    confirmed: Confirmed,
}

impl KubernetesTarget {
    /// The application in `cluster`, which is a handle of its own; what names no namespace goes to `namespace`. AWS is
    /// connected if a BlueGreen names a load balancer or an alarm.
    pub fn new(
        cluster: Cluster,
        application: &Application,
        namespace: &str,
        forcing: Forcing,
        aws: Region,
    ) -> KubernetesTarget {
        let platform = Kubernetes::new(cluster, &application.name, namespace).forcing(forcing);
        let writer = Arc::new(platform.writer(super::owner()));
        let guard: Arc<dyn WriteGuard> = writer.clone();
        KubernetesTarget {
            aws: Later::new(aws, guard, platform.cluster().fence()),
            service: ServiceTraffic::new(platform.cluster().clone(), namespace),
            route: RouteTraffic::new(platform.cluster().clone(), namespace),
            writer,
            seen: Seen::default(),
            history: Arc::new(NoHistory),
            application: application.clone(),
            confirmed: Confirmed::default(),
            platform,
        }
    }

    /// Keeps the application within bounds.
    #[must_use]
    pub fn confined(self, allowed: Allowed) -> KubernetesTarget {
        KubernetesTarget { platform: self.platform.confined(allowed), ..self }
    }

    /// Knows the other applications of the same process.
    #[must_use]
    pub fn beside(self, neighbours: Arc<dyn Neighbours>) -> KubernetesTarget {
        KubernetesTarget { platform: self.platform.beside(neighbours), ..self }
    }

    /// Reads earlier commits there.
    #[must_use]
    pub fn remembering(self, history: Arc<dyn History>) -> KubernetesTarget {
        KubernetesTarget { history, ..self }
    }

    /// Writes down on Applications among the documents which ones they come from.
    #[must_use]
    pub fn recording(self, lineage: Option<&Lineage>) -> KubernetesTarget {
        KubernetesTarget { platform: self.platform.recording(lineage), ..self }
    }

    /// How listener rules were when they were last read.
    pub(super) fn looked(&self) -> Looked {
        self.seen.all()
    }

    /// How the application's objects were in the last reading; given away.
    pub(super) fn take_sighting(&self) -> Sighting {
        self.platform.take_sighting()
    }

    /// The connection.
    pub fn cluster(&self) -> &Cluster {
        self.platform.cluster()
    }

    /// AWS, where it is needed.
    pub fn aws(&self) -> &Later {
        &self.aws
    }

    /// Why targets of a BlueGreen were unhealthy when some last were in this run, for people.
    pub fn target_reasons(&self, blue_green: &str) -> BySlot<Vec<String>> {
        self.aws.connected().map(|side| side.balanced.target_reasons(blue_green)).unwrap_or_default()
    }

    /// What was sent: to the API server by verb and resource (`apply deployments.apps`), to AWS by operation.
    pub fn call_counts(&self) -> CallCounts {
        let mut counts = self.aws.call_counts();
        for (verb, by_resource) in self.platform.cluster().call_counts().by_verb {
            for (resource, sent) in by_resource {
                let tally = CallTally { sent, write: verb.is_write(), ..CallTally::default() };
                counts.operations.insert(format!("{verb} {resource}"), tally);
            }
        }
        counts
    }

    /// Frees the application's lock, if this run took it.
    ///
    /// # Errors
    /// If the API server can't be told; others then have to wait for a minute.
    pub async fn release(&self) -> Result<(), Trouble> {
        self.writer.release().await
    }
}

impl Workloads for KubernetesTarget {
    async fn desired_revision(&self, rollout: &Rollout) -> Result<RevisionId, Trouble> {
        self.platform.desired_revision(rollout).await
    }

    /// Every wait comes by here, so this is also where the other runs are shown that this one is alive.
    async fn observe_slots(&self, rollout: &Rollout) -> Result<SlotsReading, Trouble> {
        self.writer.keep().await?;
        self.platform.observe_slots(rollout).await
    }

    async fn apply_workload(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble> {
        self.platform.apply_workload(rollout, action).await
    }
}

impl Signalling for KubernetesTarget {
    async fn apply_signal(&self, rollout: &Rollout, slot: Slot, signal: Signal) -> Result<(), Trouble> {
        self.platform.apply_signal(rollout, slot, signal).await
    }
}

impl Traffic for KubernetesTarget {
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        match &rollout.blue_green.traffic {
            None => {
                let reading = self.aws.side().await?.balanced.observe_traffic(rollout, registered).await?;
                self.seen.rules(reading.rules.iter().chain(&reading.test_rule));
                Ok(reading)
            }
            Some(ClusterTraffic::Service(_)) => self.service.observe_traffic(rollout, registered).await,
            Some(ClusterTraffic::HttpRoute(_)) => self.route.observe_traffic(rollout, registered).await,
        }
    }

    async fn observe_obstacles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        match &rollout.blue_green.traffic {
            None => self.aws.side().await?.balanced.observe_obstacles(rollout, registered).await,
            Some(ClusterTraffic::Service(_)) => self.service.observe_obstacles(rollout, registered).await,
            Some(ClusterTraffic::HttpRoute(_)) => self.route.observe_obstacles(rollout, registered).await,
        }
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        match &rollout.blue_green.traffic {
            None => {
                let side = self.aws.side().await?;
                let written = side.balanced.apply_traffic(rollout, registered, observed, action).await?;
                self.seen.rules(std::iter::once(&written));
                Ok(written)
            }
            Some(ClusterTraffic::Service(_)) => {
                self.service.apply_traffic(rollout, registered, observed, action).await
            }
            Some(ClusterTraffic::HttpRoute(_)) => {
                self.route.apply_traffic(rollout, registered, observed, action).await
            }
        }
    }

    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble> {
        if target_groups.is_empty() {
            return Ok(None);
        }
        self.aws.side().await?.balanced.traffic_behind(target_groups, except).await
    }
}

impl Gating for KubernetesTarget {
    async fn read_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        if names.is_empty() {
            return Ok(vec![]);
        }
        self.aws.side().await?.gates.read_alarms(names).await
    }

    async fn ask_http(&self, rollout: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        if rollout.blue_green.gates.http.is_empty() {
            return Ok(vec![]);
        }
        self.aws.side().await?.gates.ask_http(rollout).await
    }
}

impl Platform for KubernetesTarget {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.platform.read_live(deployment).await
    }

    async fn read_slots(&self, application: &Application) -> Result<Vec<Owned>, Trouble> {
        self.platform.read_slots(application).await
    }

    async fn documents_at(&self, commit: &str) -> Result<Manifests, String> {
        self.history.documents(commit).await
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        self.check_lease().await?;
        self.platform.apply_item(deployment, item).await
    }

    /// Every wait comes by here, so this is also where the other runs are shown that this one is alive.
    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        self.writer.keep().await?;
        self.platform.settled(deployment, item).await
    }

    async fn read_owned(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.platform.read_owned(deployment).await
    }

    async fn has_bookkeeping(&self) -> Result<bool, Trouble> {
        self.platform.has_bookkeeping().await
    }

    async fn remove_bookkeeping(&self) -> Result<(), Trouble> {
        self.check_lease().await?;
        self.platform.remove_bookkeeping().await?;
        self.writer.end();
        Ok(())
    }
}

impl Guard for KubernetesTarget {
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

    async fn lock_waited_for(&self) -> String {
        self.writer.lock_waited_for().await
    }
}

impl TimeSource for KubernetesTarget {
    fn now(&self) -> Timestamp {
        self.platform.cluster().clock().now()
    }

    async fn pause(&self, duration: Duration) {
        self.platform.pause(duration).await;
    }
}
