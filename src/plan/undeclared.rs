//! Finds rollouts under way that no document declares any more: both slots are needed, and only the documents that they
//! began with tell how they go on.

use super::{Change, Owned, Plan, PlanItem};
use crate::model::{Kind, Manifests, Slot, Timestamp, Turn, is_commit_id};
use crate::rollout::{Hindrance, Progress, Record, Remedy, Terms};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The mark of a live slot, and the note on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMark {
    /// The document of the workload that it is a slot of: `Service/web`.
    pub workload: String,
    pub slot: Slot,
    pub record: Option<Record>,
    /// The commit whose documents were last applied to it, if it says so.
    pub commit: Option<String>,
    /// The labels of its pods, where it is a Deployment that runs any.
    pub pods: Option<Value>,
}

/// A rollout that is not over, by what its live slots say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// The document of its workload: `Service/web`.
    pub workload: String,
    /// How far it has come, for people: `30% reached`.
    pub progress: String,
    /// When it began.
    pub started: Timestamp,
    /// The commit that the slot whose note speaks was last brought to.
    pub commit: Option<String>,
}

impl UnderWay {
    /// The name of the workload's document: `web`.
    pub fn name(&self) -> &str {
        self.workload.split_once('/').map_or(self.workload.as_str(), |(_, name)| name)
    }

    /// `Service/web (30% reached, commit 4f1c2d3)`
    pub fn in_words(&self) -> String {
        match &self.commit {
            Some(commit) => {
                let commit: String = commit.chars().take(7).collect();
                format!("{} ({}, commit {commit})", self.workload, self.progress)
            }
            None => format!("{} ({})", self.workload, self.progress),
        }
    }
}

/// A rollout that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeclared {
    /// The document of its workload: `Service/web`.
    pub workload: String,
    /// The live name of the slot that it goes into.
    pub resource: String,
    /// The full id of the commit that it began with, if its slot tells.
    pub commit: Option<String>,
    /// The fact, without what follows from it.
    fact: String,
    turn: Turn,
}

impl Undeclared {
    /// The name of the workload's document: `web`.
    pub fn name(&self) -> &str {
        self.workload.split_once('/').map_or(self.workload.as_str(), |(_, name)| name)
    }

    /// The fact and what to do, as a sentence.
    pub fn why(&self) -> String {
        match &self.commit {
            Some(commit) => {
                let commit: String = commit.chars().take(7).collect();
                self.in_words(&format!(
                    "; while requests are on it, a sync goes on with it by the documents of commit {commit}, or back, and \
                     begins nothing new"
                ))
            }
            None => self.in_words(", so nobody watches it"),
        }
    }

    /// The same where nobody can look after it, for this reason.
    pub fn why_unwatched(&self, reason: &str) -> String {
        self.in_words(&format!(", and nobody watches it: {reason}"))
    }

    fn in_words(&self, consequence: &str) -> String {
        let what = format!(
            "{} and its BlueGreen in Git until the rollout has ended, by itself or by `cutover abort`",
            self.workload
        );
        let why = format!("{}{consequence}", self.fact);
        Hindrance::new(why, vec![Remedy::Restore { what }]).in_words(Terms::Ecs)
    }
}

/// Why a slot of a rollout that is not over is kept.
const IN_USE: &str = "it is a slot of a rollout that is not over";

/// Why what may send requests to such slots stays as it is.
const STEERS: &str =
    "it may steer the requests of a rollout that is not over and that no BlueGreen declares any more";

/// True for a Service or HTTPRoute in the namespace of `slot`, by their addresses on Kubernetes.
fn may_steer(resource: &str, slot: &str) -> bool {
    let parts = |text: &str| {
        let mut parts = text.split('/').map(ToOwned::to_owned);
        (parts.next(), parts.next(), parts.next())
    };
    let ((Some(kind), namespace, Some(_)), (_, of_slot, Some(_))) = (parts(resource), parts(slot)) else {
        return false;
    };
    let is_route = kind == "Service" || kind.starts_with("HTTPRoute.");
    is_route && namespace == of_slot
}

/// Both slots of one workload, as far as they are there.
struct Pair<'a> {
    workload: &'a str,
    slots: Vec<(&'a Owned, &'a SlotMark)>,
}

