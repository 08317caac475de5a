//! What a run remembers of one workload between two observations. Nothing in here has to survive the run.

use crate::engine::ports::TrafficReading;
use crate::model::{BySlot, Seconds, Slot, Timestamp, Weights};
use crate::rollout::{
    Desired, ForeignChange, Ill, Observation, Progress, Record, RuleObservation, closed_gate, ills,
};
use std::collections::{BTreeMap, BTreeSet};

/// How long after our own write an older answer is taken for a stale one, in seconds.
const STALE_FOR: Seconds = 60;

/// How old AWS's answers may be, in seconds.
const LAG: Seconds = 6;

/// The memory of one rollout's run.
#[derive(Debug, Default)]
pub struct Memory {
    gate_held_since: Option<Timestamp>,
    /// The candidate's healthy targets of the last observation.
    gate_held_by: BTreeSet<String>,
    weights_since: Option<(Vec<Weights>, Timestamp)>,
    /// The test rule's fingerprint, and since when it has had it.
    test_rule_since: Option<(String, Timestamp)>,
    rules: Vec<RuleMemory>,
    records: BySlot<Option<Noted>>,
    changed_by_others: Option<ForeignChange>,
    ill_since: BTreeMap<Ill, Timestamp>,
    /// Set for a run that carries a rollout out: since when it watches the one of this sequence.
    watching: Option<Watching>,
}

/// The rollout that a run watches.
#[derive(Debug, Default)]
struct Watching {
    since: Option<(u64, Timestamp)>,
}

/// The fingerprints one rule has had in this run, and when we last wrote it.
#[derive(Debug, Default)]
struct RuleMemory {
    current: String,
    split: Weights,
    earlier: Vec<String>,
    written: Option<Timestamp>,
    /// What we last tried to make of the rule without knowing whether it was done.
    attempted: Option<Weights>,
}

/// A record we wrote, or tried to write.
#[derive(Debug)]
struct Noted {
    record: Record,
    at: Timestamp,
    saved: bool,
}

/// How soon a note that could not be written is tried again, in seconds.
const SAVE_AGAIN_AFTER: Seconds = 5;

/// An answer that is older than our own last write; look again.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale;

impl Memory {
    /// From now on the run carries the rollout out, and so watches it.
    pub fn watch(&mut self) {
        self.watching.get_or_insert_default();
    }

    /// Forgets what was read, since somebody else may have worked until now; for how long this run has watched, and the
    /// test rule has been as it is, stays.
    pub fn begin_anew(&mut self) {
        let (watching, test_rule_since) = (self.watching.take(), self.test_rule_since.take());
        *self = Memory { watching, test_rule_since, ..Memory::default() };
    }

    /// Compares the rules with what this run last saw or wrote. A fingerprint of earlier in the run is a stale answer
    /// for a while after our write; any other is somebody else's change.
    ///
    /// # Errors
    /// [`Stale`] if the answers are older than our last write.
    pub fn check_rules(&mut self, reading: &TrafficReading, now: Timestamp) -> Result<(), Stale> {
        self.rules.resize_with(reading.rules.len(), RuleMemory::default);
        for (rule, known) in reading.rules.iter().zip(&mut self.rules) {
            if known.is_unclear(now) {
                return Err(Stale);
            }
            let attempted = known.attempted.take();
            if known.current.is_empty() || known.current == rule.fingerprint {
                known.current.clone_from(&rule.fingerprint);
                known.split = rule.split.weights();
                continue;
            }
            if attempted.is_some_and(|weights| weights.same_split(rule.split.weights())) {
                // The write whose answer was lost has been made.
                known.replace_by(rule, now);
                continue;
            }
            let fresh_write = known.written.is_some_and(|at| now.since(at) < STALE_FOR);
            if fresh_write && known.earlier.contains(&rule.fingerprint) {
                return Err(Stale);
            }
            if rule.split.weights() == known.split {
                // Whatever else somebody changes about a rule is theirs, and our next write keeps it.
                known.current.clone_from(&rule.fingerprint);
                continue;
            }
            let why = format!(
                "{} is not as this run left it (now {}): somebody else changed it, and it is left alone",
                rule.id,
                rule.split.weights()
            );
            self.changed_by_others = Some(ForeignChange { rule: rule.id.clone(), why });
        }
        Ok(())
    }

