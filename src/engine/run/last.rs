//! Keeps what a run leaves behind when it ends before the rollout does.

use super::act::Care;
use super::{Adapter, Run, users_are_on_a_candidate, users_are_on_their_way_back};
use crate::engine::events::Event;
use crate::engine::ports::TroubleKind;
use crate::model::{Seconds, Slot, Timestamp, Weights};
use crate::rollout::{Action, Observation, Progress, Record};

impl<A: Adapter> Run<'_, A> {
    /// What is noted when this run ends goes on from the last note, and not from one that was read before it.
    pub(super) fn keep_record(&mut self, slot: Slot, record: &Record) {
        match &mut self.last {
            Some(last) if last.slot == slot => last.record = record.clone(),
            last => *last = None,
        }
        if let Some(known) = &mut self.known {
            known.get_mut(slot).record = Some(record.clone());
        }
    }

    /// Keeps what is needed when this run ends before the rollout does.
    pub(super) fn keep_last(&mut self, seen: &Observation) {
        let now = self.now();
        let is_needed = users_are_on_a_candidate(seen) || users_are_on_their_way_back(seen);
        self.known = is_needed.then(|| seen.slots.clone());
        self.last = seen.current_record().map(|(slot, record)| {
            let split = seen.rules.iter().filter_map(|rule| in_two(&rule.id, rule.split.weights()));
            Last {
                slot,
                record: record.clone(),
                watched: seen.watched_since.map_or(0, |since| now.since(since.max(begun(record)))),
                split: split.collect(),
            }
        });
    }

    /// Adds to the record for how long this run has watched a candidate come up, or bake, so that its deadline and its bake
    /// are the sum of what all runs have watched. What can't be written is watched once more.
    pub(super) async fn note_watched(&mut self) {
        let Some(before) = self.last.as_ref().map(|last| last.record.clone()) else { return };
        for tries_left in [1, 0] {
            let Some(note) = self.watched_so_far().filter(|_| self.is_still(&before)) else { return };
            let trouble = match self.act(&note, &[], Care::AsFarAsPossible).await {
                Ok(_) => return,
                Err(trouble) => trouble,
            };
            if trouble.kind != TroubleKind::LookAgain || tries_left == 0 {
                return self.tell(Event::Trouble { workload: self.name(), text: trouble.to_string() });
            }
            // A run that only watched takes the lock for this: what others have noted until now counts.
            self.memory.begin_anew();
            let seen = match self.desired().await {
                Ok(want) => self.observe(&want).await,
                Err(trouble) => Err(trouble),
            };
            if !matches!(seen, Ok(Some(_))) {
                return;
            }
        }
    }

    /// The note of what this run has watched, if that is worth one.
    fn watched_so_far(&self) -> Option<Action> {
        let Last { slot, record, watched, .. } = self.last.as_ref()?;
        let is_watched = matches!(record.progress, Progress::Rolling | Progress::Baking(_));
        let mut record = record.clone();
        record.intent.watched = record.intent.watched.saturating_add(*watched);
        (is_watched && *watched >= WORTH_A_NOTE).then_some(Action::WriteRecord { slot: *slot, record })
    }

    fn is_still(&self, before: &Record) -> bool {
        self.last.as_ref().is_some_and(|last| last.record == *before)
    }

    /// Where the workload stands, and how requests are split if they go to both sides.
    pub(super) fn describe(&self) -> String {
        let phase = self.phase.map_or_else(|| "nothing was decided yet".into(), |phase| phase.to_string());
        let mut state = match &self.waiting {
            Some(waiting) => format!("{phase}, waiting for {waiting}"),
            None => phase,
        };
        if let Some(last) = self.last.as_ref().filter(|last| !last.split.is_empty()) {
            state.push_str("; requests are split: ");
            state.push_str(&last.split.join(", "));
        }
        state
    }
}

/// What a run leaves behind when it ends before the rollout does.
pub(super) struct Last {
    pub(super) slot: Slot,
    pub(super) record: Record,
    /// For how long this run has watched it, in seconds.
    pub(super) watched: Seconds,
    pub(super) split: Vec<String>,
}

/// How a rule splits requests, if it gives some to both sides.
pub(super) fn in_two(rule: &str, weights: Weights) -> Option<String> {
    (weights.blue > 0 && weights.green > 0).then(|| format!("{rule} has {weights}"))
}

/// When what is being watched began.
fn begun(record: &Record) -> Timestamp {
    match record.progress {
        Progress::Baking(since) => since,
        _ => record.started,
    }
}

/// Seconds of watching that a note is worth.
const WORTH_A_NOTE: Seconds = 10;
