//! What the cutover machine will do if every gate passes: it is asked itself, again and again, in a world where each
//! of its writes works at once. So the plan can't promise anything that the machine would not do.

use super::LiveRollout;
use crate::model::{Slot, Timestamp};
use crate::rollout::{
    Action, Alarm, AlarmState, Content, Decision, Desired, HttpAnswer, HttpVerdict, Ill, Observation, Phase,
    Remedy, RuleSplit, Stage, Targets, WaitingOn, Workload, decide,
};

/// Decisions that are asked for at most; a rollout takes about twenty.
const DECISIONS_AT_MOST: usize = 500;

/// The course of a rollout.
#[derive(Clone, Debug)]
pub(super) struct Forecast {
    /// What the machine decides now, by what was really seen.
    pub first: Decision,
    /// All writes, in their order.
    pub actions: Vec<Action>,
    /// The decision that ends it.
    pub last: Decision,
    /// The first slot that is touched without having been asked whether requests may still reach it.
    pub touched: Option<Slot>,
}

/// Asks for the whole course from what is live on.
pub(super) fn forecast(live: &LiveRollout) -> Forecast {
    let want = &live.desired;
    let mut seen = live.observation.clone();
    let mut now = live.now;
    let first = decide(want, &seen, now);
    let mut last = first.clone();
    let mut actions = Vec::new();
    let mut touched = None;
    for _ in 0..DECISIONS_AT_MOST {
        touched = touched.or_else(|| last.asks_to_touch(&seen));
        let Some(pause) = pause_after(&last) else { break };
        now = Timestamp(now.0.saturating_add(pause));
        if let Some(WaitingOn::Approval) = last.waiting_on {
            promote(&mut seen);
        }
        for action in &last.actions {
            apply(action, &mut seen, now);
        }
        actions.append(&mut last.actions);
        all_goes_well(want, &mut seen);
        last = decide(want, &seen, now);
    }
    Forecast { first, actions, last, touched }
}

/// The first slot that the course would touch without having been asked whether requests may still reach it.
pub fn untold_touch(live: &LiveRollout) -> Option<Slot> {
    forecast(live).touched
}

/// What the course comes to a stop at until a person does something, if it does.
pub fn refusal(live: &LiveRollout) -> Option<(String, Vec<Remedy>)> {
    match forecast(live).last {
        Decision {
            phase: Phase::Blocked, waiting_on: Some(WaitingOn::Person { reason, remedies }), ..
        } => Some((reason, remedies)),
        _ => None,
    }
}

/// How long until the machine is asked again, in seconds; `None` if it has come to an end.
fn pause_after(decision: &Decision) -> Option<u64> {
    match &decision.waiting_on {
        None if decision.actions.is_empty() => None,
        None => Some(1),
        Some(
            WaitingOn::KeepPrevious { .. }
            | WaitingOn::Held { .. }
            | WaitingOn::NewRevision { .. }
            | WaitingOn::Person { .. },
        ) => None,
        Some(
            WaitingOn::Stability { remaining }
            | WaitingOn::Hold { remaining, .. }
            | WaitingOn::Bake { remaining }
            | WaitingOn::Sessions { remaining, .. }
            | WaitingOn::Settle { remaining },
        ) => Some((*remaining).max(1)),
        Some(_) => Some(decision.check_after.unwrap_or(1).max(1)),
    }
}

fn promote(seen: &mut Observation) {
    let Some((slot, sequence)) = seen.current_record().map(|(slot, record)| (slot, record.sequence)) else {
        return;
    };
    seen.slots.get_mut(slot).signals.promote = Some(sequence);
}

fn apply(action: &Action, seen: &mut Observation, now: Timestamp) {
    match action {
        Action::CreateSlot { slot, count, record } => {
            let place = seen.slots.get_mut(*slot);
            place.workload = present(*count);
            place.record = Some(record.clone());
        }
        Action::UpdateSlot { slot, count } => seen.slots.get_mut(*slot).workload = present(*count),
        Action::ScaleSlot { slot, count } => {
            if let Workload::Present { desired_count, .. } = &mut seen.slots.get_mut(*slot).workload {
                *desired_count = *count;
            }
        }
        Action::AdoptSlot { slot } => {
            if let Workload::Present { owned, .. } = &mut seen.slots.get_mut(*slot).workload {
                *owned = true;
            }
        }
        Action::WriteRecord { slot, record } => seen.slots.get_mut(*slot).record = Some(record.clone()),
        Action::NameGroup { rule, .. } => {
            if let Some(rule) = seen.rules.get_mut(*rule) {
                rule.split = RuleSplit::Both(rule.split.weights());
            }
        }
        Action::PointTestRule { slot } => {
            if let Some(rule) = &mut seen.test_rule {
                rule.split = RuleSplit::Only(*slot);
            }
        }
        Action::SetWeights { rule, weights } => {
            if let Some(rule) = seen.rules.get_mut(*rule) {
                rule.split = RuleSplit::Both(*weights);
            }
            seen.weights_since = Some(now);
        }
    }
}

fn present(count: u32) -> Workload {
    Workload::Present {
        content: Content::Desired,
        desired_count: count,
        running: count,
        pending: 0,
        stage: Stage::Steady,
        owned: true,
        label: String::new(),
        troubles: vec![],
    }
}

/// All tasks run and are healthy, no alarm rings, every request of the HTTP gate is answered as expected.
fn all_goes_well(want: &Desired, seen: &mut Observation) {
    for slot in Slot::BOTH {
        let place = seen.slots.get_mut(slot);
        place.unread = None;
        match &mut place.workload {
            Workload::Absent => {}
            Workload::Draining => place.workload = Workload::Absent,
            Workload::Present { desired_count, running, pending, stage, content, .. } => {
                if *content == Content::Unknown {
                    *content = Content::Desired;
                }
                (*running, *pending, *stage) = (*desired_count, 0, Stage::Steady);
                place.targets = Targets { healthy: *desired_count, ..Targets::default() };
            }
        }
    }
    // Those of the gates, not those that were read: without a candidate none was.
    let quiet = |name: &String| Alarm { name: name.clone(), state: AlarmState::Ok, detail: String::new() };
    seen.alarms = want.gates.alarms.iter().map(quiet).collect();
    let passed = |path: &String| HttpAnswer {
        path: path.clone(),
        verdict: HttpVerdict::Passed,
        detail: String::new(),
    };
    seen.http = want.gates.http.iter().map(|gate| passed(&gate.path)).collect();
    seen.gate_held_since = Some(Timestamp(0));
    // Nothing is ill any more; what somebody has taken back stays so.
    seen.ill_since.retain(|ill, _| *ill == Ill::TakenBack);
}
