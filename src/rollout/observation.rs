//! What is wanted and what was seen. A read that failed is an error of the observer or, where a return can do without it,
//! a hole that says so; it never shows up here as something absent.

use super::hindrance::Hindrance;
use super::record::{Progress, Record, Signals};
use super::terms::Terms;
use crate::model::{BySlot, Gates, HttpGate, RevisionId, Seconds, Slot, Step, Timestamp, Weights};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What one BlueGreen workload shall come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Desired {
    pub revision: RevisionId,
    /// The declared number of tasks; `None`: as many as the live side runs (1 on a first deploy).
    pub count: Option<u32>,
    /// The most tasks that an autoscaler leaves a slot, where the documents have one: more would be taken away again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
    pub steps: Vec<Step>,
    pub gates: Gates,
    pub bake_time: Seconds,
    pub keep_previous: Seconds,
    pub deadline: Seconds,
    /// True where traffic is switched as a whole: no rule can give a slot a share between 0 and 100.
    #[serde(skip)]
    pub whole_only: bool,
    /// How people are told of it.
    #[serde(skip)]
    pub terms: Terms,
}

/// Everything `decide` may look at besides [`Desired`] and the time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Observation {
    pub slots: BySlot<SlotObservation>,
    /// The production rules and listeners, in the document's order; never empty.
    pub rules: Vec<RuleObservation>,
    /// The test rule, where one is declared.
    pub test_rule: Option<RuleObservation>,
    pub alarms: Vec<Alarm>,
    /// Answers to the HTTP gate's requests, in the document's order; empty until they could be asked.
    pub http: Vec<HttpAnswer>,
    /// Set by the observer if a rule is not as this run last read or wrote it.
    pub changed_by_others: Option<ForeignChange>,
    /// What keeps the slots from being separated, or belongs to somebody else: facts of the live world that close every
    /// way forward.
    pub hindrances: Vec<Hindrance>,
    /// Since when (in this run) the candidate has passed all gates but time, without a break.
    pub gate_held_since: Option<Timestamp>,
    /// How long after a change of weights the data plane may still send to the old side.
    pub settle: Seconds,
    /// Since when (in this run) the rules have had the weights they have now.
    pub weights_since: Option<Timestamp>,
    /// Since when (in this run), without a break, the version under way has been ill in each way that it is ill now.
    pub ill_since: BTreeMap<Ill, Timestamp>,
    /// Since when this run has watched the rollout under way. `None` for whoever only looks: it takes for granted that
    /// somebody watches.
    pub watched_since: Option<Timestamp>,
    /// The longest time for which a production rule's cookie keeps a client on its target group; 0 without.
    pub sticky: Seconds,
}

/// A change of a rule that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeignChange {
    pub rule: String,
    /// A sentence that names the rule.
    pub why: String,
}

/// A way in which a version that has weight, or is about to get it, does badly. One bad reading is no verdict: each has
/// to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ill {
    /// No target is healthy.
    Dead,
    /// Fewer than half of the targets it needs are healthy.
    Half,
    /// A target or more of those it needs is missing.
    Short,
    /// An alarm is in state ALARM.
    Alarm,
    /// The HTTP gate is answered wrongly.
    Http,
    /// Evidence can't be read.
    Unread,
    /// Its deployment does not come to rest.
    Stuck,
    /// All traffic is back on the side before it, without a note of ours.
    TakenBack,
}

impl Observation {
    /// The record that speaks: of the two slots', the one with the higher sequence.
    pub fn current_record(&self) -> Option<(Slot, &Record)> {
        let of = |slot| self.slots.get(slot).record.as_ref().map(|record| (slot, record));
        Slot::BOTH.into_iter().filter_map(of).max_by_key(|(_, record)| record.sequence)
    }

    /// The slot that every rule sends all its requests to.
    pub fn unanimous_slot(&self) -> Option<Slot> {
        Slot::BOTH.into_iter().find(|slot| self.rules.iter().all(|rule| rule.split.weights().all_to(*slot)))
    }

    /// The slot of a rollout under way, or in its bake, that moved a rule which the documents do not name any more: it may
    /// still have requests there, and nobody watches them.
    pub fn left_behind(&self) -> Option<Slot> {
        let (slot, record) = self.current_record()?;
        let is_open = record.progress.is_under_way() || matches!(record.progress, Progress::Baking(_));
        (is_open && !self.dropped_rules().is_empty()).then_some(slot)
    }

    /// The slot that a return takes traffic from, if the rollout into it moved a rule which the documents do not name any more:
    /// it may still have requests there.
    pub fn left_on_return(&self) -> Option<Slot> {
        let (_, record) = self.current_record()?;
        let is_return = matches!(record.progress, Progress::Returning { .. });
        record.from.filter(|_| is_return && !self.dropped_rules().is_empty())
    }

