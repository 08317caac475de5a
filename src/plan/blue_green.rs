//! Services shipped by blue/green: one item for each slot that is there or will be.

use super::forecast::{Forecast, forecast};
use super::rolling::{bare_item, creation, service_name, with_difference};
use super::traffic::traffic;
use super::words::{count, differing};
use super::{Change, Live, LiveRollout, PlanItem, TrafficChange, slot_spec};
use crate::diff::compare_service;
use crate::model::{BlueGreen, Kind, Service, Slot};
use crate::rollout::{Action, Decision, Phase, WaitingOn, Workload};

/// The items of one blue/green workload and how its traffic moves.
pub(super) fn plan_blue_green(
    blue_green: &BlueGreen,
    service: &Service,
    live: &Live,
    task_definition: &str,
) -> (Vec<PlanItem>, Vec<TrafficChange>) {
    let rollout = match live.rollouts.get(&blue_green.name) {
        Some(Ok(rollout)) => rollout,
        Some(Err(why)) => return (vec![blocked(blue_green, format!("could not be read: {why}"))], vec![]),
        None => return (vec![blocked(blue_green, "was not read".to_owned())], vec![]),
    };
    let course = forecast(rollout);
    let mut items: Vec<PlanItem> = Slot::BOTH
        .into_iter()
        .filter_map(|slot| {
            let parts = Parts { blue_green, service, live, rollout, course: &course, slot };
            parts.item(task_definition)
        })
        .collect();
    items.extend(hindrance(&course).map(|why| blocked(blue_green, why)));
    (items, traffic(blue_green, rollout, &course))
}

fn blocked(blue_green: &BlueGreen, why: String) -> PlanItem {
    let workload = &blue_green.workload_ref.name;
    PlanItem {
        origin: Some(blue_green.origin.clone()),
        ..PlanItem::new(Kind::BlueGreen.name(), &blue_green.name, workload, Change::Blocked, why)
    }
}

/// Why the rollout will not end with what Git wants.
fn hindrance(course: &Forecast) -> Option<String> {
    let Decision { phase, waiting_on, .. } = &course.last;
    match (phase, waiting_on) {
        (Phase::Quarantined, Some(WaitingOn::NewRevision { reason })) => Some(format!(
            "this revision failed before and is not tried again: {reason}; commit a fix, or `cutover retry`"
        )),
        (Phase::Blocked | Phase::Quarantined, Some(on)) => Some(on.to_string()),
        _ => None,
    }
}

struct Parts<'a> {
    blue_green: &'a BlueGreen,
    service: &'a Service,
    live: &'a Live,
    rollout: &'a LiveRollout,
    course: &'a Forecast,
    slot: Slot,
}

/// What the forecast does to one slot.
#[derive(Default)]
struct Fate {
    created: Option<u32>,
    updated: Option<u32>,
    /// Task counts it is set to, in order.
    scaled: Vec<u32>,
    adopted: bool,
    noted: bool,
}

