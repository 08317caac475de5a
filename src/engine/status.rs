//! How an application stands: what runs, which slot has which role, what is waited for. Writes nothing.

use super::deployment::Deployment;
use super::plan::read_live;
use super::ports::{Platform, Rollout, Trouble};
use super::roles::{Role, role};
use super::run::Adapter;
use crate::model::{BySlot, Health, HealthReport, HookPhase, Kind, PlatformKind, Slot, Weights};
use crate::plan::{Change, Live, LiveObject, LiveRollout, Plan, PlanItem, Summary, assemble};
use crate::rollout::{Decision, Observation, Outcome, Phase, Record, Targets, Workload, decide};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One application as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub application: String,
    /// The commit it was compared with.
    pub commit: String,
    pub platform: PlatformKind,
    /// True if everything is as declared: a sync would change nothing.
    pub in_sync: bool,
    /// What a sync would change.
    #[serde(skip)]
    pub left: Left,
    pub services: Vec<ServiceStatus>,
    /// Kubernetes objects that no slot is made of, in the order of their names.
    pub objects: Vec<ObjectStatus>,
    pub workloads: Vec<WorkloadStatus>,
    pub notices: Vec<String>,
    /// False if the application says that how its objects fare is not waited for.
    #[serde(skip)]
    pub waits: bool,
}

impl Status {
    /// True if nothing has to be done and everything that is there has come to rest in good health.
    pub fn is_at_rest(&self) -> bool {
        let is_well = || {
            self.services.iter().all(|service| service.steady)
                && self.objects.iter().all(ObjectStatus::is_well)
        };
        self.in_sync && (!self.waits || is_well())
    }
}

/// The changes that are left to a sync.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Left {
    pub summary: Summary,
    /// `Deployment/web`, in the order of their turns.
    pub documents: Vec<String>,
}

impl Left {
    /// All that `plan` changes.
    pub fn of(plan: &Plan) -> Left {
        let changed = plan.items.iter().filter(|item| item.change != Change::Unchanged && !item.carried);
        Left { summary: plan.summary(), documents: changed.map(PlanItem::document).collect() }
    }
}

/// A Kubernetes object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    pub document: String,
    /// `Deployment.apps/shop/web`
    pub resource: String,
    /// What a sync would do to it.
    pub change: Change,
    #[serde(flatten)]
    pub health: HealthReport,
}

impl ObjectStatus {
    /// True if there is nothing to wait for and nothing wrong. What does not tell how it fares is not waited for.
    pub fn is_well(&self) -> bool {
        matches!(self.health.health, Health::Healthy | Health::Suspended | Health::Unknown)
    }
}

/// A service without a BlueGreen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    pub document: String,
    pub service: String,
    /// What a sync would do to it.
    pub change: Change,
    pub running: u64,
    pub desired: u64,
    /// The revision it is told to run, `worker:7`; `None` if there is no such service.
    pub revision: Option<String>,
    /// False while its deployment has not come to rest.
    pub steady: bool,
}

/// A blue/green workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStatus {
    pub document: String,
    /// `None` if it could not be read; `waiting_on` says why.
    pub phase: Option<Phase>,
    /// A sentence; `None` if nothing is awaited.
    pub waiting_on: Option<String>,
    /// When there will be something to do although nothing changes, in seconds; `None` if never.
    #[serde(skip)]
    pub check_after: Option<u64>,
    /// How a sync would end right now, if it would end.
    pub outcome: Option<Outcome>,
    pub serving: Option<Slot>,
    pub rules: Vec<RuleStatus>,
    pub slots: Option<BySlot<SlotStatus>>,
}

/// The weights of one production rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleStatus {
    pub rule: String,
    pub weights: Weights,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotStatus {
    pub service: String,
    pub role: Role,
    /// The largest share that a production rule gives it, in percent of what the rule gives to both slots.
    pub share: u32,
    /// `web:42`, empty if there is no service.
    pub revision: String,
    /// True if it runs what Git wants.
    pub wanted: bool,
    pub running: u32,
    pub desired: u32,
    pub targets: Targets,
    pub record: Option<Record>,
    pub troubles: Vec<String>,
}

/// Reads and compares everything once.
///
/// # Errors
/// As [`super::plan`].
pub async fn status<A: Adapter + Platform>(adapter: &A, deployment: &Deployment) -> Result<Status, Trouble> {
    let live = read_live(adapter, deployment).await?;
    let plan = assemble(&deployment.application, &deployment.commit, &deployment.manifests, &live);
    Ok(summarise(deployment, &live, &plan))
}

