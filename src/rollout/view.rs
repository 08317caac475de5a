//! Facts derived from an observation, each in one place.

use super::hindrance::Hindrance;
use super::observation::{
    Content, Desired, Observation, RuleObservation, RuleSplit, SlotObservation, Workload,
};
use super::record::{Intent, Progress, Record};
use super::{Action, Decision, Phase, WaitingOn};
use crate::model::{RevisionId, Seconds, Slot, Timestamp};

/// How soon to look again while something is on its way, in seconds.
const POLL: Seconds = 5;

/// The three inputs of `decide`, and the facts that follow from them.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub want: &'a Desired,
    pub seen: &'a Observation,
    pub now: Timestamp,
}

impl<'a> View<'a> {
    pub fn slot(self, slot: Slot) -> &'a SlotObservation {
        self.seen.slots.get(slot)
    }

    pub fn current(self) -> Option<(Slot, &'a Record)> {
        self.seen.current_record()
    }

    /// A record that will speak once it is written.
    pub fn next_record(self, slot: Slot, from: Option<Slot>, progress: Progress) -> Record {
        let sequence = self.last_number().saturating_add(1);
        let revision = self.revision_of(slot);
        let intent = Intent { rules: self.rule_marks(), ..Intent::default() };
        Record { sequence, revision, from, started: self.now, progress, intent }
    }

    /// The highest number that any note or signal bears: a signal may outlive the note that it speaks of.
    fn last_number(self) -> u64 {
        let numbers = Slot::BOTH.into_iter().flat_map(|slot| {
            let SlotObservation { record, signals, .. } = self.slot(slot);
            [record.as_ref().map(|record| record.sequence), signals.promote, signals.abort]
        });
        numbers.flatten().max().unwrap_or(0)
    }

    /// What `slot` runs, as far as it can be told: the wanted revision, or that of its last record.
    fn revision_of(self, slot: Slot) -> RevisionId {
        let recorded = self.slot(slot).record.as_ref().map(|record| record.revision.clone());
        match recorded {
            Some(revision) if !self.slot(slot).is_desired() => revision,
            None if !self.slot(slot).is_desired() => RevisionId("unknown".into()),
            _ => self.want.revision.clone(),
        }
    }

    /// The rules as an intent names them.
    pub fn rule_marks(self) -> Vec<String> {
        self.seen.rules.iter().map(RuleObservation::mark).collect()
    }

    /// The rules that a rollout which is not over moved and that the documents do not name any more, as an intent names them.
    pub fn rules_left_behind(self) -> Vec<String> {
        match self.current() {
            Some((_, record)) if !matches!(record.progress, Progress::Done(_)) => self.seen.dropped_rules(),
            _ => vec![],
        }
    }

    /// The rules that forward to a slot at all, with the number that actions name them by. One that is gone, or sends
    /// its requests elsewhere, is none of them.
    pub fn usable(self) -> impl Iterator<Item = (usize, &'a RuleObservation)> {
        self.seen.rules.iter().enumerate().filter(|(_, rule)| !matches!(rule.split, RuleSplit::Neither(_)))
    }

    pub fn unanimous(self) -> Option<Slot> {
        self.seen.unanimous_slot()
    }

    /// True if there is a usable rule, and each sends everything to `slot`.
    pub fn all_to(self, slot: Slot) -> bool {
        let mut usable = self.usable().peekable();
        usable.peek().is_some() && usable.all(|(_, rule)| rule.split.weights().all_to(slot))
    }

    /// True if some rule gives weight to `slot`.
    pub fn has_weight(self, slot: Slot) -> bool {
        self.seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0)
    }

    /// True if the slot's service is there and told to run tasks.
    pub fn is_alive(self, slot: Slot) -> bool {
        self.slot(slot).count() > 0
    }

    /// True if there is no service that could serve behind the slot's group, by two readings: the platform names none,
    /// and the load balancer no target that may answer.
    pub fn is_gone(self, slot: Slot) -> bool {
        let seen = self.slot(slot);
        !matches!(seen.workload, Workload::Present { .. })
            && seen.unread.is_none()
            && seen.targets.may_answer() == 0
    }

    /// True unless nobody of the slot's own could answer: there is no service, and if anybody answers behind its group it is
    /// somebody else.
    pub fn may_recover(self, slot: Slot) -> bool {
        let seen = self.slot(slot);
        let own = seen.targets.healthy + seen.targets.initial + seen.targets.unknown;
        matches!(seen.workload, Workload::Present { .. }) || seen.unread.is_some() || own > 0
    }

    /// True if the slot's service is there and is told to run nothing, and nothing behind its group may answer.
    pub fn is_empty(self, slot: Slot) -> bool {
        let seen = self.slot(slot);
        let is_stopped = matches!(seen.workload, Workload::Present { desired_count: 0, running: 0, .. });
        is_stopped && seen.unread.is_none() && seen.targets.may_answer() == 0
    }

    /// True if it is not known whether the slot's service is as the documents say.
    pub fn is_unknown(self, slot: Slot) -> bool {
        matches!(self.slot(slot).workload, Workload::Present { content: Content::Unknown, .. })
    }

    /// The healthy targets `slot` must have before weight is given to it: its share of its task count, at least one.
    pub fn required(self, slot: Slot) -> u32 {
        required(self.want, self.slot(slot).count())
    }

    /// True if the slot's last rollout was finished: its version passed everything and served.
    pub fn has_proof(self, slot: Slot) -> bool {
        self.slot(slot).record.as_ref().is_some_and(|record| matches!(record.progress, Progress::Done(_)))
    }

    /// True if a finished proof names exactly the wanted revision, the slot still runs exactly it, and traffic left it
    /// for nothing but the rollout that serves now. Anything else goes through all gates.
    pub fn is_warm(self, slot: Slot) -> bool {
        let names_it =
            self.slot(slot).record.as_ref().is_some_and(|record| record.revision == self.want.revision);
        let left_by_rollout =
            self.current().is_some_and(|(holder, record)| holder == slot || record.from == Some(slot));
        self.has_proof(slot) && names_it && left_by_rollout && self.slot(slot).is_desired()
    }

    /// How much longer the data plane may send to a slot that lost its weight; 0 when it has settled.
    pub fn unsettled(self) -> Seconds {
        let quiet = self.seen.weights_since.map_or(0, |since| self.now.since(since));
        self.seen.settle.saturating_sub(quiet)
    }

    /// For how long the rollout of `record` has been watched, over all runs. Who only looks takes for granted that
    /// somebody has watched since it began.
    pub fn watched(self, record: &Record) -> Seconds {
        match self.seen.watched_since {
            Some(since) => record.intent.watched.saturating_add(self.now.since(since)),
            None => self.now.since(record.started),
        }
    }

    /// `actions` on `slot`, after our mark has been put on it if it lacks one.
    pub fn owning(self, slot: Slot, actions: Vec<Action>) -> Vec<Action> {
        let foreign = matches!(self.slot(slot).workload, Workload::Present { owned: false, .. });
        let adopt = foreign.then_some(Action::AdoptSlot { slot });
        adopt.into_iter().chain(actions).collect()
    }

    /// `NameGroup` actions for the rules that do not name the group of `slot` yet.
    pub fn naming(self, slot: Slot) -> Vec<Action> {
        let unnamed = |split: &RuleSplit| matches!(split, RuleSplit::Only(named) if *named != slot);
        let rules = self.seen.rules.iter().enumerate();
        rules
            .filter(|(_, rule)| unnamed(&rule.split))
            .map(|(rule, _)| Action::NameGroup { rule, slot })
            .collect()
    }

    /// The write that points the test rule at `slot`; `None` if it is so, or if the rule is not ours to point.
    pub fn pointing_test_rule(self, slot: Slot) -> Option<Action> {
        let split = &self.seen.test_rule.as_ref()?.split;
        let is_ours = !matches!(split, RuleSplit::Neither(_));
        (is_ours && !split.weights().all_to(slot)).then_some(Action::PointTestRule { slot })
    }
}

