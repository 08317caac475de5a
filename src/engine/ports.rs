//! What the engine asks of a platform, of a traffic provider and of the gates. Adapters implement these; tests put an
//! in-memory world behind them.

use super::{Deployment, History, NoHistory};
use crate::model::{
    Application, BlueGreen, BySlot, IgnoreDifferences, Manifests, Object, RevisionId, Seconds, Service, Slot,
    TaskDefinition, Turn,
};
use crate::plan::{Live, Owned, PlanItem};
use crate::rollout::{
    Action, Alarm, Hindrance, HttpAnswer, RuleObservation, SlotObservation, Stranger, Targets, Terms,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One BlueGreen workload with the documents that describe it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    pub application: String,
    /// The commit the documents come from, for people.
    pub commit: String,
    pub blue_green: BlueGreen,
    pub workload: WorkloadDocuments,
    /// When in a sync its turn comes.
    pub turn: Turn,
}

/// The documents of a BlueGreen's workload, by platform.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them, and they are not moved about")]
pub enum WorkloadDocuments {
    Ecs(EcsDocuments),
    Kubernetes(KubernetesDocuments),
}

/// An ECS service with its task definition.
#[derive(Clone, Debug, PartialEq)]
pub struct EcsDocuments {
    pub service: Service,
    /// `None` if the service names its task definition by ARN or `family:revision`.
    pub task_definition: Option<TaskDefinition>,
}

/// A Deployment with what belongs to its pods.
#[derive(Clone, Debug, PartialEq)]
pub struct KubernetesDocuments {
    pub deployment: Object,
    /// The Service that selects the Deployment's pods, where one is written: the pattern of the slots' own.
    pub service: Option<Object>,
    /// HorizontalPodAutoscalers and PodDisruptionBudgets that target the Deployment.
    pub carried: Vec<Object>,
    /// The application's `ignoreDifferences`.
    pub ignore_differences: Vec<IgnoreDifferences>,
    /// The application's `sync.forceConflicts`.
    pub force_conflicts: bool,
}

impl Rollout {
    /// The live name of the ECS service or Deployment that is `slot`.
    pub fn slot_name(&self, slot: Slot) -> String {
        self.blue_green.slot_workload(slot, self.workload_name())
    }

    /// The name of the Service on Kubernetes that has a slot's pods and no others.
    pub fn slot_service(&self, slot: Slot) -> String {
        self.blue_green.slot_service(slot, self.workload_name())
    }

    /// The slots' names in an inventory ([`Owned::resource`]), where documents without a namespace go to `own`.
    pub fn slot_resources(&self, own: Option<&str>) -> [String; 2] {
        let namespace = self.namespace().or(own).unwrap_or_default();
        Slot::BOTH.map(|slot| match &self.workload {
            WorkloadDocuments::Ecs(_) => self.slot_name(slot),
            WorkloadDocuments::Kubernetes(_) => {
                format!("Deployment.apps/{namespace}/{}", self.slot_name(slot))
            }
        })
    }

    fn workload_name(&self) -> &str {
        match &self.workload {
            WorkloadDocuments::Ecs(documents) => documents.service.live_name(),
            WorkloadDocuments::Kubernetes(documents) => &documents.deployment.key.name,
        }
    }

    /// The namespace that the documents put a Deployment into, if they name one.
    pub fn namespace(&self) -> Option<&str> {
        match &self.workload {
            WorkloadDocuments::Ecs(_) => None,
            WorkloadDocuments::Kubernetes(documents) => documents.deployment.key.namespace.as_deref(),
        }
    }

    /// What people call its parts.
    pub fn terms(&self) -> Terms {
        match (&self.workload, &self.blue_green.traffic) {
            (WorkloadDocuments::Ecs(_), _) => Terms::Ecs,
            (WorkloadDocuments::Kubernetes(_), None) => Terms::BalancedPods,
            (WorkloadDocuments::Kubernetes(_), Some(_)) => Terms::Pods,
        }
    }

