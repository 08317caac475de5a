//! Roles of the slots: what each is to its workload right now.

use crate::model::Slot;
use crate::rollout::{Hold, Observation};
use serde::Serialize;

/// What a slot is to the workload at this moment; follows from the weights and the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    Live,
    Candidate,
    Previous,
    Idle,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Live => "live",
            Role::Candidate => "candidate",
            Role::Previous => "previous",
            Role::Idle => "idle",
        })
    }
}

/// A slot with a part of the requests is never said to be idle, whatever became of its note.
pub(super) fn role(seen: &Observation, slot: Slot) -> Role {
    let is_alive = seen.slots.get(slot).count() > 0;
    let share = seen.largest_share(slot);
    match seen.serving_slot() {
        _ if seen.candidate() == Some(slot) => Role::Candidate,
        Some(serving) if serving == slot && is_alive => Role::Live,
        None if share > seen.largest_share(slot.other()) => Role::Live,
        _ if share > 0 => Role::Candidate,
        _ if is_alive && !seen.is_unproven(slot) => Role::Previous,
        // A rule that the documents do not name sends it requests.
        _ if is_alive && matches!(seen.slots.get(slot).hold, Hold::Held(_)) => Role::Candidate,
        _ => Role::Idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BySlot, RevisionId, Timestamp, Weights};
    use crate::rollout::{
        Content, Intent, Progress, Record, RuleObservation, RuleSplit, SlotObservation, Stage, Workload,
    };

    fn slot(note: Option<(u64, Option<Slot>, Progress)>) -> SlotObservation {
        let record = note.map(|(sequence, from, progress)| Record {
            sequence,
            revision: RevisionId("new".into()),
            from,
            started: Timestamp(0),
            progress,
            intent: Intent::default(),
        });
        let workload = Workload::Present {
            content: Content::Desired,
            desired_count: 2,
            running: 2,
            pending: 0,
            stage: Stage::Steady,
            owned: true,
            label: "web:1".into(),
            troubles: vec![],
        };
        SlotObservation { workload, record, ..SlotObservation::default() }
    }

    /// The roles of blue and green, where green has this share of the requests.
    fn roles(share: u32, slots: [Option<(u64, Option<Slot>, Progress)>; 2]) -> [Role; 2] {
        let [blue, green] = slots.map(slot);
        let rule = RuleObservation {
            id: "rule".into(),
            split: RuleSplit::Both(Weights::percent(Slot::Green, share)),
            fingerprint: String::new(),
        };
        let seen = Observation {
            slots: BySlot { blue, green },
            rules: vec![rule],
            test_rule: None,
            alarms: vec![],
            http: vec![],
            changed_by_others: None,
            hindrances: vec![],
            gate_held_since: None,
            settle: 0,
            weights_since: None,
            ill_since: [].into(),
            watched_since: None,
            sticky: 0,
        };
        Slot::BOTH.map(|slot| role(&seen, slot))
    }

    #[test]
    fn a_side_with_a_part_of_the_requests_is_a_candidate_whatever_its_note_says() {
        let done = |sequence| Some((sequence, None, Progress::Done(Timestamp(0))));
        let of_green = |progress| Some((2, Some(Slot::Blue), progress));
        let back =
            |sequence| Some((sequence, Some(Slot::Green), Progress::Returning { least: 90, most: 90 }));
        let shifting = Progress::Shifting { share: 10, since: Timestamp(0) };
        let expected = [Role::Live, Role::Candidate];
        for (what, share, notes) in [
            ("at its gate", 0, [done(1), of_green(Progress::Rolling)]),
            ("between two steps", 10, [done(1), of_green(shifting.clone())]),
            ("given up for another commit", 10, [back(3), of_green(shifting.clone())]),
            ("failed", 10, [back(3), of_green(Progress::Failed("it died".into()))]),
            (
                "failed, and the return is not noted",
                10,
                [done(1), of_green(Progress::Failed("it died".into()))],
            ),
            ("without its note", 10, [done(1), None]),
            ("without any note", 10, [None, None]),
        ] {
            assert_eq!(roles(share, notes), expected, "{what}");
        }
    }

    #[test]
    fn what_never_served_is_not_called_the_previous_version() {
        let done = |sequence, from| Some((sequence, from, Progress::Done(Timestamp(0))));
        let failed = Some((2, Some(Slot::Blue), Progress::Failed("it died".into())));
        assert_eq!(roles(0, [done(3, None), failed]), [Role::Live, Role::Idle]);
        assert_eq!(roles(100, [done(1, None), done(2, Some(Slot::Blue))]), [Role::Previous, Role::Live]);
        let back = Some((3, Some(Slot::Green), Progress::Returning { least: 0, most: 0 }));
        assert_eq!(roles(100, [back, done(2, Some(Slot::Blue))]), [Role::Previous, Role::Live], "a revert");
    }
}
