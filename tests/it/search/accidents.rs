//! Accidents: whatever the machine looks at may at any moment be changed, taken away, unreadable or refused. The list is
//! made from the fields of what is looked at: a field that joins does not compile before somebody has said what can
//! happen to it.

use super::terms::TERMS;
use super::world::{HAND, NEITHER, NONE, NOTHING, Rest, Service, Sight, State, giving, number, share};
use cutover::model::{Gates, Slot, Step};
use cutover::rollout::{
    Desired, Hold, Observation, Record, RuleObservation, Signals, SlotObservation, Targets, Workload,
};

/// One thing that goes wrong, or that somebody else does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accident {
    Rule {
        rule: u8,
        code: u8,
    },
    TestRule {
        code: u8,
    },
    Alarm(Sight),
    Http(Sight),
    Hindrance,
    Mute,
    LoseNote(u8),
    LoseIntent(u8),
    LoseSignals(u8),
    Disown(u8),
    Delete(u8),
    DeployByHand(u8),
    Scale {
        side: u8,
        count: u8,
    },
    LoseTarget(u8),
    Die(u8),
    Fog(u8),
    Unread(u8),
    Veil(u8),
    Hold(u8),
    Alien(u8),
    /// The platform gives a deployment up; with its circuit breaker it goes back to what ran before.
    Fail(u8),
    RollBack(u8),
}

/// All that may happen to what is seen here.
pub fn of(state: &State, want: &Desired, seen: &Observation, into: &mut Vec<Accident>) {
    let Observation {
        slots,
        rules,
        test_rule,
        // The alarm and the HTTP gate are asked only in a rollout, and may ring or be gone long before it.
        alarms: _,
        http: _,
        // What follows from the rules and from time, both of which change by themselves.
        changed_by_others: _,
        gate_held_since: _,
        weights_since: _,
        ill_since: _,
        watched_since: _,
        // Of the load balancer's kind and settings; nothing in this world depends on them.
        settle: _,
        sticky: _,
        hindrances,
    } = seen;
    for (index, rule) in (0_u8..).zip(rules) {
        let (now, ours) = (state.rules[usize::from(index)], state.ours[usize::from(index)]);
        of_rule(index, rule, now, into);
        if now == NEITHER && ours <= 100 {
            // A commit named the wrong rule, and the next one takes that back.
            into.push(Accident::Rule { rule: index, code: ours });
        }
    }
    if let Some(rule) = test_rule {
        of_test_rule(rule, state, into);
    }
    if hindrances.is_empty() {
        into.push(Accident::Hindrance);
    }
    for slot in Slot::BOTH {
        of_slot(state, slot, slots.get(slot), into);
    }
    of_documents(state, want, into);
}

/// The documents themselves change by commits; what they name can be gone.
fn of_documents(state: &State, want: &Desired, into: &mut Vec<Accident>) {
    let Desired {
        // All of these change from commit to commit.
        revision: _,
        count: _,
        most: _,
        steps,
        gates,
        bake_time: _,
        keep_previous: _,
        deadline: _,
        whole_only: _,
        terms: _,
    } = want;
    for step in steps {
        let Step { weight: _, hold: _ } = step;
    }
    let Gates { healthy_targets: _, stable_for: _, http, alarms, approval: _ } = gates;
    let sights = [Sight::Bad, Sight::Unread];
    if !alarms.is_empty() {
        let all = sights.into_iter().chain([Sight::NoData]).filter(|sight| *sight != state.alarm);
        into.extend(all.map(Accident::Alarm));
    }
    if !http.is_empty() {
        into.extend(sights.into_iter().filter(|sight| *sight != state.http).map(Accident::Http));
    }
}

fn of_rule(index: u8, rule: &RuleObservation, now: u8, into: &mut Vec<Accident>) {
    let RuleObservation {
        // Documents may name another rule: the same as one that has another split.
        id: _,
        split: _,
        // Follows the split.
        fingerprint: _,
    } = rule;
    let splits = [0, 100, 33, NEITHER, NOTHING].into_iter().filter(|code| *code != now);
    into.extend(splits.map(|code| Accident::Rule { rule: index, code }));
}

fn of_test_rule(rule: &RuleObservation, state: &State, into: &mut Vec<Accident>) {
    let RuleObservation { id: _, split: _, fingerprint: _ } = rule;
    let splits = [0, 100, NEITHER].into_iter().filter(|code| *code != state.test);
    into.extend(splits.map(|code| Accident::TestRule { code }));
}