    /// Notes the outcome of our own write to rule number `index`, read back as `after`.
    pub fn rule_written(&mut self, index: usize, after: &RuleObservation, now: Timestamp) {
        let Some(known) = self.rules.get_mut(index) else { return };
        known.replace_by(after, now);
    }

    /// Notes a write to rule `index` whose outcome is not known.
    pub fn rule_uncertain(&mut self, index: usize, attempted: Weights, now: Timestamp) {
        let Some(known) = self.rules.get_mut(index) else { return };
        known.attempted = Some(attempted);
        known.written = Some(now);
    }

    /// True if the rule number `index` was written so recently, or with so unclear an outcome, that an answer which
    /// does not fit may be an old one.
    pub fn rule_in_motion(&self, index: usize, now: Timestamp) -> bool {
        self.rules.get(index).and_then(|known| known.written).is_some_and(|at| now.since(at) < STALE_FOR)
    }

    /// Notes that the rule was found changed by a compare before write.
    pub fn found_changed(&mut self, rule: &str, why: String) {
        self.changed_by_others = Some(ForeignChange { rule: rule.to_owned(), why });
    }

    /// Notes a record that was written (`saved`) or that could not be written for now.
    pub fn record_noted(&mut self, slot: Slot, record: Record, saved: bool, now: Timestamp) {
        *self.records.get_mut(slot) = Some(Noted { record, at: now, saved });
    }

    /// A record that could not be written so far and still should be. What `seen` has instead is older, or it would have
    /// taken its place.
    pub fn unsaved_record(&self, seen: &Observation, now: Timestamp) -> Option<(Slot, Record)> {
        let is_due = |noted: &&Noted| !noted.saved && now.since(noted.at) >= SAVE_AGAIN_AFTER;
        let unsaved = |slot| {
            let noted = self.records.get(slot).as_ref().filter(is_due)?;
            let still = seen.slots.get(slot).record.as_ref() == Some(&noted.record);
            still.then(|| (slot, noted.record.clone()))
        };
        Slot::BOTH.into_iter().find_map(unsaved)
    }

    /// Puts this run's own latest notes into an observation: a stale answer may lack them.
    pub fn recall_notes(&mut self, seen: &mut Observation, now: Timestamp) {
        let mut is_newer: BySlot<bool> = BySlot::default();
        for slot in Slot::BOTH {
            let noted = self.records.get_mut(slot);
            if noted.as_ref().is_some_and(|n| n.saved && now.since(n.at) >= STALE_FOR) {
                *noted = None;
            }
            let observed = &mut seen.slots.get_mut(slot).record;
            if let Some(noted) = noted {
                let newer = observed.as_ref().is_some_and(|record| record.sequence > noted.record.sequence);
                match newer {
                    true => *is_newer.get_mut(slot) = true,
                    false => *observed = Some(noted.record.clone()),
                }
            }
        }
        for slot in Slot::BOTH.into_iter().filter(|slot| *is_newer.get(*slot)) {
            // Another run has gone on from here: an old note must not come back over its own.
            *self.records.get_mut(slot) = None;
        }
        seen.changed_by_others.clone_from(&self.changed_by_others);
    }

    /// For how long (in this run) the test rule has been as it is, in seconds. `None` without one, and for whoever only
    /// looks.
    pub fn test_rule_pointed_for(
        &mut self,
        rule: Option<&RuleObservation>,
        now: Timestamp,
    ) -> Option<Seconds> {
        self.watching.as_ref()?;
        let rule = rule?;
        let known = self.test_rule_since.take().filter(|(fingerprint, _)| *fingerprint == rule.fingerprint);
        let since = known.map_or(now, |(_, since)| since);
        self.test_rule_since = Some((rule.fingerprint.clone(), since));
        Some(now.since(since))
    }