    /// The rules (as an intent names them) that the current record moves and that the documents do not name any more.
    pub fn dropped_rules(&self) -> Vec<String> {
        let rules =
            self.current_record().map(|(_, record)| record.intent.rules.as_slice()).unwrap_or_default();
        let is_read = |mark: &&String| self.rules.iter().any(|rule| rule.mark() == **mark);
        rules.iter().filter(|mark| !is_read(mark)).cloned().collect()
    }

    /// The slot without weight in any rule that would get some with these weights.
    pub fn first_weight_of(&self, weights: Weights) -> Option<Slot> {
        let has_none = |slot: Slot| self.rules.iter().all(|rule| rule.split.weights().of(slot) == 0);
        Slot::BOTH.into_iter().find(|slot| weights.of(*slot) > 0 && has_none(*slot))
    }

    /// The slot that serves production: the one all rules agree on or, in the middle of a rollout, the one it
    /// started from; while a version that never passed gives its traffic back, the one that it goes to.
    pub fn serving_slot(&self) -> Option<Slot> {
        let noted = || {
            let (slot, record) = self.current_record()?;
            let from = record.from?;
            let returns = matches!(record.progress, Progress::Returning { .. });
            Some(if returns && self.is_unproven(from) { slot } else { from })
        };
        self.unanimous_slot().or_else(noted)
    }

    /// True if the last note of `slot` is of a rollout that has not passed, or failed.
    pub fn is_unproven(&self, slot: Slot) -> bool {
        self.slots.get(slot).record.as_ref().is_some_and(|record| {
            record.progress.is_under_way() || matches!(record.progress, Progress::Failed(_))
        })
    }

    /// The largest share that a rule gives to `slot`, in percent of what it gives to both.
    pub fn largest_share(&self, slot: Slot) -> u32 {
        self.rules.iter().map(|rule| rule.split.weights().share_percent(slot)).max().unwrap_or(0)
    }

    /// The slot into which a rollout is under way.
    pub fn candidate(&self) -> Option<Slot> {
        let (slot, record) = self.current_record()?;
        record.progress.is_under_way().then_some(slot)
    }
}

/// One slot: its service, its targets, and the notes kept on the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SlotObservation {
    pub workload: Workload,
    pub targets: Targets,
    pub record: Option<Record>,
    pub signals: Signals,
    /// Where the platform knows them: the addresses (`10.0.0.7:8080`) of the slot's own members that it holds for ready.
    /// A healthy target that is none of them does not count. `None`: the load balancer's word is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<BTreeSet<String>>,
    /// The target groups (ARNs) that the live service is registered in, whatever the documents say.
    pub groups: Vec<String>,
    /// Why the health of its targets could not be read. Then nothing is known of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Whether requests may still reach it by a rule that the documents do not name.
    pub hold: Hold,
    /// Where there is no service of ours but targets in its group: the services that they belong to.
    pub strangers: Vec<Stranger>,
    /// Why nobody knows which services those are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strangers_unread: Option<String>,
    /// When the platform last gave up the wanted content in this service and went back to what ran before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Timestamp>,
}

/// Whether a slot may be touched, or be given its first weight: asked right before that, since it takes reading all rules
/// of all listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Hold {
    #[default]
    Unasked,
    Free,
    /// A rule still gives weight to a group that the live service is registered in.
    Held(Hindrance),
}

/// A live service that is registered in a slot's target group and is not the slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stranger {
    pub service: String,
    /// The other application whose mark it bears.
    pub application: Option<String>,
}

impl SlotObservation {
    /// The number of tasks the slot is told to run; 0 when there is no service.
    pub fn count(&self) -> u32 {
        match &self.workload {
            Workload::Present { desired_count, .. } => *desired_count,
            Workload::Absent | Workload::Draining => 0,
        }
    }

    /// Where the service's deployment stands, if there is a service.
    pub fn stage(&self) -> Option<Stage> {
        match &self.workload {
            Workload::Present { stage, .. } => Some(*stage),
            Workload::Absent | Workload::Draining => None,
        }
    }

    /// True if the slot's service is there and bears our mark.
    pub fn is_owned(&self) -> bool {
        matches!(&self.workload, Workload::Present { owned: true, .. })
    }

    /// True if the slot's service is there and is as the documents say, the task count aside.
    pub fn is_desired(&self) -> bool {
        matches!(&self.workload, Workload::Present { content: Content::Desired, .. })
    }
}