    /// The declared number of tasks or pods; `None` means: leave it as it is.
    pub fn desired_count(&self) -> Option<u32> {
        match &self.workload {
            WorkloadDocuments::Ecs(documents) => documents.service.desired_count(),
            WorkloadDocuments::Kubernetes(documents) => documents.desired_count(),
        }
    }

    /// The most tasks or pods that an autoscaler of the documents leaves a slot.
    pub fn most_count(&self) -> Option<u32> {
        match &self.workload {
            WorkloadDocuments::Ecs(_) => None,
            WorkloadDocuments::Kubernetes(documents) => documents.most_count(),
        }
    }
}

impl KubernetesDocuments {
    /// The smallest `maxReplicas` of the Deployment's autoscalers.
    fn most_count(&self) -> Option<u32> {
        let most =
            self.carried.iter().filter_map(|object| object.body.pointer("/spec/maxReplicas")?.as_u64());
        most.min().and_then(|most| u32::try_from(most).ok())
    }

    /// The declared number of pods; `None` under an autoscaler, whatever the Deployment says.
    pub fn desired_count(&self) -> Option<u32> {
        if self.carried.iter().any(|object| object.key.kind == "HorizontalPodAutoscaler") {
            return None;
        }
        let replicas = self.deployment.body.pointer("/spec/replicas")?.as_u64()?;
        u32::try_from(replicas).ok()
    }
}

/// The target groups (ARNs) that each slot's live service is registered in, whatever the documents say; none where there
/// is no service.
pub type Registered = BySlot<Vec<String>>;

/// What the rules and target groups look like.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficReading {
    pub rules: Vec<RuleObservation>,
    pub test_rule: Option<RuleObservation>,
    pub targets: BySlot<Targets>,
    /// The healthy ones by address and port, so that one which was replaced between two readings is noticed.
    pub healthy: BySlot<BTreeSet<String>>,
    /// For how long clients stick to a target group, by id of the rule; rules without stickiness are left out.
    pub stickiness: BTreeMap<String, Seconds>,
    /// By id of the rule: the groups with weight that are no slot's, each with its percent of the rule's requests.
    pub others: BTreeMap<String, Vec<(String, u32)>>,
    /// How long the data plane takes to follow a change of weights: seconds for an ALB, minutes for an NLB.
    pub settle: Seconds,
    /// The same for the test rule; 0 without one.
    pub test_settle: Seconds,
    /// Why a slot's target health could not be read; its `targets` are at their default then.
    pub unread: BySlot<Option<String>>,
    /// What of the rules and groups closes the way forward: they are somebody else's, or can't carry two slots.
    pub hindrances: Vec<Hindrance>,
}

/// What is asked of the rules and groups only where a rollout is about to begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Obstacles {
    pub hindrances: Vec<Hindrance>,
    /// What could not be found out and stops nothing, as sentences for people.
    pub notices: Vec<String>,
}

/// Both slots as the platform tells them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotsReading {
    pub slots: BySlot<SlotObservation>,
    /// What makes the slots inseparable.
    pub hindrances: Vec<Hindrance>,
}

/// The two sides of a workload. `SlotObservation::targets` is left at its default here.
#[allow(async_fn_in_trait)]
pub trait Workloads {
    /// The id of what the documents want (task definition content and declared service fields, the count aside).
    async fn desired_revision(&self, rollout: &Rollout) -> Result<RevisionId, Trouble>;

    /// Reads both slots' services, the notes on them and why their tasks stop. What a return of traffic does not need
    /// and can't be read is left unknown.
    async fn observe_slots(&self, rollout: &Rollout) -> Result<SlotsReading, Trouble>;