/// The healthy targets asked of a slot with `count` tasks.
pub(super) fn required(want: &Desired, count: u32) -> u32 {
    let share = u64::from(count) * u64::from(want.gates.healthy_targets);
    u32::try_from(share.div_ceil(100)).unwrap_or(u32::MAX).max(1)
}

/// A decision to write.
pub(super) fn act(phase: Phase, actions: Vec<Action>) -> Decision {
    Decision { phase, actions, waiting_on: None, check_after: Some(0) }
}

/// A decision to wait; looks again when the wait may be over, at the latest after the poll interval.
pub(super) fn wait(phase: Phase, on: WaitingOn) -> Decision {
    let remaining = match &on {
        WaitingOn::Stability { remaining }
        | WaitingOn::Hold { remaining, .. }
        | WaitingOn::Bake { remaining }
        | WaitingOn::Settle { remaining } => (*remaining).clamp(1, POLL),
        WaitingOn::KeepPrevious { remaining } => (*remaining).max(1),
        _ => POLL,
    };
    Decision { phase, actions: vec![], waiting_on: Some(on), check_after: Some(remaining) }
}

/// A decision to leave everything as it is until a person has carried out one of the remedies.
pub(super) fn blocked(view: View<'_>, hindrance: Hindrance) -> Decision {
    let reason = hindrance.in_words(view.want.terms);
    let on = WaitingOn::Person { reason, remedies: hindrance.remedies };
    Decision { phase: Phase::Blocked, actions: vec![], waiting_on: Some(on), check_after: Some(POLL) }
}
