//! What `decide` answers.

use super::hindrance::Remedy;
use super::observation::{Hold, Observation};
use super::record::{Progress, Record};
use super::terms::Terms;
use crate::model::{Seconds, Slot, Weights, human};
use serde::Serialize;
use std::fmt;

/// What to do now, what is awaited, and when to look again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    pub phase: Phase,
    /// To be done in this order, stopping at the first failure; at most one of them changes production traffic.
    pub actions: Vec<Action>,
    pub waiting_on: Option<WaitingOn>,
    /// Look again after this time; `None` when nothing more will happen by itself.
    pub check_after: Option<Seconds>,
}

/// Where a rollout stands. Within one rollout it goes forward from the first to live, with approval as a part of the gate,
/// unless traffic goes back, the first write of the shift fails, or somebody else changes the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The candidate's service is being made, changed or scaled up.
    Preparing,
    /// The candidate is up and has no traffic; its gates are being waited for.
    Gating,
    /// The gates are open; somebody has to say `promote`.
    AwaitingApproval,
    /// Weights are on their way: requests reach the candidate, or will with the next write.
    Shifting,
    /// All weight is on the new version; alarms and targets are watched.
    Baking,
    /// Traffic is going back to the old version.
    RollingBack,
    /// Live equals desired; only the old side may still be warm.
    Live,
    /// The wanted revision failed before and is not tried again.
    Quarantined,
    /// Somebody else's change, or a state that must not be written over, stands in the way.
    Blocked,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Action {
    /// Create the slot's service from the documents, with this many tasks and this record on it.
    CreateSlot { slot: Slot, count: u32, record: Record },
    /// Bring the slot's existing service to the documents, with this many tasks. The slot has no traffic.
    UpdateSlot { slot: Slot, count: u32 },
    /// Set the slot's task count and nothing else.
    ScaleSlot { slot: Slot, count: u32 },
    /// Put our ownership mark on an existing service.
    AdoptSlot { slot: Slot },
    /// Keep this record on the slot's service, in place of the one there.
    WriteRecord { slot: Slot, record: Record },
    /// Name the slot's group in the rule's forward action with weight 0, so that its targets are checked.
    NameGroup { rule: usize, slot: Slot },
    /// Point the test rule at the slot.
    PointTestRule { slot: Slot },
    /// Set the weights of production rule `rule`; refused if it is not as it was observed.
    SetWeights { rule: usize, weights: Weights },
}

impl Action {
    /// True for writes that change where production requests go.
    pub fn moves_traffic(&self) -> bool {
        matches!(self, Action::SetWeights { .. })
    }

    /// What is done, for people.
    pub fn in_words(&self, terms: Terms) -> String {
        let workload = terms.workload();
        match self {
            Action::CreateSlot { slot, count, .. } => {
                format!("create the {slot} {workload} with {}", terms.count(*count))
            }
            Action::UpdateSlot { slot, count } => {
                format!("update the {slot} {workload}, {}", terms.count(*count))
            }
            Action::ScaleSlot { slot, count } => {
                format!("scale the {slot} {workload} to {}", terms.count(*count))
            }
            Action::AdoptSlot { slot } => format!("adopt the existing {slot} {workload}"),
            Action::WriteRecord { slot, record } => {
                let next = record.intent.next.map_or_else(String::new, |next| format!(", next {next}%"));
                format!("note on the {slot} {workload}: {}{next}", record.progress)
            }
            Action::NameGroup { rule, slot } => {
                format!("name the {slot} {} in rule {} with weight 0", terms.group(), rule + 1)
            }
            Action::PointTestRule { slot } => format!("point the test rule at {slot}"),
            Action::SetWeights { rule, weights } => format!("set rule {} to {weights}", rule + 1),
        }
    }
}

/// In the words of ECS, for errors that are nobody's everyday reading.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words(Terms::Ecs))
    }
}