    /// Which of a group's healthy targets (`10.0.0.7:8080`, `i-0abc:32768`) are running members of the slot itself, where
    /// the platform has to be asked for that. `None`: the observation tells them already.
    async fn own_targets(
        &self,
        _rollout: &Rollout,
        _slot: Slot,
        _healthy: &BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, Trouble> {
        Ok(None)
    }

    /// The services that are registered in the slot's target group and are not the slot.
    async fn strangers(&self, _rollout: &Rollout, _slot: Slot) -> Result<Vec<Stranger>, Trouble> {
        Ok(vec![])
    }

    /// Does one of `CreateSlot`, `UpdateSlot`, `ScaleSlot`, `AdoptSlot`, `WriteRecord`. Registers the task definition
    /// where no revision with its content exists. May be repeated.
    async fn apply_workload(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble>;
}

/// What people tell the cutover machine; kept beside the workload until its next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The rollout of this number may get traffic.
    Promote(u64),
    /// The rollout of this number shall give its traffic back.
    Abort(u64),
    /// Whatever is noted on the slot counts no more.
    Forget,
}

/// Where signals are left.
#[allow(async_fn_in_trait)]
pub trait Signalling {
    /// Leaves `signal` with the slot's workload. May be repeated.
    async fn apply_signal(&self, rollout: &Rollout, slot: Slot, signal: Signal) -> Result<(), Trouble>;

    /// Lets what the platform gave up of workloads without a BlueGreen be sent again with the next sync; takes the
    /// application's lock for that. The answer names those where something was given up.
    async fn forget_refused(&self, _deployment: &Deployment) -> Result<Vec<String>, Trouble> {
        Ok(vec![])
    }
}

/// The rules and target groups of a workload.
#[allow(async_fn_in_trait)]
pub trait Traffic {
    /// Reads production rules, test rule and target health. Which groups are a slot's is told by `registered`, and by the
    /// documents for a slot without a live service. Only production rules that can't be read are an error.
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble>;

    /// Reads what must not be so before a rollout begins, and costs too much to be asked all the time: rules and groups of
    /// other controllers, requests of the HTTP gate that the test rule does not match.
    async fn observe_obstacles(
        &self,
        _rollout: &Rollout,
        _registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        Ok(Obstacles::default())
    }

    /// Does one of `NameGroup`, `PointTestRule`, `SetWeights`: reads the rule, refuses with
    /// [`TroubleKind::ChangedByOthers`] if its fingerprint is not `observed.fingerprint`, writes the whole action list
    /// with only the weights changed, and reads it again to verify. The answer is the rule as read back.
    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble>;

    /// The rule of any listener, but for those in `except`, that gives weight to one of these target groups: what is
    /// behind them must not be touched. Groups that do not exist any more have no weight.
    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble>;
}

/// Everything of an application that is not blue/green, and its inventory.
#[allow(async_fn_in_trait)]
pub trait Platform {
    /// Reads what the plan needs besides the rollouts' observations: the services that documents name, the revisions
    /// they run, and what bears the application's mark (only if pruning is on: it means reading all services).
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble>;

    /// Reads the live slots that bear the application's mark, with their notes: what is under way, where no document tells.
    async fn read_slots(&self, application: &Application) -> Result<Vec<Owned>, Trouble>;

    /// The application's documents at an earlier commit; the error is a sentence that says why they can't be had.
    async fn documents_at(&self, commit: &str) -> Result<Manifests, String> {
        NoHistory.documents(commit).await
    }

    /// Carries out the plan's item for a task definition or a service without a BlueGreen, or for something to be
    /// pruned. May be repeated.
    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble>;

    /// Whether the platform has brought the item's service to rest on what was applied.
    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble>;

    /// Reads everything that bears the application's mark, whatever documents there are: `owned` and `incomplete`. What
    /// is `in_use` stays also if all else goes; the turns are those of a deletion, last ones first.
    async fn read_owned(&self, deployment: &Deployment) -> Result<Live, Trouble>;

    /// Whether anything is kept about the application besides the marks on what it owns.
    async fn has_bookkeeping(&self) -> Result<bool, Trouble>;