impl<'a> Pair<'a> {
    fn all(owned: &'a [Owned]) -> Vec<Pair<'a>> {
        let mut pairs: BTreeMap<&str, Vec<(&Owned, &SlotMark)>> = BTreeMap::new();
        for owned in owned {
            if let Some(mark) = &owned.slot {
                pairs.entry(&mark.workload).or_default().push((owned, mark));
            }
        }
        pairs.into_iter().map(|(workload, slots)| Pair { workload, slots }).collect()
    }

    /// The slot whose note speaks for both, if the rollout into it is not over.
    fn unfinished(&self) -> Option<(&'a Owned, &'a Record)> {
        let noted = self.slots.iter().filter_map(|(owned, mark)| Some((*owned, mark.record.as_ref()?)));
        noted.max_by_key(|(_, record)| record.sequence).filter(|(_, record)| self.is_unfinished(record))
    }

    fn is_unfinished(&self, record: &Record) -> bool {
        match record.progress {
            Progress::Rolling
            | Progress::Ready
            | Progress::Shifting { .. }
            | Progress::Baking(_)
            | Progress::Returning { .. } => true,
            // The note that all traffic is back where it came from is a later one.
            Progress::Failed(_) => {
                self.slots.iter().any(|(_, mark)| record.from.is_some_and(|from| from == mark.slot))
            }
            Progress::Done(_) => false,
        }
    }
}

impl Plan {
    /// The items of rollouts that are not over and that no document declares.
    pub fn undeclared(&self) -> impl Iterator<Item = &PlanItem> {
        self.items.iter().filter(|item| item.is(Kind::BlueGreen) && item.origin.is_none())
    }
}

/// The rollouts of `owned` that are not over and go into none of the `slots` that documents declare (live names).
pub fn undeclared(owned: &[Owned], slots: &BTreeSet<String>) -> Vec<Undeclared> {
    let of = |pair: &Pair<'_>| {
        let (holder, record) = pair.unfinished().filter(|(holder, _)| !slots.contains(&holder.resource))?;
        let fact = format!(
            "its rollout into {} is not over ({}), and no BlueGreen declares it any more",
            holder.resource, record.progress
        );
        let commit = holder.slot.as_ref().and_then(|mark| mark.commit.clone());
        Some(Undeclared {
            workload: pair.workload.to_owned(),
            resource: holder.resource.clone(),
            commit: commit.filter(|commit| is_commit_id(commit)),
            fact,
            turn: holder.turn,
        })
    };
    Pair::all(owned).iter().filter_map(of).collect()
}

/// The rollouts of `owned` that are not over, whatever documents declare.
pub fn under_way(owned: &[Owned]) -> Vec<UnderWay> {
    let of = |pair: &Pair<'_>| {
        let (holder, record) = pair.unfinished()?;
        let mark = holder.slot.as_ref()?;
        Some(UnderWay {
            workload: pair.workload.to_owned(),
            progress: record.progress.to_string(),
            started: record.started,
            commit: mark.commit.clone(),
        })
    };
    Pair::all(owned).iter().filter_map(of).collect()
}

/// The live names of the ECS services that are slots of a BlueGreen.
pub fn declared_slots(manifests: &Manifests) -> BTreeSet<String> {
    let slots = |blue_green: &crate::model::BlueGreen| {
        let service = manifests.services.get(&blue_green.workload_ref.name)?;
        Some(Slot::BOTH.map(|slot| blue_green.slot_workload(slot, service.live_name())))
    };
    manifests.blue_greens.values().filter_map(slots).flatten().collect()
}

/// Blocks the plan for each of them, together with what it would do to their slots.
pub(super) fn block(found: Vec<Undeclared>, plan: &mut Plan, owned: &[Owned]) {
    for rollout in found {
        let Undeclared { workload, resource, turn, .. } = &rollout;
        let is_slot = |item: &PlanItem| {
            let mark = owned.iter().find(|owned| owned.resource == item.resource);
            mark.and_then(|owned| owned.slot.as_ref()).is_some_and(|mark| mark.workload == *workload)
        };
        let touched =
            |item: &&mut PlanItem| !item.carried && item.change != Change::Unchanged && is_slot(item);
        for item in plan.items.iter_mut().filter(touched) {
            item.change = Change::Blocked;
            item.why = format!("{}; {IN_USE}", item.why);
        }
        let steers =
            |item: &&mut PlanItem| item.change != Change::Unchanged && may_steer(&item.resource, resource);
        for item in plan.items.iter_mut().filter(steers) {
            item.change = Change::Blocked;
            item.why = format!("{}; {STEERS}", item.why);
        }
        let (kind, why) = (Kind::BlueGreen.name(), rollout.why());
        let item = PlanItem::new(kind, rollout.name(), resource, Change::Blocked, why);
        plan.items.push(PlanItem { turn: *turn, ..item });
    }
}

/// `owned` with the reason why slots stay whose rollout is not over, declared or not: one of them is the way back.
pub(super) fn kept_for_rollouts(owned: &[Owned]) -> Vec<Owned> {
    let pairs = Pair::all(owned).into_iter().filter(|pair| pair.unfinished().is_some());
    let kept: BTreeSet<&str> =
        pairs.flat_map(|pair| pair.slots).map(|(owned, _)| owned.resource.as_str()).collect();
    let keep = |owned: &Owned| match kept.contains(owned.resource.as_str()) {
        true => Owned { in_use: Some(IN_USE.into()), ..owned.clone() },
        false => owned.clone(),
    };
    owned.iter().map(keep).collect()
}
