//! Deployments shipped by blue/green: one item for each slot that is there or will be, and one for each of its other
//! parts that is made or changed.

use super::blue_green::plan_rollout;
use super::objects::{created, differing, item_of, refusal};
use super::side::{Fate, Side, Words};
use super::words::several;
use super::{Change, Live, LiveObject, Plan, PlanItem, WouldBe};
use crate::diff::{Comparison, meaning};
use crate::model::{BlueGreen, Manifests, Object, marks};
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds of which each slot has copies.
pub const CARRIED_ALONG: [&str; 2] = ["HorizontalPodAutoscaler", "PodDisruptionBudget"];
const OF_KUBERNETES: Words = Words { unit: "pod", marks: "labels" };

/// Adds the items and traffic changes of all Deployments with slots; the answer is the names of what is declared.
pub(super) fn plan_slots(manifests: &Manifests, live: &Live, plan: &mut Plan) -> BTreeSet<String> {
    let mut declared = BTreeSet::new();
    for blue_green in manifests.blue_greens.values() {
        let Some(deployment) = manifests.steered_deployment(blue_green) else { continue };
        let (items, traffic) = plan_rollout(blue_green, live, OF_KUBERNETES, |side| {
            Parts { blue_green, deployment, live, side, fate: side.fate() }.items()
        });
        // All of it is the rollout's to carry out, but what is changed in place.
        plan.items.extend(items.into_iter().map(|item| PlanItem {
            carried: item.carried || !CARRIED_ALONG.contains(&item.kind.as_str()),
            ..item
        }));
        plan.traffic.extend(traffic);
        let parts = live.slots.get(&blue_green.name).into_iter();
        let parts = parts.flat_map(|slots| slots.blue.iter().chain(&slots.green));
        declared.extend(parts.map(|part| part.key.to_string()));
    }
    declared
}

struct Parts<'a> {
    blue_green: &'a BlueGreen,
    deployment: &'a Object,
    live: &'a Live,
    side: &'a Side<'a>,
    fate: Fate,
}