    /// Completes an observation that has everything else by since when things have been as they are. A candidate that
    /// lost one of its `healthy` targets in between has not held its gate, even if another one took its place: tasks
    /// that crash and come back fast look healthy at every look.
    pub fn recall_times(
        &mut self,
        want: &Desired,
        seen: &mut Observation,
        healthy: &BySlot<BTreeSet<String>>,
        now: Timestamp,
    ) {
        let weights: Vec<Weights> = seen.rules.iter().map(|rule| rule.split.weights()).collect();
        if self.weights_since.as_ref().is_none_or(|(last, _)| *last != weights) {
            self.weights_since = Some((weights, now));
        }
        seen.weights_since = self.weights_since.as_ref().map(|(_, since)| *since);
        self.gate_held_since = match seen.candidate() {
            Some(slot) if closed_gate(want, seen, slot).is_none() => {
                let before = std::mem::replace(&mut self.gate_held_by, healthy.get(slot).clone());
                let kept = before.is_subset(&self.gate_held_by);
                self.gate_held_since.filter(|_| kept).or(Some(now))
            }
            _ => None,
        };
        seen.gate_held_since = self.gate_held_since;
        self.recall_ills(want, seen, now);
        let current = seen.current_record().map(|(_, record)| record.sequence);
        if let Some(watching) = &mut self.watching {
            watching.since = current.map(|sequence| match watching.since {
                Some((known, since)) if known == sequence => (known, since),
                _ => (sequence, now),
            });
            seen.watched_since = watching.since.map(|(_, since)| since);
        }
    }

    /// Since when the version under way has been ill as it is now.
    fn recall_ills(&mut self, want: &Desired, seen: &mut Observation, now: Timestamp) {
        let found = match seen.current_record() {
            Some((slot, record)) if !matches!(record.progress, Progress::Failed(_)) => {
                ills(want, seen, now, slot, record)
            }
            _ => vec![],
        };
        let since = |ill: Ill| (ill, self.ill_since.get(&ill).copied().unwrap_or(now));
        self.ill_since = found.into_iter().map(since).collect();
        seen.ill_since.clone_from(&self.ill_since);
    }
}

impl RuleMemory {
    /// True if a write whose answer was lost may have been made though it does not show yet, or may seem to have been
    /// made because an answer is old.
    fn is_unclear(&self, now: Timestamp) -> bool {
        self.attempted.is_some() && self.written.is_some_and(|at| now.since(at) < LAG)
    }

    fn replace_by(&mut self, rule: &RuleObservation, now: Timestamp) {
        let before = std::mem::replace(&mut self.current, rule.fingerprint.clone());
        self.split = rule.split.weights();
        self.earlier.push(before);
        self.written = Some(now);
        self.attempted = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{RuleSplit, Targets};

    fn reading(blue: u32, green: u32) -> TrafficReading {
        let split = RuleSplit::Both(Weights { blue, green });
        let rule = RuleObservation { id: "rule".into(), split, fingerprint: format!("{blue}/{green}") };
        TrafficReading {
            rules: vec![rule],
            test_rule: None,
            targets: BySlot::<Targets>::default(),
            healthy: BySlot::default(),
            stickiness: [].into(),
            others: [].into(),
            settle: 10,
            test_settle: 10,
            unread: BySlot::default(),
            hindrances: vec![],
        }
    }

    #[test]
    fn after_a_write_whose_answer_was_lost_nothing_is_believed_until_answers_are_new() {
        let attempted = Weights { blue: 90, green: 10 };
        for (seen, expected) in
            [(reading(100, 0), None), (reading(90, 10), None), (reading(50, 50), Some("rule"))]
        {
            let mut memory = Memory::default();
            assert_eq!(memory.check_rules(&reading(100, 0), Timestamp(0)), Ok(()));
            memory.rule_uncertain(0, attempted, Timestamp(10));
            assert_eq!(memory.check_rules(&seen, Timestamp(10 + LAG - 1)), Err(Stale));
            assert_eq!(memory.check_rules(&seen, Timestamp(10 + LAG)), Ok(()));
            assert_eq!(memory.changed_by_others.is_some(), expected.is_some(), "{seen:?}");
        }
    }

    #[test]
    fn an_answer_from_before_our_own_write_is_old_and_not_a_strangers_change() {
        let mut memory = Memory::default();
        assert_eq!(memory.check_rules(&reading(100, 0), Timestamp(0)), Ok(()));
        memory.rule_written(0, &reading(90, 10).rules[0], Timestamp(10));
        assert_eq!(memory.check_rules(&reading(100, 0), Timestamp(12)), Err(Stale));
        assert_eq!(memory.check_rules(&reading(90, 10), Timestamp(13)), Ok(()));
        assert_eq!(memory.changed_by_others, None);
        assert_eq!(memory.check_rules(&reading(33, 67), Timestamp(14)), Ok(()));
        assert!(memory.changed_by_others.is_some());
    }
}