/// The ECS service of a slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub enum Workload {
    /// There is none, or an INACTIVE one: the name is free.
    #[default]
    Absent,
    /// It is being deleted; its name is blocked until then.
    Draining,
    Present {
        content: Content,
        desired_count: u32,
        running: u32,
        pending: u32,
        stage: Stage,
        /// False if the service lacks our ownership mark: an existing one to be adopted.
        owned: bool,
        /// What it runs, for people (`web:42`).
        label: String,
        /// Why tasks stopped or were not placed, newest first, for people.
        troubles: Vec<String>,
    },
}

/// How a service compares with the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Content {
    Desired,
    Other,
    /// It could not be read: neither as wanted nor something else.
    Unknown,
}

/// Where the service's own deployment stands. ECS's `services-stable` ignores both revision and target health, so
/// this is read from the PRIMARY deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stage {
    /// The primary deployment is COMPLETED, nothing pending, no other deployment left.
    Steady,
    InProgress,
    /// The primary deployment is FAILED (circuit breaker), or ECS rolled back.
    Failed,
}

/// The targets registered in a slot's group, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Targets {
    pub healthy: u32,
    pub initial: u32,
    pub unhealthy: u32,
    pub draining: u32,
    /// In a group that no rule names; ELB does not check them.
    pub unused: u32,
    /// `unavailable`, or a reason such as `Elb.InternalError`: neither good nor bad.
    pub unknown: u32,
    /// Healthy, but none of the slot's own members.
    pub foreign: u32,
}

impl Targets {
    /// The targets that are there to stay, in whatever state.
    pub fn registered(&self) -> u32 {
        self.may_answer() + self.unhealthy + self.unused
    }

    /// The targets that may answer a request, whosever they are.
    pub fn may_answer(&self) -> u32 {
        self.healthy + self.initial + self.unknown + self.foreign
    }

    /// True if nothing is registered, in whatever state.
    pub fn is_empty(&self) -> bool {
        *self == Targets::default()
    }

    /// These targets where only the `ready` ones of the `healthy` addresses count as healthy: what is left of an older
    /// version, or registered by somebody else, says nothing about this one.
    #[must_use]
    pub fn of_these(&self, ready: &BTreeSet<String>, healthy: &BTreeSet<String>) -> Targets {
        let counted =
            u32::try_from(ready.intersection(healthy).count()).unwrap_or(u32::MAX).min(self.healthy);
        Targets { healthy: counted, foreign: self.foreign + (self.healthy - counted), ..*self }
    }
}

/// One production or test rule (or a listener's default action) as read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleObservation {
    /// The rule's or the listener's ARN.
    pub id: String,
    pub split: RuleSplit,
    /// Identifies the whole action list as read; a write names it and is refused if it has changed since.
    pub fingerprint: String,
}

impl RuleObservation {
    /// The rule as an intent names it: eight hex digits of the SHA-256 of its ARN.
    pub fn mark(&self) -> String {
        Sha256::digest(&self.id).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// How a rule spreads traffic over the two slots.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum RuleSplit {
    /// Both groups are named.
    Both(Weights),
    /// Only this slot's group is named; the other one's targets stay `unused`.
    Only(Slot),
    /// Neither group is named, or there is no forward action; a sentence for people.
    Neither(String),
}

impl RuleSplit {
    /// The weights, where a group that is not named counts as 0.
    pub fn weights(&self) -> Weights {
        match self {
            RuleSplit::Both(weights) => *weights,
            RuleSplit::Only(slot) => Weights::percent(*slot, 100),
            RuleSplit::Neither(_) => Weights::default(),
        }
    }
}

/// A CloudWatch alarm of the gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    pub name: String,
    pub state: AlarmState,
    /// For an unknown state: why, for people.
    pub detail: String,
}

impl Alarm {
    /// An alarm whose state is not known, and why.
    pub fn unread(name: &str, why: &impl ToString) -> Alarm {
        Alarm { name: name.to_owned(), state: AlarmState::Unknown, detail: why.to_string() }
    }
}

impl HttpAnswer {
    /// A request that was not asked, and why.
    pub fn unasked(gate: &HttpGate, why: &impl ToString) -> HttpAnswer {
        let (path, detail) =
            (gate.path.clone(), format!("GET {} was not asked: {}", gate.path, why.to_string()));
        HttpAnswer { path, verdict: HttpVerdict::Unknown, detail }
    }
}

/// INSUFFICIENT_DATA is not a failure: a new group has no data points yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AlarmState {
    Ok,
    InsufficientData,
    Alarm,
    /// It is not there, or could not be read.
    Unknown,
}

/// What came back for one request of the HTTP gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpAnswer {
    pub path: String,
    pub verdict: HttpVerdict,
    /// For people: `GET /healthz: 503, expected 200`.
    pub detail: String,
}

/// How a request of the HTTP gate went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HttpVerdict {
    Passed,
    Failed,
    /// It was not asked, because somebody else than the candidate would have answered or the rule can't be read.
    Unknown,
}
