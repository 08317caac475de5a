//! One process of the program: its adapters on a connection of its own.

use cutover::engine::{
    Deployment, Event, Gating, Guard, Platform, Rollout, Settled, StopSignal, SyncReport, TimeSource,
    Traffic, TrafficReading, Trouble, Watcher, Workloads, sync,
};
use cutover::kubernetes::{CallCounts, Cluster, Connect, KubeconfigSource};
use cutover::model::{BySlot, Destination, RevisionId, Timestamp};
use cutover::plan::{Live, PlanItem};
use cutover::platform::Owner;
use cutover::platform::kubernetes::{Kubernetes, Writer};
use cutover::rollout::{Action, Alarm, HttpAnswer, RuleObservation, SlotObservation};
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

/// The adapters, and what the run said.
pub struct Process {
    platform: Kubernetes,
    writer: Writer,
    pub said: RefCell<Vec<String>>,
}

impl Process {
    /// All processes of a play have the same name, so that the lock of a dead one is free at once: that it otherwise is
    /// after a minute is shown where the lock is tested.
    pub async fn new(kubeconfig: PathBuf, deployment: &Deployment) -> Process {
        let application = &deployment.application;
        let Destination::Kubernetes { namespace, .. } = &application.destination else {
            panic!("{:?}", application.destination)
        };
        let kubeconfig = KubeconfigSource::Files(vec![kubeconfig]);
        let cluster = Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await;
        let cluster = cluster.map_err(|trouble| trouble.to_string()).expect("a connection");
        let platform = Kubernetes::new(cluster, &application.name, namespace);
        let writer = platform.writer(Owner::with_number("crash", 1, 1));
        Process { platform, writer, said: RefCell::default() }
    }

    /// What was asked so far.
    pub fn calls(&self) -> CallCounts {
        self.platform.cluster().call_counts()
    }

    /// Syncs, and frees the lock.
    pub async fn run(&self, deployment: &Deployment) -> Result<SyncReport, Trouble> {
        let report = sync(self, deployment, self, &StopSignal::default()).await;
        if let Err(trouble) = self.writer.release().await {
            self.said.borrow_mut().push(format!("the lock could not be freed: {trouble}"));
        }
        report
    }
}

impl Watcher for Process {
    fn event(&self, event: Event) {
        self.said.borrow_mut().push(format!("{event:?}"));
    }
}

impl Platform for Process {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        self.platform.read_live(deployment).await
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        self.writer.check_lease().await?;
        self.platform.apply_item(deployment, item).await
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        self.writer.keep().await?;
        self.platform.settled(deployment, item).await
    }
}

impl Guard for Process {
    async fn check_lease(&self) -> Result<(), Trouble> {
        self.writer.check_lease().await
    }
}

impl TimeSource for Process {
    fn now(&self) -> Timestamp {
        self.platform.cluster().clock().now()
    }

    async fn pause(&self, duration: Duration) {
        self.platform.pause(duration).await;
    }
}

const NO_SLOTS: &str = "these scenarios have no BlueGreen";

impl Workloads for Process {
    async fn desired_revision(&self, _: &Rollout) -> Result<RevisionId, Trouble> {
        unreachable!("{NO_SLOTS}")
    }

    async fn observe_slots(&self, _: &Rollout) -> Result<BySlot<SlotObservation>, Trouble> {
        unreachable!("{NO_SLOTS}")
    }

    async fn apply_workload(&self, _: &Rollout, _: &Action) -> Result<(), Trouble> {
        unreachable!("{NO_SLOTS}")
    }
}

impl Traffic for Process {
    async fn observe_traffic(&self, _: &Rollout) -> Result<TrafficReading, Trouble> {
        unreachable!("{NO_SLOTS}")
    }

    async fn apply_traffic(
        &self,
        _: &Rollout,
        _: &RuleObservation,
        _: &Action,
    ) -> Result<RuleObservation, Trouble> {
        unreachable!("{NO_SLOTS}")
    }

    async fn traffic_behind(&self, _: &[String]) -> Result<Option<String>, Trouble> {
        unreachable!("{NO_SLOTS}")
    }
}

impl Gating for Process {
    async fn read_alarms(&self, _: &[String]) -> Result<Vec<Alarm>, Trouble> {
        unreachable!("{NO_SLOTS}")
    }

    async fn ask_http(&self, _: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        unreachable!("{NO_SLOTS}")
    }
}
