//! The adapters of one run together, as the command line composes them, over an HTTP client inside the process.

use super::Wire;
use cutover::aws::{Aws, Connect};
use cutover::engine::{
    Deployment, Gating, Guard, Obstacles, Platform, Registered, Rollout, Settled, SlotsReading, TimeSource,
    Traffic, TrafficReading, Trouble, Workloads,
};
use cutover::gates::{Asker, Gates, HttpQuestion, NoAnswer};
use cutover::model::{Application, RevisionId, Slot, Timestamp};
use cutover::plan::{Live, Owned, PlanItem};
use cutover::platform::ecs::{Ecs, Owner, Writer};
use cutover::rollout::{Action, Alarm, Hindrance, HttpAnswer, RuleObservation, Stranger};
use cutover::simulator::Connector;
use cutover::traffic::alb::Alb;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One process' clients and adapters; nothing of it outlives the process.
pub struct Target {
    pub aws: Aws,
    pub ecs: Ecs,
    pub alb: Alb,
    gates: Gates,
    writer: Writer,
}

impl Target {
    /// Fresh clients of a new process.
    pub async fn new(wire: &Wire, application: &str) -> Target {
        let aws = Aws::connect(Connect {
            region: Some("eu-central-1".into()),
            endpoint_url: Some("http://simulator.invalid".into()),
            http_client: Some(aws_smithy_runtime_api::shared::IntoShared::into_shared(wire.clone())),
            credentials: Some(aws_credential_types::Credentials::new(
                "AKIASIMULATED",
                "not-a-secret",
                None,
                None,
                "test",
            )),
            ..Connect::default()
        })
        .await
        .expect("clients");
        let ecs = Ecs::new(aws.clone(), "prod");
        Target {
            writer: ecs.writer(application, Owner::new("ci", 1)),
            alb: Alb::new(aws.clone()),
            gates: Gates::asking(aws.clone(), Arc::new(ThroughTheListener(wire.connector.clone()))),
            ecs,
            aws,
        }
    }

    /// What a process does last.
    pub async fn release(&self) -> Result<(), Trouble> {
        self.writer.release().await
    }
}

/// Asks the HTTP gate's questions through the simulated load balancer.
struct ThroughTheListener(Connector);

impl Asker for ThroughTheListener {
    fn ask(&self, question: HttpQuestion) -> BoxFuture<'_, Result<u16, NoAnswer>> {
        Box::pin(async move {
            let now = self.0.now();
            let mut world = self.0.world();
            let listeners = world.listeners();
            let found =
                listeners.iter().find(|l| l.dns_name == question.connect_to && l.port == question.port);
            let arn = found
                .map(|listener| listener.arn.clone())
                .ok_or_else(|| NoAnswer::Refused("nobody listens there".into()))?;
            Ok(world.route(now, &arn, &question.host, &question.path).status())
        })
    }
}

impl Workloads for Target {
    async fn desired_revision(&self, rollout: &Rollout) -> Result<RevisionId, Trouble> {
        self.ecs.desired_revision(rollout).await
    }

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
        self.ecs.apply_workload(rollout, action).await
    }
}

impl Traffic for Target {
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        self.alb.observe_traffic(rollout, registered).await
    }

    async fn observe_obstacles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        self.alb.observe_obstacles(rollout, registered).await
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        self.alb.apply_traffic(rollout, registered, observed, action).await
    }

    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble> {
        self.alb.traffic_behind(target_groups, except).await
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

    async fn read_slots(&self, application: &Application) -> Result<Vec<Owned>, Trouble> {
        self.ecs.read_slots(application).await
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        self.writer.check_lease().await?;
        self.ecs.apply_item(deployment, item).await
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        self.writer.keep().await?;
        self.ecs.settled(deployment, item).await
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

impl Guard for Target {
    async fn check_lease(&self) -> Result<(), Trouble> {
        self.writer.check_lease().await
    }

    fn is_held(&self) -> bool {
        self.writer.is_held()
    }

    async fn lock_waited_for(&self) -> String {
        self.writer.lock_waited_for().await
    }
}

impl TimeSource for Target {
    fn now(&self) -> Timestamp {
        self.aws.clock().now()
    }
}
