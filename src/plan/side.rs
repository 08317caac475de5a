//! What the forecast does to one slot of a blue/green workload, in words that fit every platform.

use super::forecast::Forecast;
use super::words::count;
use super::{Change, LiveRollout};
use crate::model::Slot;
use crate::rollout::{Action, WaitingOn, Workload};

/// One slot with the forecast of its workload.
pub(super) struct Side<'a> {
    pub rollout: &'a LiveRollout,
    pub course: &'a Forecast,
    pub slot: Slot,
    pub words: Words,
}

/// How a platform calls what a slot consists of.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// `task`, `pod`.
    pub unit: &'static str,
    /// What says that something is ours: `tags`, `labels`.
    pub marks: &'static str,
}

/// What the forecast does to the slot.
#[derive(Default)]
pub(super) struct Fate {
    pub created: Option<u32>,
    pub updated: Option<u32>,
    /// Task counts it is set to, in order.
    scaled: Vec<u32>,
    pub adopted: bool,
    noted: bool,
}

impl Side<'_> {
    /// What becomes of the slot's service or Deployment, and why; `None` if there is none and none will be. `fields` says
    /// in what it differs, if it is updated: `; differs in …`.
    pub(super) fn outlook(&self, fate: &Fate, fields: &str) -> Option<(Change, String)> {
        let seen = self.rollout.observation.slots.get(self.slot);
        let unit = self.words.unit;
        let ending = fate.ending(unit);
        if let Some(units) = fate.created {
            let why = match seen.workload {
                Workload::Draining => "waits until the deleted service of this name is drained, then starts",
                _ if self.rollout.observation.slots.get(self.slot.other()).count() > 0 => {
                    "comes up beside the live version with"
                }
                _ => "is the first version, with",
            };
            return Some((Change::Create, format!("{why} {}{fields}{ending}", count(units.into(), unit))));
        }
        let Workload::Present { desired_count, label, .. } = &seen.workload else { return None };
        let (change, why) = match (fate.updated, fate.scaled.first()) {
            (Some(units), _) => {
                let now = match self.share_to_lose() {
                    Some(share) => format!("has {share}% of the requests, which go back first,"),
                    None => "has no traffic".to_owned(),
                };
                (Change::Update, format!("{now} and is updated, with {}{fields}", count(units.into(), unit)))
            }
            (None, Some(units)) => {
                let now = match self.share_to_lose() {
                    Some(share) => format!("has {share}% of the requests, which go back first, and "),
                    None => String::new(),
                };
                let units = count((*units).into(), unit);
                (Change::Update, format!("{now}goes from {desired_count} to {units}"))
            }
            (None, None) if fate.adopted => {
                (Change::Adopt, format!("exists; our {} are put on it", self.words.marks))
            }
            (None, None) => self.unchanged(fate, label),
        };
        let change = if fate.adopted && change == Change::Update { Change::Adopt } else { change };
        Some((change, format!("{why}{ending}")))
    }

    /// The share of the requests that the slot has now, where that is taken from it before anything else is done to it.
    fn share_to_lose(&self) -> Option<u32> {
        let seen = &self.rollout.observation;
        let loses = |action: &Action| matches!(action, Action::SetWeights { weights, .. } if weights.of(self.slot) == 0);
        let is_left = self.course.actions.iter().any(loses) && seen.serving_slot() != Some(self.slot);
        Some(seen.largest_share(self.slot)).filter(|share| *share > 0 && is_left)
    }

    /// What is said of a slot whose service stays as it is.
    fn unchanged(&self, fate: &Fate, label: &str) -> (Change, String) {
        let seen = &self.rollout.observation;
        let unit = self.words.unit;
        let runs = if label.is_empty() { String::new() } else { format!(" ({label})") };
        let share = seen.largest_share(self.slot);
        let waits = self.course.first.waiting_on.as_ref();
        let terms = self.rollout.desired.terms;
        if seen.serving_slot() == Some(self.slot) {
            let only_notes = self.course.actions.iter().all(|a| matches!(a, Action::WriteRecord { .. }));
            let runs = match share {
                0 | 100 => runs,
                share => format!("{runs} with {share}% of the requests"),
            };
            return match waits {
                Some(on @ WaitingOn::Bake { .. }) => {
                    (Change::Unchanged, format!("serves{runs}; waits for {}", on.in_words(terms)))
                }
                // The first note on what was found is the one write of such a sync.
                None if fate.noted && only_notes => {
                    (Change::Update, format!("serves{runs}; a note of that is put on it"))
                }
                _ => (Change::Unchanged, format!("serves{runs}")),
            };
        }
        let gains = |action: &Action| matches!(action, Action::SetWeights { weights, .. } if weights.of(self.slot) > 0);
        let units = count(seen.slots.get(self.slot).count().into(), unit);
        let is_candidate = seen.candidate() == Some(self.slot);
        let why = match (self.course.actions.iter().any(gains), waits) {
            (true, _) if share > 0 => format!("takes over{runs} and has {share}% now: no {unit} is started"),
            (true, Some(on)) => format!("takes over{runs} and waits for {}", on.in_words(terms)),
            (true, None) if is_candidate => {
                format!("is the candidate{runs} with {units}, and takes over once its gates are open")
            }
            (true, None) => format!("is warm{runs} and takes over: no {unit} is started"),
            (false, _) => match self.share_to_lose() {
                Some(share) => format!("has {share}% of the requests{runs} with {units}, which go back"),
                None if share > 0 => format!("has {share}% of the requests{runs} with {units}"),
                None if is_candidate => format!("is the candidate{runs} with {units}"),
                None => format!("is idle{runs} with {units}"),
            },
        };
        (Change::Unchanged, why)
    }

    pub(super) fn fate(&self) -> Fate {
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
    fn ending(&self, unit: &str) -> String {
        let more = if self.created.is_some() || self.updated.is_some() {
            &self.scaled[..]
        } else {
            self.scaled.get(1..).unwrap_or_default()
        };
        if more.last() == Some(&0) { format!("; later scaled to 0 {unit}s") } else { String::new() }
    }
}
