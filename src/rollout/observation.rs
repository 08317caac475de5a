//! What is wanted and what was seen. An `Observation` exists only if every read behind it succeeded: a failed read is
//! an error of the observer and never shows up here as something absent.

use super::record::{Record, Signals};
use super::terms::Terms;
use crate::model::{BySlot, Gates, RevisionId, Seconds, Slot, Step, Timestamp, Weights};
use serde::Serialize;
use std::collections::BTreeSet;

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
    /// Set by the observer if a rule is not as this run last read or wrote it: a sentence that names the rule.
    pub changed_by_others: Option<String>,
    /// Since when (in this run) the candidate has passed all gates but time, without a break.
    pub gate_held_since: Option<Timestamp>,
    /// How long after a change of weights the data plane may still send to the old side.
    pub settle: Seconds,
    /// Since when (in this run) the rules have had the weights they have now.
    pub weights_since: Option<Timestamp>,
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

    /// The slot that serves production: the one all rules agree on or, in the middle of a rollout, the one it
    /// started from.
    pub fn serving_slot(&self) -> Option<Slot> {
        self.unanimous_slot().or_else(|| self.current_record().and_then(|(_, record)| record.from))
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
}

impl Targets {
    /// These targets where only the `ready` ones of the `healthy` addresses count as healthy: what is left of an older
    /// version, or registered by somebody else, says nothing about this one.
    #[must_use]
    pub fn of_these(&self, ready: &BTreeSet<String>, healthy: &BTreeSet<String>) -> Targets {
        let counted =
            u32::try_from(ready.intersection(healthy).count()).unwrap_or(u32::MAX).min(self.healthy);
        Targets { healthy: counted, unknown: self.unknown + (self.healthy - counted), ..*self }
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
}

/// INSUFFICIENT_DATA is not a failure: a new group has no data points yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AlarmState {
    Ok,
    InsufficientData,
    Alarm,
}

/// What came back for one request of the HTTP gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpAnswer {
    pub path: String,
    pub passed: bool,
    /// For people: `GET /healthz: 503, expected 200`.
    pub detail: String,
}