fn of_slot(state: &State, slot: Slot, seen: &SlotObservation, into: &mut Vec<Accident>) {
    let SlotObservation {
        workload,
        targets,
        record,
        signals,
        // Pods only: a target that is none of the slot's own does not count, as with a stranger's here.
        addresses: _,
        // What a hold is asked for.
        groups: _,
        unread,
        hold,
        strangers: _,
        // For people.
        strangers_unread: _,
        // Comes with a rollback.
        refused: _,
    } = seen;
    // Each of these states is one that targets come to by the accidents of a service, by `Fog` and by `Alien`.
    let Targets { healthy: _, initial: _, unhealthy: _, draining: _, unused: _, unknown: _, foreign: _ } =
        targets;
    let (index, side) = (u8::try_from(number(slot)).unwrap_or(0), &state.sides[number(slot)]);
    if unread.is_none() {
        into.push(Accident::Unread(index));
    }
    if let Hold::Unasked | Hold::Free = hold
        && !side.held
        && side.present()
    {
        into.push(Accident::Hold(index));
    }
    if !side.alien && side.service != Service::Present {
        into.push(Accident::Alien(index));
    }
    if let Workload::Present {
        content: _,
        desired_count: _,
        running: _,
        pending: _,
        stage: _,
        owned,
        // For people.
        label: _,
        troubles: _,
    } = workload
    {
        if *owned {
            into.push(Accident::Disown(index));
        }
        of_service(index, state, into);
    }
    if let Some(Record { sequence: _, revision: _, from: _, started: _, progress: _, intent }) = record {
        into.push(Accident::LoseNote(index));
        if intent.next.is_some() || intent.watched > 0 || !intent.rules.is_empty() {
            into.push(Accident::LoseIntent(index));
        }
        if !state.mute {
            into.push(Accident::Mute);
        }
    }
    let Signals { promote, abort } = signals;
    if promote.is_some() || abort.is_some() {
        into.push(Accident::LoseSignals(index));
    }
}

fn of_service(index: u8, state: &State, into: &mut Vec<Accident>) {
    let side = &state.sides[usize::from(index)];
    into.push(Accident::Delete(index));
    if side.runs != HAND {
        into.push(Accident::DeployByHand(index));
    }
    let most = TERMS[usize::from(state.terms)].count.unwrap_or(2).max(2);
    let counts = [0, 1, u8::try_from(most).unwrap_or(2) + 1].into_iter().filter(|count| *count != side.count);
    into.extend(counts.map(|count| Accident::Scale { side: index, count }));
    if side.healthy > 1 {
        into.push(Accident::LoseTarget(index));
    }
    if side.healthy > 0 {
        into.push(Accident::Die(index));
        if !side.fog {
            into.push(Accident::Fog(index));
        }
    }
    if !side.veiled {
        into.push(Accident::Veil(index));
    }
    if side.rest == Rest::Moving {
        into.push(Accident::Fail(index));
        if side.before != NONE {
            into.push(Accident::RollBack(index));
        }
    }
}

impl Accident {
    /// Lets it happen.
    pub fn happen(self, state: &mut State) {
        match self {
            Accident::Rule { rule, code } => change_rule(state, usize::from(rule), code),
            Accident::TestRule { code } => state.test = code,
            Accident::Alarm(sight) => state.alarm = sight,
            Accident::Http(sight) => state.http = sight,
            Accident::Hindrance => state.hindered = true,
            Accident::Mute => state.mute = true,
            Accident::LoseNote(index)
            | Accident::LoseIntent(index)
            | Accident::LoseSignals(index)
            | Accident::Disown(index)
            | Accident::Delete(index)
            | Accident::DeployByHand(index)
            | Accident::Scale { side: index, .. }
            | Accident::LoseTarget(index)
            | Accident::Die(index)
            | Accident::Fog(index)
            | Accident::Unread(index)
            | Accident::Veil(index)
            | Accident::Hold(index)
            | Accident::Alien(index)
            | Accident::Fail(index)
            | Accident::RollBack(index) => self.happen_to(state, usize::from(index)),
        }
    }

    fn happen_to(self, state: &mut State, index: usize) {
        state.lost |= matches!(self, Accident::LoseNote(_) | Accident::Delete(_));
        let side = &mut state.sides[index];
        match self {
            Accident::LoseNote(_) => (side.note, side.approved) = (None, false),
            Accident::LoseIntent(_) => {
                if let Some(note) = &mut side.note {
                    (note.next, note.watched, note.rules) = (NONE, 0, 0);
                }
            }
            Accident::LoseSignals(_) => (side.promote, side.abort, side.approved) = (0, 0, false),
            Accident::Disown(_) => side.owned = false,
            Accident::Delete(_) => side.service = Service::Draining,
            Accident::DeployByHand(_) => {
                (side.before, side.runs, side.proof) = (side.runs, HAND, 0);
            }
            Accident::Scale { count, .. } => super::program::scale(side, count),
            Accident::LoseTarget(_) => side.healthy -= 1,
            Accident::Die(_) => (side.healthy, side.running) = (0, 0),
            Accident::Fog(_) => side.fog = true,
            Accident::Unread(_) => side.unread = true,
            Accident::Veil(_) => side.veiled = true,
            Accident::Hold(_) => side.held = true,
            Accident::Alien(_) => side.alien = true,
            Accident::Fail(_) => side.rest = Rest::Failed,
            Accident::RollBack(_) => {
                side.rest = Rest::Failed;
                (side.refused, side.refuses, side.proof) = (0, side.runs, 0);
                (side.runs, side.before) = (side.before, NONE);
            }
            _ => {}
        }
        if matches!(self, Accident::LoseTarget(_) | Accident::Die(_)) {
            state.memory.gate = NONE;
        }
    }
}

fn change_rule(state: &mut State, rule: usize, code: u8) {
    state.rules[rule] = code;
    for side in 0..2 {
        // Whoever gives it all requests by hand says that it may have them.
        if state.all_to(side) && share(giving(side, 100), side) == 100 {
            state.sides[side].proof = 2;
        }
    }
}