impl Phase {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Preparing => "preparing",
            Phase::Gating => "gating",
            Phase::AwaitingApproval => "awaiting approval",
            Phase::Shifting => "shifting",
            Phase::Baking => "baking",
            Phase::RollingBack => "rolling back",
            Phase::Live => "live",
            Phase::Quarantined => "quarantined",
            Phase::Blocked => "blocked",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is being waited for, as an enum so that nothing waits in silence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitingOn {
    /// A deleted service of the same name to be gone.
    NameToBeFree {
        slot: Slot,
    },
    /// The service's tasks to run and its deployment to complete.
    Tasks {
        slot: Slot,
        running: u32,
        wanted: u32,
    },
    /// Targets to become healthy.
    HealthyTargets {
        slot: Slot,
        healthy: u32,
        required: u32,
    },
    /// All requests of the HTTP gate to be answered as expected.
    HttpGate {
        detail: String,
    },
    /// An alarm to leave state ALARM.
    Alarm {
        name: String,
    },
    /// The gates to hold without a break for this much longer.
    Stability {
        remaining: Seconds,
    },
    Approval,
    /// Something to be readable: neither good nor bad until then.
    Unread {
        what: String,
    },
    /// Cookies that keep clients on the idle slot to end.
    Sessions {
        slot: Slot,
        remaining: Seconds,
    },
    /// Nothing, but the idle slot can't be let go, since a rule still sends requests to it.
    Held {
        slot: Slot,
        why: String,
    },
    /// The pause of a step.
    Hold {
        weight: u32,
        remaining: Seconds,
    },
    Bake {
        remaining: Seconds,
    },
    /// The data plane to stop sending to the old side.
    Settle {
        remaining: Seconds,
    },
    /// The old side to be let go.
    KeepPrevious {
        remaining: Seconds,
    },
    /// The side that traffic should go back to has too few healthy targets.
    ReturnTargets {
        slot: Slot,
        healthy: u32,
        required: u32,
    },
    /// Another commit or `retry`.
    NewRevision {
        reason: String,
    },
    /// A person: the sentence says what is in the way and what to do, made from the remedies.
    Person {
        reason: String,
        remedies: Vec<Remedy>,
    },
}

impl WaitingOn {
    /// What is waited for, for people.
    pub fn in_words(&self, terms: Terms) -> String {
        let (units, workload) = (terms.units(), terms.workload());
        match self {
            WaitingOn::NameToBeFree { slot } => format!("the deleted {slot} {workload} to be gone"),
            WaitingOn::Tasks { slot, running, wanted } if running >= wanted => match terms {
                Terms::Ecs => format!("the {slot} deployment to complete"),
                Terms::BalancedPods | Terms::Pods => format!("the {slot} Deployment to be complete"),
            },
            WaitingOn::Tasks { slot, running, wanted } => {
                format!("{slot} {units}: {running} of {wanted} running")
            }
            WaitingOn::HealthyTargets { slot, healthy, required } => {
                format!("{slot} {}: {healthy} of {required} {}", terms.targets(), terms.healthy())
            }
            WaitingOn::HttpGate { detail } => format!("the HTTP gate: {detail}"),
            WaitingOn::Alarm { name } => format!("alarm {name} to leave state ALARM"),
            WaitingOn::Unread { what } => {
                format!("{what}, without which nothing goes forward")
            }
            WaitingOn::Sessions { slot, remaining } => {
                format!("clients that a cookie keeps on {slot}: {remaining}s left")
            }
            WaitingOn::Held { slot, why } => format!("nothing; {slot} is not scaled down: {why}"),
            WaitingOn::Stability { remaining } => format!("gates to hold for another {remaining}s"),
            WaitingOn::Approval => "approval: `cutover promote`".into(),
            WaitingOn::Hold { weight, remaining } => format!("{remaining}s more at {weight}%"),
            WaitingOn::Bake { remaining } => format!("the bake: {remaining}s left"),
            WaitingOn::Settle { remaining } => {
                format!("{} to settle: {remaining}s left", terms.balancer())
            }
            WaitingOn::KeepPrevious { remaining } => {
                format!("nothing; the previous version stays warm for {}", human(*remaining))
            }
            WaitingOn::ReturnTargets { slot, healthy, required } => format!(
                "{slot} {}, to send traffic back to: {healthy} of {required} {}; scale it up by hand if it cannot recover",
                terms.targets(),
                terms.healthy()
            ),
            WaitingOn::NewRevision { reason } => {
                format!("another commit or `cutover retry`; this revision failed: {reason}")
            }
            WaitingOn::Person { reason, .. } => reason.clone(),
        }
    }

    /// What is waited for, for people, without the numbers that change while it lasts, so that a log gets one line and not one for each second;
    /// `None` for what ends a run, whose report says it.
    pub fn in_general(&self, terms: Terms) -> Option<String> {
        let (targets, healthy) = (terms.targets(), terms.healthy());
        Some(match self {
            WaitingOn::Tasks { slot, wanted, .. } => format!("{wanted} {slot} {} to run", terms.units()),
            WaitingOn::HealthyTargets { slot, required, .. } => {
                format!("{required} {healthy} {slot} {targets}")
            }
            WaitingOn::Stability { .. } => "the gates to hold without a break".into(),
            WaitingOn::Hold { weight, .. } => format!("the pause at {weight}%"),
            WaitingOn::Bake { .. } => "the end of the bake".into(),
            WaitingOn::Settle { .. } => format!("{} to settle", terms.balancer()),
            WaitingOn::ReturnTargets { slot, required, .. } => {
                format!("{required} {healthy} {slot} {targets} to send traffic back to")
            }
            WaitingOn::NameToBeFree { .. }
            | WaitingOn::HttpGate { .. }
            | WaitingOn::Alarm { .. }
            | WaitingOn::Unread { .. }
            | WaitingOn::Held { .. }
            | WaitingOn::Approval => self.in_words(terms),
            WaitingOn::Sessions { slot, .. } => {
                format!("clients that a cookie keeps on {slot} to be released")
            }
            WaitingOn::KeepPrevious { .. } => "the previous version to be let go".into(),
            WaitingOn::NewRevision { .. } | WaitingOn::Person { .. } => return None,
        })
    }
}

/// How a run ends when `decide` has nothing left to do that a one-shot sync should wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Live equals desired.
    Done,
    /// The revision failed; traffic is where it was before.
    Failed {
        reason: String,
    },
    AwaitingApproval,
    Blocked {
        reason: String,
        /// Each of these alone is a way out.
        remedies: Vec<Remedy>,
    },
}