impl Parts<'_> {
    fn items(&self) -> Vec<PlanItem> {
        let slots = self.live.slots.get(&self.blue_green.name);
        let parts = slots.map(|slots| slots.get(self.side.slot).as_slice()).unwrap_or_default();
        let (workload, others): (Vec<_>, Vec<_>) = parts.iter().partition(|part| is_deployment(part));
        let workload = workload.first().copied();
        let is_written = self.fate.created.is_some() || self.fate.updated.is_some() || self.fate.adopted;
        // Beside a version that stays; what comes with a new one is the rollout's to change.
        let stays = workload.is_some_and(|part| part.would_be == WouldBe::Same) && !is_written;
        let in_place = |part: &LiveObject| stays && is_changed_in_place(part);
        let others = others.into_iter().filter(|part| is_written || in_place(part)).filter_map(|part| {
            let item = self.other(part)?;
            Some(PlanItem { carried: !in_place(part), ..item })
        });
        self.workload(workload).into_iter().chain(others).collect()
    }

    /// The Deployment. What a new version is to a reader is how it differs from the one that serves.
    fn workload(&self, part: Option<&LiveObject>) -> Option<PlanItem> {
        let is_written = self.fate.created.is_some() || self.fate.updated.is_some();
        let would_be = part.map(|part| &part.would_be).filter(|_| is_written);
        let (comparison, beside) = match would_be {
            Some(WouldBe::Object(would_be)) => self.against_the_other(part, would_be),
            _ => (None, String::new()),
        };
        let fields = comparison.iter().flat_map(|found| &found.changes).map(|change| change.path.as_str());
        let fields = match several(fields) {
            none if none.is_empty() => none,
            fields => format!("; differs from {beside} in {fields}"),
        };
        let (change, why) = self.side.outlook(&self.fate, &fields)?;
        let name = self.blue_green.slot_workload(self.side.slot, &self.deployment.key.name);
        let resource = match part {
            Some(part) => part.key.to_string(),
            None => crate::model::ObjectKey { name, ..self.deployment.key.clone() }.to_string(),
        };
        let item = |change, why: String| item_of(self.deployment, &resource, change, why);
        if let Some(item) = would_be.and_then(|would_be| refusal(self.deployment, would_be, &item)) {
            return Some(item);
        }
        let item = item(change, why);
        Some(match comparison {
            Some(comparison) => differing(item, &comparison, &beside, self.deployment),
            None if self.fate.created.is_some() => created(self.deployment, item),
            None => item,
        })
    }

    /// How `would_be` differs from the other slot's Deployment or, if there is none, from what is there; and the name of
    /// that. Names, slots and numbers of pods aside.
    fn against_the_other(&self, part: Option<&LiveObject>, would_be: &Value) -> (Option<Comparison>, String) {
        let slots = self.live.slots.get(&self.blue_green.name);
        let other =
            slots.and_then(|slots| slots.get(self.side.slot.other()).iter().find(|p| is_deployment(p)));
        let found = other.and_then(|other| other.live.as_ref()).or(part.and_then(|part| part.live.as_ref()));
        let Some(live) = found else { return (None, String::new()) };
        let name = live.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let found = Comparison::of_objects(&without_slot(live), &without_slot(would_be));
        ((!found.is_unchanged()).then_some(found), name.to_owned())
    }

    /// A Service, TargetGroupBinding or copy of what the Deployment carries, if it is made or changed.
    fn other(&self, part: &LiveObject) -> Option<PlanItem> {
        let resource = part.key.to_string();
        let item = |change, why: String| PlanItem {
            kind: part.key.kind.clone(),
            name: part.key.name.clone(),
            ..item_of(self.deployment, &resource, change, why)
        };
        if let Some(item) = refusal(self.deployment, &part.would_be, &item) {
            return Some(item);
        }
        let slot = self.side.slot;
        match (&part.live, &part.would_be) {
            (_, WouldBe::Same) => None,
            // Its addresses and policies are the API server's choice.
            (None, WouldBe::Object(_)) if part.key.is("", "Service") => {
                Some(item(Change::Create, format!("leads to the pods of {slot}")))
            }
            (None, WouldBe::Object(would_be)) => {
                let found = Comparison::of_objects(&Value::Null, &meaning(would_be, false));
                let item = item(Change::Create, format!("belongs to {slot}"));
                Some(differing(item, &found, "(none)", self.deployment))
            }
            (None, _) => Some(item(Change::Create, format!("belongs to {slot}"))),
            (Some(live), WouldBe::Object(would_be)) => {
                let found = Comparison::of_objects(&meaning(live, false), &meaning(would_be, false));
                if found.is_unchanged() {
                    return None;
                }
                let fields = several(found.changes.iter().map(|change| change.path.as_str()));
                let item = item(Change::Update, format!("belongs to {slot}; differs in {fields}"));
                Some(differing(item, &found, &part.key.name, self.deployment))
            }
            (Some(_), _) => None,
        }
    }
}

/// True for what the pods of a slot do not notice a change of; only of a slot that is as wanted it is asked what it would be.
fn is_changed_in_place(part: &LiveObject) -> bool {
    let is_carried =
        part.key.is("autoscaling", "HorizontalPodAutoscaler") || part.key.is("policy", "PodDisruptionBudget");
    is_carried && !matches!(part.would_be, WouldBe::Same | WouldBe::Unasked)
}

fn is_deployment(part: &LiveObject) -> bool {
    part.key.is("apps", "Deployment")
}

/// A slot's Deployment without what tells it from the other slot's.
fn without_slot(deployment: &Value) -> Value {
    let mut meant = meaning(deployment, false);
    for (place, field) in [
        ("/metadata", "name"),
        ("/spec", "replicas"),
        ("/spec/selector/matchLabels", marks::SLOT),
        ("/spec/template/metadata/labels", marks::SLOT),
    ] {
        if let Some(fields) = meant.pointer_mut(place).and_then(Value::as_object_mut) {
            fields.shift_remove(field);
        }
    }
    meant
}
