//! The cutover machine, question by question: what is seen → what it decides. Each test's name is the claim.

use cutover::model::{BySlot, Gates, HttpGate, RevisionId, Slot, Step, Timestamp, Weights};
use cutover::rollout::{
    Action, Alarm, AlarmState, Content, Decision, Desired, ForeignChange, Hindrance, Hold, HttpAnswer,
    HttpVerdict, Ill, Intent, Observation, Outcome, Phase, Progress, Record, Remedy, RuleObservation,
    RuleSplit, SlotObservation, Stage, Targets, WaitingOn, Workload, decide, ills,
};
use std::collections::BTreeSet;

const NOW: Timestamp = Timestamp(1_800_000_000);

fn ago(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 - seconds)
}

/// Blue serves an old version with three tasks; green is a new one that has passed everything but time.
struct World {
    want: Desired,
    seen: Observation,
}

fn world() -> World {
    World {
        want: Desired {
            revision: RevisionId("new".into()),
            count: Some(3),
            most: None,
            steps: vec![Step { weight: 10, hold: 60 }, Step { weight: 100, hold: 0 }],
            gates: Gates { stable_for: 30, ..Gates::default() },
            bake_time: 600,
            keep_previous: 3_600,
            deadline: 900,
            whole_only: false,
            terms: Default::default(),
        },
        seen: Observation {
            slots: BySlot {
                blue: slot(Content::Other, Some(record(1, "old", None, Progress::Done(ago(9_000))))),
                green: slot(Content::Desired, Some(record(2, "new", Some(Slot::Blue), Progress::Rolling))),
            },
            rules: vec![rule(100, 0)],
            test_rule: None,
            alarms: vec![],
            http: vec![],
            changed_by_others: None,
            gate_held_since: Some(ago(30)),
            settle: 10,
            weights_since: Some(ago(5_000)),
            hindrances: vec![],
            ill_since: Default::default(),
            watched_since: None,
            sticky: 0,
        },
    }
}

fn slot(content: Content, record: Option<Record>) -> SlotObservation {
    SlotObservation {
        workload: Workload::Present {
            content,
            desired_count: 3,
            running: 3,
            pending: 0,
            stage: Stage::Steady,
            owned: true,
            label: "web:1".into(),
            troubles: vec![],
        },
        targets: Targets { healthy: 3, ..Targets::default() },
        record,
        ..SlotObservation::default()
    }
}

fn record(sequence: u64, revision: &str, from: Option<Slot>, progress: Progress) -> Record {
    Record {
        sequence,
        revision: RevisionId(revision.into()),
        from,
        started: ago(100),
        progress,
        intent: Intent::default(),
    }
}

fn rule(blue: u32, green: u32) -> RuleObservation {
    RuleObservation {
        id: "rule".into(),
        split: RuleSplit::Both(Weights { blue, green }),
        fingerprint: format!("{blue}/{green}"),
    }
}

impl World {
    fn decide(&self) -> Decision {
        decide(&self.want, &self.seen, NOW)
    }

    /// The rules and the progress of green's record, which belong together.
    fn at(mut self, green_share: u32, progress: Progress) -> World {
        self.seen.rules = vec![rule(100 - green_share, green_share)];
        if let Some(record) = &mut self.seen.slots.green.record {
            record.progress = progress;
        }
        self
    }

    fn workload(&mut self, which: Slot, change: impl FnOnce(&mut u32, &mut u32, &mut Stage, &mut Content)) {
        if let Workload::Present { desired_count, running, stage, content, .. } =
            &mut self.seen.slots.get_mut(which).workload
        {
            change(desired_count, running, stage, content);
        }
    }
}

/// No write of this decision moves traffic.
fn assert_no_shift(decision: &Decision) {
    assert!(!decision.actions.iter().any(Action::moves_traffic), "{decision:?}");
}

fn only_action(decision: &Decision) -> &Action {
    assert_eq!(decision.actions.len(), 1, "{decision:?}");
    &decision.actions[0]
}

/// The shift of a decision whose intent is in the record before it is in the rule.
fn noted_shift(decision: &Decision, share: u32) -> &Action {
    let [Action::WriteRecord { slot: Slot::Green, record }, shift] = &decision.actions[..] else {
        panic!("{decision:?}")
    };
    assert_eq!(record.intent.next, Some(share), "{decision:?}");
    shift
}

#[test]
fn open_gates_that_held_long_enough_give_the_first_share() {
    let decision = world().decide();
    assert_eq!(
        *noted_shift(&decision, 10),
        Action::SetWeights { rule: 0, weights: Weights { blue: 90, green: 10 } }
    );
    assert_eq!(decision.phase, Phase::Shifting);
}