    /// Removes what is kept about the application; the lock goes when it is freed. May be repeated.
    async fn remove_bookkeeping(&self) -> Result<(), Trouble>;
}

/// Whether a platform has finished what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    Steady,
    /// What is still going on, and what has gone wrong so far.
    InProgress {
        state: String,
        troubles: Vec<String>,
    },
    /// The deployment failed, or the platform went back to another revision.
    Failed {
        state: String,
        troubles: Vec<String>,
    },
}

/// Alarms and the HTTP gate.
#[allow(async_fn_in_trait)]
pub trait Gating {
    /// Reads the named alarms; the state of one that does not exist or can't be read is unknown.
    async fn read_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble>;

    /// Asks every request of the HTTP gate through the test rule's listener.
    async fn ask_http(&self, rollout: &Rollout) -> Result<Vec<HttpAnswer>, Trouble>;
}

/// The right to write to an application, held by one run at a time.
#[allow(async_fn_in_trait)]
pub trait Guard {
    /// Called right before each write: takes the lease if it is not held yet, renews it if it is getting old.
    /// [`TroubleKind::LookAgain`] right after it was taken, since somebody else may have worked until then;
    /// [`TroubleKind::Rejected`] if another run holds it, with a message that says who; [`TroubleKind::Crowded`] if there
    /// is no room for it. On the way back (`write_guard::on_the_way_back`) a lease that can't be asked holds nothing up.
    async fn check_lease(&self) -> Result<(), Trouble>;

    /// Bounds each wait for a lease that another run has: [`TroubleKind::LockAwaited`] tells that it was over.
    fn wait_until(&self, _end: tokio::time::Instant) {}

    /// True if this run has the lease: only what is read from then on is not another run's work, half done.
    fn is_held(&self) -> bool;

    /// Waits until [`Guard::check_lease`] begins to wait for a lease that another run has, and says which run, and how long
    /// at most. May be dropped while it waits.
    async fn lock_waited_for(&self) -> String {
        std::future::pending().await
    }

    /// Where only so many runs of this process may have their lease at a time: takes one of those places, first come, first
    /// served, and tells `waits` what is awaited if none is free. True if it was waited for: what was read before is
    /// old. May be dropped while it waits.
    async fn take_place(&self, _waits: impl Fn(String)) -> bool {
        false
    }
}

/// The time on the other side's clock, monotonic within a run.
#[allow(async_fn_in_trait)]
pub trait TimeSource {
    /// Now.
    fn now(&self) -> crate::model::Timestamp;

    /// Waits for so long by that clock, or less if something changed meanwhile: whoever waits looks again.
    async fn pause(&self, duration: std::time::Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Why a read or write did not happen, or may not have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub kind: TroubleKind,
    /// The API call and the resource: `ModifyRule arn:…`.
    pub doing: String,
    /// The other side's own code and message, without secrets.
    pub message: String,
}

/// What the caller can make of a [`Trouble`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Throttled, a 5xx, a broken or timed-out connection: observe again and go on. A write may have happened.
    Transient,
    /// The other side answers, but what it needs for this one object or kind does not: an admission or conversion webhook,
    /// an aggregated API server. It concerns nothing else, and may pass: go on with the rest and ask again.
    Unavailable,
    /// Nothing is wrong and nothing was written, but what was observed may be old by now: observe again.
    LookAgain,
    /// There is no room for it as long as others are at work, as the message says; nothing was written. Ask again.
    Crowded,
    /// The rule is not as it was observed.
    ChangedByOthers,
    /// Another run has the application's lock, and the time given was over before it was known to be a dead one, as the
    /// message says; nothing was written.
    LockAwaited,
    /// Access denied or no credentials; the message names the action.
    Denied,
    /// A named resource does not exist.
    Missing,
    /// AWS refuses the request as such, now and next time.
    Rejected,
}

impl TroubleKind {
    /// True for what may pass by itself.
    pub fn is_passing(self) -> bool {
        matches!(self, TroubleKind::Transient | TroubleKind::Unavailable)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.message)
    }
}

impl std::error::Error for Trouble {}