impl Decision {
    /// A slot that an action would touch, or give its first weight to, although it has not been asked whether requests may
    /// reach it by another rule; or that of a rollout which left a rule behind, before anything goes forward or a return is
    /// said to be over.
    pub fn asks_to_touch(&self, seen: &Observation) -> Option<Slot> {
        let is_unasked = |slot: &Slot| seen.slots.get(*slot).hold == Hold::Unasked;
        let goes_forward = !self.actions.is_empty() && self.phase != Phase::RollingBack;
        if let Some(slot) = seen.left_behind().filter(|slot| goes_forward && is_unasked(slot)) {
            return Some(slot);
        }
        let is_done = |action: &Action| matches!(action, Action::WriteRecord { record, .. } if matches!(record.progress, Progress::Done(_)));
        let ends_return = self.phase == Phase::RollingBack && self.actions.iter().any(is_done);
        if let Some(slot) = seen.left_on_return().filter(|slot| ends_return && is_unasked(slot)) {
            return Some(slot);
        }
        self.actions.iter().find_map(|action| {
            let slot = match action {
                // A return asks for nothing but the health of the side that takes over.
                Action::SetWeights { weights, .. } if self.phase == Phase::Shifting => {
                    seen.first_weight_of(*weights)?
                }
                Action::UpdateSlot { slot, .. } => *slot,
                Action::CreateSlot { slot, .. } => *slot,
                Action::ScaleSlot { slot, count } if *count < seen.slots.get(*slot).count() => *slot,
                Action::ScaleSlot { slot, .. } if seen.slots.get(*slot).count() == 0 => *slot,
                _ => return None,
            };
            is_unasked(&slot).then_some(slot)
        })
    }

    /// The outcome of a one-shot run, if this decision ends one.
    pub fn outcome(&self) -> Option<Outcome> {
        if !self.actions.is_empty() {
            return None;
        }
        match (self.phase, &self.waiting_on) {
            (Phase::Live, None | Some(WaitingOn::KeepPrevious { .. } | WaitingOn::Held { .. })) => {
                Some(Outcome::Done)
            }
            (Phase::Quarantined, Some(WaitingOn::NewRevision { reason })) => {
                Some(Outcome::Failed { reason: reason.clone() })
            }
            (Phase::AwaitingApproval, _) => Some(Outcome::AwaitingApproval),
            (Phase::Blocked, Some(WaitingOn::Person { reason, remedies })) => {
                Some(Outcome::Blocked { reason: reason.clone(), remedies: remedies.clone() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_reads_the_same_until_it_is_another_one() {
        let tasks = |running| WaitingOn::Tasks { slot: Slot::Green, running, wanted: 3 };
        let general = |running| tasks(running).in_general(Terms::Ecs);
        assert_eq!(general(0), general(2));
        assert_eq!(general(0).as_deref(), Some("3 green tasks to run"));
        let bake = |remaining| WaitingOn::Bake { remaining }.in_general(Terms::Ecs);
        assert_eq!(bake(600), bake(1));
        assert_ne!(bake(1), general(0));
    }

    #[test]
    fn each_platform_has_its_own_words() {
        let slot = Slot::Green;
        let said = |terms| {
            let create = Action::ScaleSlot { slot, count: 1 }.in_words(terms);
            let targets = WaitingOn::HealthyTargets { slot, healthy: 1, required: 2 };
            let tasks = WaitingOn::Tasks { slot, running: 2, wanted: 2 }.in_words(terms);
            [create, targets.in_words(terms), targets.in_general(terms).unwrap_or_default(), tasks]
        };
        assert_eq!(
            said(Terms::Ecs),
            [
                "scale the green service to 1 task",
                "green targets: 1 of 2 healthy",
                "2 healthy green targets",
                "the green deployment to complete"
            ]
        );
        assert_eq!(
            said(Terms::Pods),
            [
                "scale the green Deployment to 1 pod",
                "green pods: 1 of 2 ready",
                "2 ready green pods",
                "the green Deployment to be complete"
            ]
        );
        assert_eq!(said(Terms::BalancedPods)[1], said(Terms::Ecs)[1]);
    }
}