#[test]
fn a_closed_gate_never_gives_weight_and_says_which_it_is() {
    type Change = (&'static str, fn(&mut World), fn(&WaitingOn) -> bool);
    let cases: [Change; 10] = [
        (
            "one target short",
            |w| w.seen.slots.green.targets.healthy = 2,
            |on| matches!(on, WaitingOn::HealthyTargets { healthy: 2, required: 3, .. }),
        ),
        (
            "health unknown",
            |w| w.seen.slots.green.targets = Targets { unknown: 3, ..Targets::default() },
            |on| matches!(on, WaitingOn::Unread { .. }),
        ),
        (
            "targets unused",
            |w| w.seen.slots.green.targets = Targets { unused: 3, ..Targets::default() },
            |on| matches!(on, WaitingOn::HealthyTargets { .. }),
        ),
        (
            "deployment not complete",
            |w| w.workload(Slot::Green, |_, _, s, _| *s = Stage::InProgress),
            |on| matches!(on, WaitingOn::Tasks { .. }),
        ),
        (
            "too few tasks run",
            |w| w.workload(Slot::Green, |_, running, _, _| *running = 2),
            |on| matches!(on, WaitingOn::Tasks { running: 2, wanted: 3, .. }),
        ),
        (
            "not stable yet",
            |w| w.seen.gate_held_since = Some(ago(29)),
            |on| *on == WaitingOn::Stability { remaining: 1 },
        ),
        (
            "never seen open",
            |w| w.seen.gate_held_since = None,
            |on| matches!(on, WaitingOn::Stability { .. }),
        ),
        (
            "an alarm rings",
            |w| {
                w.want.gates.alarms = vec!["5xx".into()];
                w.seen.alarms =
                    vec![Alarm { name: "5xx".into(), state: AlarmState::Alarm, detail: String::new() }];
            },
            |on| matches!(on, WaitingOn::Alarm { .. }),
        ),
        (
            "an alarm was not read",
            |w| w.want.gates.alarms = vec!["5xx".into()],
            |on| matches!(on, WaitingOn::Unread { .. }),
        ),
        (
            "the HTTP gate answers wrongly",
            |w| {
                w.want.gates.http = vec![HttpGate::get("/healthz")];
                w.seen.http = vec![HttpAnswer {
                    path: "/healthz".into(),
                    verdict: HttpVerdict::Failed,
                    detail: "503".into(),
                }];
            },
            |on| matches!(on, WaitingOn::HttpGate { .. }),
        ),
    ];
    for (name, change, expected) in cases {
        let mut world = world();
        change(&mut world);
        let decision = world.decide();
        assert_eq!(decision.actions, vec![], "{name}");
        assert!(decision.waiting_on.as_ref().is_some_and(expected), "{name}: {:?}", decision.waiting_on);
    }
}

#[test]
fn a_gate_of_half_the_targets_rounds_up_and_never_asks_for_none() {
    for (percent, count, healthy, passes) in
        [(50, 3, 2, true), (50, 3, 1, false), (1, 3, 1, true), (1, 3, 0, false)]
    {
        let mut world = world();
        world.want.gates.healthy_targets = percent;
        world.workload(Slot::Green, |desired, running, _, _| (*desired, *running) = (count, count));
        world.seen.slots.green.targets.healthy = healthy;
        let shifts = world.decide().actions.iter().any(Action::moves_traffic);
        assert_eq!(shifts, passes, "{percent}% of {count}, {healthy} healthy");
    }
}

#[test]
fn a_share_is_held_before_the_next_and_noted_once_reached_on_every_rule() {
    let reached = world().at(10, Progress::Rolling).decide();
    assert!(matches!(only_action(&reached), Action::WriteRecord { slot: Slot::Green, record }
            if record.progress == Progress::Shifting { share: 10, since: NOW }));
    let held = world().at(10, Progress::Shifting { share: 10, since: ago(59) }).decide();
    assert_eq!(held.waiting_on, Some(WaitingOn::Hold { weight: 10, remaining: 1 }));
    let next = world().at(10, Progress::Shifting { share: 10, since: ago(60) }).decide();
    assert_eq!(
        *noted_shift(&next, 100),
        Action::SetWeights { rule: 0, weights: Weights { blue: 0, green: 100 } }
    );
    let mut half = world().at(10, Progress::Shifting { share: 10, since: ago(1) });
    half.seen.rules = vec![rule(0, 100), rule(90, 10)];
    assert_eq!(
        *noted_shift(&half.decide(), 100),
        Action::SetWeights { rule: 1, weights: Weights { blue: 0, green: 100 } },
        "a shift that reached one of two rules is finished"
    );
}

#[test]
fn whatever_fails_under_weight_and_lasts_is_noted_and_traffic_returns() {
    type Change = (&'static str, fn(&mut World));
    let cases: [Change; 6] = [
        ("a target is lost", |w| {
            w.seen.slots.green.targets.healthy = 2;
            w.seen.ill_since = [(Ill::Short, ago(180))].into();
        }),
        ("most targets are lost", |w| {
            w.seen.slots.green.targets.healthy = 1;
            w.seen.ill_since = [(Ill::Half, ago(15))].into();
        }),
        ("all targets are lost", |w| {
            w.seen.slots.green.targets.healthy = 0;
            w.seen.ill_since = [(Ill::Dead, ago(5))].into();
        }),
        ("its deployment failed", |w| w.workload(Slot::Green, |_, _, stage, _| *stage = Stage::Failed)),
        ("an alarm rings", |w| {
            w.want.gates.alarms = vec!["5xx".into()];
            w.seen.alarms =
                vec![Alarm { name: "5xx".into(), state: AlarmState::Alarm, detail: String::new() }];
            w.seen.ill_since = [(Ill::Alarm, ago(5))].into();
        }),
        ("somebody aborts", |w| w.seen.slots.green.signals.abort = Some(2)),
    ];
    for (name, change) in cases {
        for (share, progress) in
            [(10, Progress::Shifting { share: 10, since: ago(5) }), (100, Progress::Baking(ago(5)))]
        {
            let mut world = world().at(share, progress);
            change(&mut world);
            let decision = world.decide();
            let notes: Vec<_> = decision
                .actions
                .iter()
                .map(|action| match action {
                    Action::WriteRecord { slot, record } => (*slot, record.progress.clone()),
                    other => panic!("{name}: {other:?}"),
                })
                .collect();
            assert!(
                matches!(
                    &notes[..],
                    [(Slot::Green, Progress::Failed(_)), (Slot::Blue, Progress::Returning { .. })]
                ),
                "{name} at {share}%: {notes:?}"
            );
            if !world.seen.ill_since.is_empty() {
                world.seen.ill_since.values_mut().for_each(|since| since.0 += 1);
                assert_no_shift(&world.decide());
                let notes = world.decide().actions;
                assert!(notes.is_empty(), "{name} at {share}% is no verdict a second earlier: {notes:?}");
            }
        }
    }
}

#[test]
fn a_side_that_is_gone_loses_its_weight_to_one_that_was_gated_and_to_no_other() {
    let gone = |world: &mut World, slot| {
        world.seen.slots.get_mut(slot).workload = Workload::Absent;
        world.seen.slots.get_mut(slot).targets = Targets::default();
    };
    let shifting = Progress::Shifting { share: 10, since: ago(5) };
    let mut candidate = world().at(10, shifting.clone());
    gone(&mut candidate, Slot::Green);
    let set = |blue, green| Action::SetWeights { rule: 0, weights: Weights { blue, green } };
    assert_eq!(*only_action(&candidate.decide()), set(100, 0));
    let mut old = world().at(10, shifting);
    gone(&mut old, Slot::Blue);
    assert_eq!(*noted_shift(&old.decide(), 100), set(0, 100));
    let mut live = world().at(100, Progress::Done(ago(60)));
    gone(&mut live, Slot::Green);
    let back = live.decide();
    assert!(matches!(only_action(&back), Action::WriteRecord { slot: Slot::Blue, record }
        if matches!(record.progress, Progress::Returning { .. })));
    let mut ungated = world();
    ungated.seen.gate_held_since = None;
    gone(&mut ungated, Slot::Blue);
    assert_no_shift(&ungated.decide());
}

#[test]
fn evidence_that_can_not_be_read_holds_the_share_and_then_returns_it_without_a_verdict() {
    for (share, progress) in
        [(10, Progress::Shifting { share: 10, since: ago(5_000) }), (100, Progress::Baking(ago(5_000)))]
    {
        let mut world = world().at(share, progress);
        world.want.gates.alarms = vec!["5xx".into()];
        world.seen.alarms = vec![Alarm::unread("5xx", &"AccessDenied")];
        world.seen.ill_since = [(Ill::Unread, ago(899))].into();
        let held = world.decide();
        assert_eq!(held.actions, vec![], "{held:?}");
        assert!(matches!(held.waiting_on, Some(WaitingOn::Unread { .. })), "{held:?}");
        world.seen.ill_since = [(Ill::Unread, ago(900))].into();
        let back = world.decide();
        assert!(matches!(only_action(&back), Action::WriteRecord { slot: Slot::Blue, record }
            if matches!(record.progress, Progress::Returning { .. })));
    }
    let mut waiting = world();
    waiting.want.gates.alarms = vec!["5xx".into()];
    waiting.want.deadline = 50;
    assert_eq!(waiting.decide().actions, vec![], "a candidate without traffic waits for as long as it takes");
}

#[test]
fn only_a_finished_proof_of_the_wanted_revision_skips_gates() {
    // Green serves another version; blue ran the wanted one before.
    let revert = |progress: Progress, revision: &str, from: Option<Slot>| {
        let mut world = world().at(100, Progress::Done(ago(60)));
        world.want.revision = RevisionId("old".into());
        world.workload(Slot::Green, |_, _, _, content| *content = Content::Other);
        world.workload(Slot::Blue, |_, _, _, content| *content = Content::Desired);
        world.seen.slots.blue.record = Some(record(1, revision, None, progress));
        world.seen.slots.green.record.as_mut().expect("a record").from = from;
        let decision = world.decide();
        decision.actions.iter().any(|action| {
            matches!(action, Action::WriteRecord { record, .. }
                if matches!(record.progress, Progress::Returning { .. }))
        })
    };
    assert!(revert(Progress::Done(ago(900)), "old", Some(Slot::Blue)));
    for progress in [
        Progress::Rolling,
        Progress::Ready,
        Progress::Shifting { share: 10, since: ago(900) },
        Progress::Baking(ago(900)),
        Progress::Returning { least: 0, most: 100 },
    ] {
        assert!(!revert(progress.clone(), "old", Some(Slot::Blue)), "{progress} is no proof");
    }
    assert!(!revert(Progress::Done(ago(900)), "older", Some(Slot::Blue)), "a proof of another revision");
    assert!(!revert(Progress::Done(ago(900)), "old", None), "traffic was taken away from it");
}

#[test]
fn a_share_needs_the_tasks_for_it_unless_the_count_is_fixed() {
    // A tenth of what blue runs, rounded up.
    for (count, blue, healthy, shifts) in
        [(None, 30, 3, true), (None, 31, 3, false), (None, 30, 2, false), (Some(3), 31, 3, true)]
    {
        let mut world = world();
        world.want.count = count;
        world.want.gates.healthy_targets = 1;
        let green = count.unwrap_or(blue);
        world.workload(Slot::Blue, |desired, running, _, _| (*desired, *running) = (blue, blue));
        world.workload(Slot::Green, |desired, running, _, _| (*desired, *running) = (green, green));
        world.seen.slots.green.targets.healthy = healthy;
        let moved = world.decide().actions.iter().any(Action::moves_traffic);
        assert_eq!(moved, shifts, "{count:?} beside {blue} with {healthy} healthy");
    }
}

#[test]
fn a_share_that_waits_for_tasks_longer_than_the_deadline_is_given_up() {
    // An autoscaler takes away what was asked for, again and again, and every gate is open.
    let short = |held: u64| {
        let mut world = world().at(10, Progress::Shifting { share: 10, since: ago(held) });
        world.want.count = None;
        world.workload(Slot::Blue, |desired, running, _, _| (*desired, *running) = (30, 30));
        world.workload(Slot::Green, |desired, running, _, _| (*desired, *running) = (20, 20));
        world.seen.slots.green.targets.healthy = 20;
        world
    };
    let ills_of = |world: &World| {
        let record = world.seen.slots.green.record.clone().expect("a record");
        ills(&world.want, &world.seen, NOW, Slot::Green, &record)
    };
    assert_eq!(ills_of(&short(59)), [], "the share is still to be held");
    assert_eq!(ills_of(&short(60)), [Ill::Stuck]);
    assert_eq!(only_action(&short(60).decide()).to_string(), "scale the green service to 30 tasks");
    let mut stuck = short(1_000);
    stuck.seen.ill_since.insert(Ill::Stuck, ago(900));
    let decision = stuck.decide();
    // It says nothing of the version: traffic returns, and it is not quarantined.
    assert_eq!(decision.phase, Phase::RollingBack);
    let Action::WriteRecord { slot: Slot::Blue, record } = &decision.actions[0] else {
        panic!("{decision:?}")
    };
    assert!(matches!(record.progress, Progress::Returning { .. }), "{record:?}");
}

#[test]
fn an_autoscaler_that_adds_tasks_does_not_fail_a_bake() {
    let mut world = world().at(100, Progress::Baking(ago(5)));
    world.want.count = None;
    world.workload(Slot::Green, |desired, _, _, _| *desired = 6);
    assert_eq!(world.decide().waiting_on, Some(WaitingOn::Bake { remaining: 595 }));
}

#[test]
fn a_return_from_a_failing_side_goes_as_far_as_the_healthy_targets_allow() {
    for (blue, green, share) in [(3, 3, 100), (2, 1, 100), (1, 0, 100), (1, 2, 50), (0, 0, 0), (2, 3, 66)] {
        let mut world = world().at(100, Progress::Failed("bad".into()));
        let back = Progress::Returning { least: 0, most: 0 };
        world.seen.slots.blue.record = Some(record(3, "old", Some(Slot::Green), back));
        world.seen.slots.blue.targets.healthy = blue;
        world.seen.slots.green.targets.healthy = green;
        let decision = world.decide();
        let given = decision.actions.iter().find_map(|action| match action {
            Action::SetWeights { weights, .. } => Some(weights.blue),
            _ => None,
        });
        assert_eq!(given.unwrap_or(0), share, "blue {blue}, green {green}");
        assert_eq!(decision.phase, Phase::RollingBack);
    }
}

#[test]
fn a_quarantined_revision_is_let_go_and_never_gets_weight() {
    let mut world = world().at(0, Progress::Failed("bad".into()));
    world.seen.slots.blue.record = Some(record(3, "old", None, Progress::Done(ago(60))));
    let decision = world.decide();
    assert_eq!(decision.actions, vec![Action::ScaleSlot { slot: Slot::Green, count: 0 }]);
    world.workload(Slot::Green, |desired, running, _, _| (*desired, *running) = (0, 0));
    let decision = world.decide();
    assert_eq!((decision.phase, decision.actions.len()), (Phase::Quarantined, 0));
    world.want.revision = RevisionId("newer".into());
    world.workload(Slot::Green, |_, _, _, content| *content = Content::Other);
    let next = world.decide();
    assert!(
        matches!(
            &next.actions[..],
            [Action::WriteRecord { .. }, Action::UpdateSlot { slot: Slot::Green, count: 3 }]
        ),
        "another commit is tried: {next:?}"
    );
}

#[test]
fn a_slot_that_just_lost_its_weight_is_not_touched_before_the_data_plane_has_settled() {
    let mut world = world().at(0, Progress::Failed("bad".into()));
    world.seen.slots.blue.record = Some(record(3, "old", None, Progress::Done(ago(60))));
    world.seen.weights_since = Some(ago(4));
    let decision = world.decide();
    assert_eq!(decision.actions, vec![]);
    assert_eq!(decision.waiting_on, Some(WaitingOn::Settle { remaining: 6 }));
}

#[test]
fn during_a_bake_nothing_but_a_revert_moves_and_the_old_side_is_left_alone() {
    let mut another = world().at(100, Progress::Baking(ago(5)));
    another.want.revision = RevisionId("newer".into());
    another.workload(Slot::Green, |_, _, _, content| *content = Content::Other);
    let decision = another.decide();
    assert_eq!((decision.phase, decision.actions), (Phase::Baking, vec![]), "another commit waits");
    let mut reverted = world().at(100, Progress::Baking(ago(5)));
    reverted.want.revision = RevisionId("old".into());
    reverted.workload(Slot::Green, |_, _, _, content| *content = Content::Other);
    reverted.workload(Slot::Blue, |_, _, _, content| *content = Content::Desired);
    let decision = reverted.decide();
    assert!(matches!(only_action(&decision), Action::WriteRecord { slot: Slot::Blue, record }
        if matches!(record.progress, Progress::Returning { .. })));
}

#[test]
fn another_commit_in_the_middle_of_a_shift_sends_traffic_back_before_it_touches_the_slot() {
    let mut world = world().at(10, Progress::Shifting { share: 10, since: ago(5) });
    world.want.revision = RevisionId("newer".into());
    world.workload(Slot::Green, |_, _, _, content| *content = Content::Other);
    let decision = world.decide();
    assert!(matches!(only_action(&decision), Action::WriteRecord { slot: Slot::Blue, record }
        if matches!(record.progress, Progress::Returning { least: 90, most: 90 })));
}

#[test]
fn a_warm_revert_asks_no_gate_but_health_and_starts_nothing() {
    let mut world = world().at(100, Progress::Done(ago(60)));
    world.want.revision = RevisionId("old".into());
    world.want.gates.alarms = vec!["5xx".into()];
    world.want.gates.approval = true;
    world.workload(Slot::Green, |_, _, _, content| *content = Content::Other);
    world.workload(Slot::Blue, |_, _, _, content| *content = Content::Desired);
    let note = world.decide();
    let Action::WriteRecord { slot: Slot::Blue, record } = only_action(&note) else { panic!("{note:?}") };
    world.seen.slots.blue.record = Some(record.clone());
    let shift = world.decide();
    assert_eq!(
        *only_action(&shift),
        Action::SetWeights { rule: 0, weights: Weights { blue: 100, green: 0 } }
    );
}

#[test]
fn a_return_that_began_while_its_rule_could_not_be_seen_goes_on_once_it_can() {
    let mut world = world().at(50, Progress::Shifting { share: 50, since: ago(5) });
    world.seen.slots.green.signals.abort = Some(2);
    let rule = world.seen.rules[0].clone();
    world.seen.rules[0] = RuleObservation {
        id: "wrong".into(),
        split: RuleSplit::Neither("it redirects".into()),
        fingerprint: String::new(),
    };
    let failed = world.decide();
    for action in &failed.actions {
        let Action::WriteRecord { slot, record } = action else { panic!("{failed:?}") };
        world.seen.slots.get_mut(*slot).record = Some(record.clone());
    }
    assert_eq!(world.decide().phase, Phase::Blocked, "no rule allows it");
    world.seen.rules[0] = rule;
    let back = Action::SetWeights { rule: 0, weights: Weights { blue: 100, green: 0 } };
    assert_eq!(*only_action(&world.decide()), back);
}

#[test]
fn a_voluntary_revert_waits_for_the_tasks_that_git_declares() {
    let mut world = world().at(100, Progress::Done(ago(60)));
    world.want.revision = RevisionId("old".into());
    world.workload(Slot::Green, |_, _, _, content| *content = Content::Other);
    world.workload(Slot::Blue, |_, _, _, content| *content = Content::Desired);
    let returning = Progress::Returning { least: 0, most: 0 };
    world.seen.slots.blue.record = Some(record(3, "old", Some(Slot::Green), returning));
    world.workload(Slot::Blue, |desired, running, _, _| (*desired, *running) = (1, 1));
    world.seen.slots.blue.targets.healthy = 1;
    assert_eq!(*only_action(&world.decide()), Action::ScaleSlot { slot: Slot::Blue, count: 3 });
    world.seen.slots.green.targets.healthy = 0;
    assert!(world.decide().actions.iter().any(Action::moves_traffic), "nobody waits where nothing answers");
}

#[test]
fn a_live_side_that_somebody_stopped_is_started_again_while_its_successor_waits() {
    let mut world = world();
    world.want.gates.approval = true;
    world.seen.slots.green.record = Some(record(2, "new", Some(Slot::Blue), Progress::Ready));
    world.workload(Slot::Blue, |desired, running, _, _| (*desired, *running) = (0, 0));
    world.seen.slots.blue.targets = Targets::default();
    assert_eq!(*only_action(&world.decide()), Action::ScaleSlot { slot: Slot::Blue, count: 3 });
}

#[test]
fn a_return_is_not_done_while_no_rule_can_be_used() {
    let mut world = world().at(100, Progress::Failed("bad".into()));
    let back = Progress::Returning { least: 0, most: 0 };
    world.seen.slots.blue.record = Some(record(3, "old", Some(Slot::Green), back));
    world.seen.rules[0].split = RuleSplit::Neither("it redirects".into());
    let decision = world.decide();
    assert_eq!((decision.phase, decision.actions), (Phase::Blocked, vec![]));
}

#[test]
fn nothing_that_closes_the_way_forward_stops_a_warm_revert() {
    let reverted = || {
        let mut world = world().at(100, Progress::Done(ago(60)));
        world.want.revision = RevisionId("old".into());
        world.workload(Slot::Green, |_, _, _, content| *content = Content::Other);
        world.workload(Slot::Blue, |_, _, _, content| *content = Content::Desired);
        world
    };
    type Change = (&'static str, fn(&mut World));
    let changes: [Change; 4] = [
        ("a hindrance", |w| {
            w.seen.hindrances = vec![Hindrance::new("DescribeTags is denied", vec![Remedy::Commit])];
        }),
        ("one of two rules is gone", |w| {
            let split = RuleSplit::Neither("it does not exist any more".into());
            w.seen.rules.push(RuleObservation { id: "gone".into(), split, fingerprint: String::new() });
        }),
        ("what the live slot runs can't be read", |w| {
            w.workload(Slot::Green, |_, _, _, content| *content = Content::Unknown);
        }),
        ("the live slot's health can't be read", |w| w.seen.slots.green.unread = Some("denied".into())),
    ];
    for (name, change) in changes {
        let mut world = reverted();
        change(&mut world);
        let note = world.decide();
        let Action::WriteRecord { slot: Slot::Blue, record } = only_action(&note) else {
            panic!("{name}: {note:?}")
        };
        world.seen.slots.blue.record = Some(record.clone());
        let back = Action::SetWeights { rule: 0, weights: Weights { blue: 100, green: 0 } };
        assert_eq!(*only_action(&world.decide()), back, "{name}");
    }
}

#[test]
fn a_candidate_that_somebody_elses_rule_opened_while_it_was_gated_gets_no_first_weight() {
    let mut world = world();
    let first = world.decide();
    assert!(first.actions.iter().any(Action::moves_traffic), "{first:?}");
    assert_eq!(first.asks_to_touch(&world.seen), Some(Slot::Green));
    let take_out = Remedy::TakeOut { rule: "a stranger's".into(), target_group: "web-green".into() };
    world.seen.slots.green.hold = Hold::Held(Hindrance::new("it gives weight", vec![take_out.clone()]));
    let held = world.decide();
    assert_eq!((held.phase, held.actions.clone()), (Phase::Blocked, vec![]));
    let Some(Outcome::Blocked { remedies, .. }) = held.outcome() else { panic!("{held:?}") };
    assert_eq!(remedies, [take_out]);
    world.seen.slots.green.hold = Hold::Free;
    assert_eq!(world.decide(), first);
    assert_eq!(first.asks_to_touch(&world.seen), None);
}

#[test]
fn who_else_sends_requests_to_a_side_is_asked_neither_of_a_later_step_nor_of_a_return() {
    let held = || {
        let take_out = Remedy::TakeOut { rule: "a stranger's".into(), target_group: "web".into() };
        Hold::Held(Hindrance::new("it gives weight", vec![take_out]))
    };
    let mut later = world().at(10, Progress::Shifting { share: 10, since: ago(60) });
    assert_eq!(later.decide().asks_to_touch(&later.seen), None);
    later.seen.slots.green.hold = held();
    assert!(later.decide().actions.iter().any(Action::moves_traffic));
    let mut back = world().at(100, Progress::Failed("bad".into()));
    let returning = Progress::Returning { least: 0, most: 0 };
    back.seen.slots.blue.record = Some(record(3, "old", Some(Slot::Green), returning));
    let returns = back.decide();
    assert!(returns.actions.iter().any(Action::moves_traffic), "{returns:?}");
    assert_eq!(returns.asks_to_touch(&back.seen), None);
    back.seen.slots.blue.hold = held();
    assert_eq!(back.decide(), returns);
}

#[test]
fn a_rule_that_does_not_fit_the_last_note_is_left_alone() {
    let cases = [
        (30, Progress::Rolling),
        (100, Progress::Rolling),
        (50, Progress::Shifting { share: 10, since: ago(5) }),
        (99, Progress::Baking(ago(5))),
        (50, Progress::Done(ago(5))),
    ];
    for (share, progress) in cases {
        let name = format!("{share}% while {progress}");
        let decision = world().at(share, progress).decide();
        assert_eq!((decision.phase, decision.actions), (Phase::Blocked, vec![]), "{name}");
    }
    for progress in
        [Progress::Shifting { share: 10, since: ago(5) }, Progress::Baking(ago(5)), Progress::Done(ago(5))]
    {
        // Back on a side with a finished proof: somebody's way back, which is not undone.
        let mut world = world().at(0, progress);
        assert_eq!(world.decide().actions, vec![], "one reading may be old");
        world.seen.ill_since = [(Ill::TakenBack, ago(10))].into();
        let back = world.decide();
        assert!(matches!(&back.actions[0], Action::WriteRecord { slot: Slot::Green, record }
            if matches!(record.progress, Progress::Failed(_))));
    }
    let mut told = world();
    told.seen.changed_by_others = Some(ForeignChange { rule: "rule".into(), why: "rule changed".into() });
    assert_eq!(told.decide().phase, Phase::Blocked);
    let mut neither = world();
    neither.seen.rules[0].split = RuleSplit::Neither("no forward".into());
    assert_eq!(neither.decide().phase, Phase::Blocked);
}

#[test]
fn a_rule_split_between_both_without_any_note_is_left_alone() {
    let mut world = world();
    world.seen.slots.blue.record = None;
    world.seen.slots.green.record = None;
    world.seen.rules = vec![rule(50, 50)];
    assert_eq!(world.decide().phase, Phase::Blocked);
}

#[test]
fn approval_is_noted_waited_for_and_counts_for_this_rollout_only() {
    let mut world = world();
    world.want.gates.approval = true;
    let ready = world.decide();
    assert!(
        matches!(only_action(&ready), Action::WriteRecord { record, .. } if record.progress == Progress::Ready)
    );
    let mut world = world.at(0, Progress::Ready);
    world.seen.slots.green.signals.promote = Some(1);
    assert_eq!(world.decide().phase, Phase::AwaitingApproval, "an approval of another rollout");
    world.seen.slots.green.signals.promote = Some(2);
    assert!(noted_shift(&world.decide(), 10).moves_traffic());
}

#[test]
fn the_deadline_ends_what_does_not_come_up_but_not_the_wait_for_people() {
    let mut late = world();
    late.seen.slots.green.targets.healthy = 0;
    late.want.deadline = 99;
    let decision = late.decide();
    assert_no_shift(&decision);
    assert!(matches!(&decision.actions[..], [
        Action::WriteRecord { slot: Slot::Green, record: failed },
        Action::WriteRecord { slot: Slot::Blue, record: done },
    ] if matches!(failed.progress, Progress::Failed(_)) && matches!(done.progress, Progress::Done(_))));
    let mut waiting = late.at(0, Progress::Ready);
    waiting.want.gates.approval = true;
    assert_eq!(waiting.decide().actions, vec![]);
}

#[test]
fn a_first_deploy_uses_the_slot_without_weight_and_goes_straight_to_all() {
    let mut world = world();
    world.seen.rules = vec![RuleObservation { split: RuleSplit::Only(Slot::Blue), ..rule(100, 0) }];
    world.seen.slots = BySlot::default();
    assert_eq!(world.decide().actions, vec![Action::NameGroup { rule: 0, slot: Slot::Green }]);
    world.seen.rules = vec![rule(100, 0)];
    let create = world.decide();
    let Action::CreateSlot { slot: Slot::Green, count: 3, record } = only_action(&create) else {
        panic!("{create:?}")
    };
    world.seen.slots.green = slot(Content::Desired, Some(record.clone()));
    let shift = world.decide();
    assert_eq!(
        *noted_shift(&shift, 100),
        Action::SetWeights { rule: 0, weights: Weights { blue: 0, green: 100 } }
    );
}

#[test]
fn a_candidate_starts_with_as_many_tasks_as_the_live_side_runs_if_git_does_not_say() {
    let mut world = world();
    world.want.count = None;
    world.workload(Slot::Blue, |desired, running, _, _| (*desired, *running) = (7, 7));
    world.seen.slots.green = SlotObservation::default();
    assert!(matches!(only_action(&world.decide()), Action::CreateSlot { count: 7, .. }));
    world.want.most = Some(5);
    let clamped = world.decide();
    assert!(
        matches!(only_action(&clamped), Action::CreateSlot { count: 5, .. }),
        "an autoscaler would take the rest"
    );
}

#[test]
fn the_live_slot_is_scaled_up_in_place_and_never_down() {
    for (live, git, expected) in [(3, 5, Some(5)), (5, 3, None)] {
        let mut world = world().at(100, Progress::Done(ago(60)));
        world.want.count = Some(git);
        world.workload(Slot::Green, |desired, running, _, _| (*desired, *running) = (live, live));
        let scaled: Vec<_> = world.decide().actions;
        let wanted: Vec<_> =
            expected.map(|count| Action::ScaleSlot { slot: Slot::Green, count }).into_iter().collect();
        assert_eq!(scaled, wanted, "{live} run, Git says {git}");
    }
}

#[test]
fn the_old_side_stays_warm_as_long_as_asked_and_then_goes() {
    let mut world = world().at(100, Progress::Done(ago(3_599)));
    assert_eq!(world.decide().waiting_on, Some(WaitingOn::KeepPrevious { remaining: 1 }));
    world = world.at(100, Progress::Done(ago(3_600)));
    assert_eq!(world.decide().actions, vec![Action::ScaleSlot { slot: Slot::Blue, count: 0 }]);
    world.workload(Slot::Blue, |desired, running, _, _| (*desired, *running) = (0, 0));
    let rest = world.decide();
    assert_eq!((rest.actions, rest.waiting_on, rest.check_after), (vec![], None, None), "writes stop");
}

#[test]
fn an_existing_service_is_adopted_by_a_mark_and_a_note_alone() {
    let mut world = world();
    world.seen.slots = BySlot { blue: slot(Content::Desired, None), green: SlotObservation::default() };
    if let Workload::Present { owned, .. } = &mut world.seen.slots.blue.workload {
        *owned = false;
    }
    world.seen.rules = vec![RuleObservation { split: RuleSplit::Only(Slot::Blue), ..rule(100, 0) }];
    let decision = world.decide();
    assert!(
        matches!(&decision.actions[..], [
        Action::AdoptSlot { slot: Slot::Blue },
        Action::WriteRecord { slot: Slot::Blue, record },
    ] if matches!(record.progress, Progress::Done(_))),
        "{decision:?}"
    );
}

#[test]
fn a_lost_note_means_a_gate_and_a_bake_once_more_and_nothing_worse() {
    let mut gate = world();
    gate.seen.slots.green.record = None;
    let decision = gate.decide();
    assert!(
        matches!(only_action(&decision), Action::WriteRecord { slot: Slot::Green, record }
        if record.progress == Progress::Rolling),
        "{decision:?}"
    );
    let mut bake = world().at(100, Progress::Rolling);
    bake.seen.slots.blue.record = None;
    bake.seen.slots.green.record = None;
    let decision = bake.decide();
    assert!(
        matches!(only_action(&decision), Action::WriteRecord { slot: Slot::Green, record }
        if matches!(record.progress, Progress::Baking(_))),
        "{decision:?}"
    );
}

#[test]
fn no_decision_moves_traffic_twice() {
    let mut world = world();
    world.seen.rules = vec![rule(100, 0), rule(100, 0), rule(100, 0)];
    assert_eq!(world.decide().actions.iter().filter(|action| action.moves_traffic()).count(), 1);
}

/// Green has weight or not, and everything else that may be true of it while its rollout is under way.
fn each_world_of_a_candidate(mut each: impl FnMut(World)) {
    let progress = || [Progress::Rolling, Progress::Ready, Progress::Shifting { share: 10, since: ago(5) }];
    let stages = [Stage::Steady, Stage::InProgress, Stage::Failed];
    let counts = [(0, 0), (2, 2), (3, 2), (3, 3), (5, 5)];
    for (progress, from) in progress().into_iter().flat_map(|p| [(p.clone(), None), (p, Some(Slot::Blue))]) {
        for rules in [[0, 0], [10, 0], [10, 10], [100, 10], [100, 0], [100, 100]] {
            for (stage, (count, running)) in stages.iter().flat_map(|s| counts.map(|c| (*s, c))) {
                for (healthy, declared, bits) in
                    [0, 2, 3, 5].into_iter().flat_map(|h| (0..32).map(move |bits| (h, bits & 16 > 0, bits)))
                {
                    let mut world = world();
                    world.seen.rules = rules.map(|share| rule(100 - share, share)).to_vec();
                    world.seen.slots.green.record = Some(record(2, "new", from, progress.clone()));
                    if from.is_none() {
                        world.seen.slots.blue = SlotObservation::default();
                    }
                    world.workload(Slot::Green, |desired, run, at, _| {
                        (*desired, *run, *at) = (count, running, stage)
                    });
                    world.seen.slots.green.targets.healthy = healthy;
                    world.want.count = declared.then_some(3);
                    world.want.gates.approval = bits & 1 > 0;
                    world.seen.slots.green.signals.promote = (bits & 2 > 0).then_some(2);
                    world.seen.gate_held_since = (bits & 4 > 0).then_some(ago(30));
                    world.want.gates.alarms = (bits & 8 > 0).then(|| "5xx".into()).into_iter().collect();
                    each(world);
                }
            }
        }
    }
}

#[test]
fn what_is_awaited_of_a_candidate_that_has_traffic_is_part_of_the_shift() {
    let mut with_traffic = BTreeSet::new();
    let mut without = BTreeSet::new();
    each_world_of_a_candidate(|world| {
        let decision = world.decide();
        let has_traffic = world.seen.rules.iter().any(|rule| rule.split.weights().green > 0);
        if has_traffic { &mut with_traffic } else { &mut without }.insert(decision.phase.name());
        if decision.phase == Phase::Shifting && !has_traffic {
            assert!(decision.actions.iter().any(Action::moves_traffic), "{decision:?}");
        }
    });
    assert_eq!(
        Vec::from_iter(with_traffic),
        ["awaiting approval", "blocked", "rolling back", "shifting"],
        "no longer preparing or gating"
    );
    assert_eq!(
        Vec::from_iter(without),
        ["awaiting approval", "blocked", "gating", "preparing", "rolling back", "shifting"]
    );
}