/// Puts together what was read and what a sync would do.
pub(super) fn summarise(deployment: &Deployment, live: &Live, plan: &Plan) -> Status {
    let platform = deployment.application.destination.platform();
    let rolling = plan.items.iter().filter(|item| item.is(Kind::Service) && !item.carried);
    let rolling = rolling.filter(|_| platform == PlatformKind::Ecs);
    let services = rolling
        .map(|item| {
            let json = live.services.get(&item.resource);
            let number = |field| json.and_then(|json| json.get(field)).and_then(Value::as_u64).unwrap_or(0);
            let revision = json.and_then(|json| json.get("taskDefinition")).and_then(Value::as_str);
            ServiceStatus {
                document: item.document(),
                service: item.resource.clone(),
                change: item.change,
                running: number("runningCount"),
                desired: number("desiredCount"),
                revision: revision.map(|arn| arn.rsplit('/').next().unwrap_or(arn).to_owned()),
                steady: json.is_some() && !live.moving.contains(&item.resource),
            }
        })
        .collect();
    let workloads = deployment.rollouts();
    let workloads =
        workloads.iter().map(|rollout| workload(rollout, live.rollouts.get(&rollout.blue_green.name)));
    let workloads = workloads.chain(plan.undeclared().map(without_document)).collect();
    Status {
        application: plan.application.clone(),
        commit: plan.commit.clone(),
        platform,
        in_sync: !plan.has_changes(),
        left: Left::of(plan),
        services,
        objects: objects(live, plan),
        workloads,
        notices: plan
            .notices
            .iter()
            .cloned()
            .chain(plan.undeclared().map(|item| format!("{}: {}", item.document(), item.why)))
            .collect(),
        waits: deployment.application.sync.wait,
    }
}

/// A rollout that is not over and that no document declares.
fn without_document(item: &PlanItem) -> WorkloadStatus {
    let awaited = "the end of its rollout, or its documents to be back in Git".to_owned();
    WorkloadStatus { phase: Some(Phase::Blocked), ..unread(item.document(), awaited) }
}

/// A workload of which nothing is known but a sentence.
fn unread(document: String, why: String) -> WorkloadStatus {
    WorkloadStatus {
        document,
        phase: None,
        waiting_on: Some(why),
        check_after: None,
        outcome: None,
        serving: None,
        rules: vec![],
        slots: None,
    }
}

/// What documents declare, with what a sync would do to it. A hook that has run may have gone again, and is left out.
fn objects(live: &Live, plan: &Plan) -> Vec<ObjectStatus> {
    let mut planned: BTreeMap<&str, &PlanItem> = BTreeMap::new();
    for item in plan.items.iter().filter(|item| !item.carried) {
        planned.insert(&item.resource, item);
    }
    let status = |object: &LiveObject| {
        let resource = object.key.to_string();
        let item = planned.get(resource.as_str());
        let change = item.map_or(Change::Unchanged, |item| item.change);
        let is_hook = item.is_some_and(|item| item.turn.phase != HookPhase::Sync);
        let document = item.map_or_else(|| object.key.label(), |item| item.document());
        let status = ObjectStatus { document, resource, change, health: object.health.clone() };
        (!is_hook || change != Change::Unchanged).then_some(status)
    };
    live.objects.values().filter_map(status).collect()
}

fn workload(declared: &Rollout, rollout: Option<&Result<LiveRollout, String>>) -> WorkloadStatus {
    let document = format!("{}/{}", Kind::BlueGreen, declared.blue_green.name);
    let rollout = match rollout {
        Some(Ok(rollout)) => rollout,
        reading => {
            let why = reading.and_then(|reading| reading.as_ref().err()).cloned();
            return unread(document, why.unwrap_or_else(|| "it was not read".into()));
        }
    };
    let seen = &rollout.observation;
    let decision: Decision = decide(&rollout.desired, seen, rollout.now);
    WorkloadStatus {
        document,
        phase: Some(decision.phase),
        waiting_on: decision.waiting_on.as_ref().map(|on| on.in_words(rollout.desired.terms)),
        check_after: decision.check_after,
        outcome: decision.outcome(),
        serving: seen.serving_slot(),
        rules: seen
            .rules
            .iter()
            .map(|rule| RuleStatus { rule: rule.id.clone(), weights: rule.split.weights() })
            .collect(),
        slots: Some(BySlot::from_fn(|slot| slot_status(seen, slot, declared.slot_name(slot)))),
    }
}

/// Both slots of an observation; the services' names are left empty.
pub fn slot_statuses(seen: &Observation) -> BySlot<SlotStatus> {
    BySlot::from_fn(|slot| slot_status(seen, slot, String::new()))
}

fn slot_status(seen: &Observation, slot: Slot, service: String) -> SlotStatus {
    let observed = seen.slots.get(slot);
    let (running, revision, troubles) = match &observed.workload {
        Workload::Present { running, label, troubles, .. } => (*running, label.clone(), troubles.clone()),
        Workload::Absent | Workload::Draining => (0, String::new(), vec![]),
    };
    SlotStatus {
        service,
        role: role(seen, slot),
        share: seen.largest_share(slot),
        revision,
        wanted: observed.is_desired(),
        running,
        desired: observed.count(),
        targets: observed.targets,
        record: observed.record.clone(),
        troubles,
    }
}