impl Parts<'_> {
    /// The slot's item; `None` if there is no such service and none will be.
    fn item(&self, task_definition: &str) -> Option<PlanItem> {
        let seen = self.rollout.observation.slots.get(self.slot);
        let name = self.blue_green.slot_workload(self.slot, service_name(self.service));
        let fate = self.fate();
        let group = self.blue_green.target_group(self.slot);
        let mut declared = slot_spec(self.service, self.blue_green, self.slot, group, task_definition);
        let ending = fate.ending();
        if let Some(tasks) = fate.created {
            let why = match seen.workload {
                Workload::Draining => "waits until the deleted service of this name is drained, then starts",
                _ if self.rollout.observation.slots.get(self.slot.other()).count() > 0 => {
                    "comes up beside the live version with"
                }
                _ => "is the first version, with",
            };
            let why = format!("{why} {}{ending}", count(tasks.into(), "task"));
            declared["desiredCount"] = tasks.into();
            return Some(creation(self.service, &declared, &name, &why));
        }
        let Workload::Present { desired_count, label, .. } = &seen.workload else { return None };
        let live = self.live.services.get(&name);
        let (change, why) = match (fate.updated, fate.scaled.first()) {
            (Some(tasks), _) => {
                let fields =
                    live.map(|live| differing(&compare_service(&declared, live))).unwrap_or_default();
                let fields = if fields.is_empty() { String::new() } else { format!("; differs in {fields}") };
                let what =
                    format!("has no traffic and is updated, with {}{fields}", count(tasks.into(), "task"));
                (Change::Update, what)
            }
            (None, Some(tasks)) => {
                (Change::Update, format!("goes from {desired_count} to {}", count((*tasks).into(), "task")))
            }
            (None, None) if fate.adopted => (Change::Adopt, "exists; our tags are put on it".to_owned()),
            (None, None) => self.unchanged(&fate, label),
        };
        let change = if fate.adopted && change == Change::Update { Change::Adopt } else { change };
        let item = bare_item(self.service, &name, change, format!("{why}{ending}"));
        match (fate.updated, live) {
            (Some(_), Some(live)) => Some(with_difference(
                item,
                compare_service(&declared, live),
                &format!("live {name}"),
                &self.service.origin,
            )),
            _ => Some(item),
        }
    }

    /// What is said of a slot whose service stays as it is.
    fn unchanged(&self, fate: &Fate, label: &str) -> (Change, String) {
        let seen = &self.rollout.observation;
        let runs = if label.is_empty() { String::new() } else { format!(" ({label})") };
        let share =
            seen.rules.iter().map(|rule| rule.split.weights().share_percent(self.slot)).max().unwrap_or(0);
        let waits = self.course.first.waiting_on.as_ref();
        if seen.serving_slot() == Some(self.slot) {
            let only_notes = self.course.actions.iter().all(|a| matches!(a, Action::WriteRecord { .. }));
            return match waits {
                Some(on @ WaitingOn::Bake { .. }) => {
                    (Change::Unchanged, format!("serves{runs}; waits for {on}"))
                }
                // The first note on what was found is the one write of such a sync.
                None if fate.noted && only_notes => {
                    (Change::Update, format!("serves{runs}; a note of that is put on it"))
                }
                _ => (Change::Unchanged, format!("serves{runs}")),
            };
        }
        let gains = |action: &Action| matches!(action, Action::SetWeights { weights, .. } if weights.of(self.slot) > 0);
        let why = match (self.course.actions.iter().any(gains), waits) {
            (true, _) if share > 0 => format!("takes over{runs} and has {share}% now: no task is started"),
            (true, Some(on)) => format!("takes over{runs} and waits for {on}"),
            (true, None) => format!("is warm{runs} and takes over: no task is started"),
            (false, _) => {
                let tasks = seen.slots.get(self.slot).count();
                format!("is idle{runs} with {}", count(tasks.into(), "task"))
            }
        };
        (Change::Unchanged, why)
    }

    fn fate(&self) -> Fate {
        let mut fate = Fate::default();
        for action in &self.course.actions {
            match action {
                Action::CreateSlot { slot, count, .. } if *slot == self.slot => fate.created = Some(*count),
                Action::UpdateSlot { slot, count } if *slot == self.slot => fate.updated = Some(*count),
                Action::ScaleSlot { slot, count } if *slot == self.slot => fate.scaled.push(*count),
                Action::AdoptSlot { slot } if *slot == self.slot => fate.adopted = true,
                Action::WriteRecord { slot, .. } if *slot == self.slot => fate.noted = true,
                _ => {}
            }
        }
        fate
    }
}

impl Fate {
    /// What else becomes of a slot that was first made or changed.
    fn ending(&self) -> &'static str {
        let more = if self.created.is_some() || self.updated.is_some() {
            &self.scaled[..]
        } else {
            self.scaled.get(1..).unwrap_or_default()
        };
        if more.last() == Some(&0) { "; later scaled to 0 tasks" } else { "" }
    }
}
