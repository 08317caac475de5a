//! Workloads shipped by blue/green: what both platforms say of them, and the ECS services that are slots.

use super::forecast::{Forecast, forecast};
use super::rolling::{bare_item, creation, service_name, with_difference};
use super::side::{Side, Words};
use super::traffic::traffic;
use super::words::differing;
use super::{Live, LiveRollout, PlanItem, TrafficChange, slot_spec};
use crate::diff::compare_service;
use crate::model::{BlueGreen, Kind, Service, Slot};
use crate::plan::Change;
use crate::rollout::{Decision, Phase, WaitingOn};

const OF_ECS: Words = Words { unit: "task", marks: "tags" };

/// The items of one blue/green workload, as `of_slot` makes them for each of its slots, and how its traffic moves.
pub(super) fn plan_rollout(
    blue_green: &BlueGreen,
    live: &Live,
    words: Words,
    of_slot: impl Fn(&Side<'_>) -> Vec<PlanItem>,
) -> (Vec<PlanItem>, Vec<TrafficChange>) {
    let rollout = match live.rollouts.get(&blue_green.name) {
        Some(Ok(rollout)) => rollout,
        Some(Err(why)) => return (vec![blocked(blue_green, format!("could not be read: {why}"))], vec![]),
        None => return (vec![blocked(blue_green, "was not read".to_owned())], vec![]),
    };
    let course = forecast(rollout);
    let sides = Slot::BOTH.map(|slot| Side { rollout, course: &course, slot, words });
    let mut items: Vec<PlanItem> = sides.iter().flat_map(of_slot).collect();
    items.extend(hindrance(rollout, &course).map(|why| blocked(blue_green, why)));
    (items, traffic(blue_green, rollout, &course))
}

/// The items of a workload on ECS and how its traffic moves.
pub(super) fn plan_blue_green(
    blue_green: &BlueGreen,
    service: &Service,
    live: &Live,
    task_definition: &str,
) -> (Vec<PlanItem>, Vec<TrafficChange>) {
    plan_rollout(blue_green, live, OF_ECS, |side| {
        service_of_slot(side, blue_green, service, live, task_definition).into_iter().collect()
    })
}

fn blocked(blue_green: &BlueGreen, why: String) -> PlanItem {
    let workload = &blue_green.workload_ref.name;
    PlanItem {
        origin: Some(blue_green.origin.clone()),
        ..PlanItem::new(Kind::BlueGreen.name(), &blue_green.name, workload, Change::Blocked, why)
    }
}

/// Why the rollout will not end with what Git wants.
fn hindrance(rollout: &LiveRollout, course: &Forecast) -> Option<String> {
    let Decision { phase, waiting_on, .. } = &course.last;
    match (phase, waiting_on) {
        (Phase::Quarantined, Some(WaitingOn::NewRevision { reason })) => Some(format!(
            "this revision failed before and is not tried again: {reason}; commit a fix, or `cutover retry`"
        )),
        (Phase::Blocked | Phase::Quarantined, Some(on)) => Some(on.in_words(rollout.desired.terms)),
        _ => None,
    }
}

/// The slot's item; `None` if there is no such service and none will be.
fn service_of_slot(
    side: &Side<'_>,
    blue_green: &BlueGreen,
    service: &Service,
    live: &Live,
    task_definition: &str,
) -> Option<PlanItem> {
    let name = blue_green.slot_workload(side.slot, service_name(service));
    let group = blue_green.target_group(side.slot);
    let mut declared = slot_spec(service, blue_green, side.slot, group, task_definition);
    let fate = side.fate();
    let live = live.services.get(&name).filter(|_| fate.updated.is_some());
    let comparison = live.map(|live| compare_service(&declared, live));
    let fields = comparison.as_ref().map(differing).unwrap_or_default();
    let fields = if fields.is_empty() { String::new() } else { format!("; differs in {fields}") };
    let (change, why) = side.outlook(&fate, &fields)?;
    if let Some(tasks) = fate.created {
        declared["desiredCount"] = tasks.into();
        return Some(creation(service, &declared, &name, &why));
    }
    let item = bare_item(service, &name, change, why);
    Some(match comparison {
        Some(comparison) => with_difference(item, comparison, &format!("live {name}"), &service.origin),
        None => item,
    })
}
