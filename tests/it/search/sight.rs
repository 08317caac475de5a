//! An observation made of a small world, and a small world's notes made of the machine's.

use super::terms::{SETTLE, TERMS};
use super::world::{
    AGES, Memory, NONE, Note, REVISIONS, Rest, Service, Sight, Stand, State, UNKNOWN, number, share, slot,
    split,
};
use cutover::model::{BySlot, RevisionId, Slot, Timestamp};
use cutover::rollout::{
    Alarm, AlarmState, Content, ForeignChange, Hindrance, Hold, HttpAnswer, HttpVerdict, Ill, Intent,
    Observation, Progress, Record, Remedy, RuleObservation, SlotObservation, Stage, Stranger, Targets,
    Workload,
};
use std::collections::BTreeMap;
use std::sync::OnceLock;

pub const NOW: Timestamp = Timestamp(1_000_000);
pub const RULES: [&str; 3] = ["rule-a", "rule-b", "rule-c"];
pub const TEST: &str = "test-rule";
pub const OUTSIDE: &str = "rule-outside";
pub const ILLS: [Ill; 8] =
    [Ill::Dead, Ill::Half, Ill::Short, Ill::Alarm, Ill::Http, Ill::Unread, Ill::Stuck, Ill::TakenBack];

/// Where an ill stands in [`ILLS`]; one that joins has to be told here.
pub fn place(ill: Ill) -> usize {
    match ill {
        Ill::Dead => 0,
        Ill::Half => 1,
        Ill::Short => 2,
        Ill::Alarm => 3,
        Ill::Http => 4,
        Ill::Unread => 5,
        Ill::Stuck => 6,
        Ill::TakenBack => 7,
    }
}

fn at(age: u8) -> Timestamp {
    Timestamp(NOW.0 - AGES[usize::from(age)])
}

fn since(age: u8) -> Option<Timestamp> {
    (age != NONE).then(|| at(age))
}

/// The oldest known age that is not older than this.
fn age_of(seconds: u64) -> u8 {
    (0..5).rev().find(|age| AGES[usize::from(*age)] <= seconds).unwrap_or(0)
}

fn age(time: Timestamp) -> u8 {
    age_of(NOW.since(time))
}

/// The change that a run has noticed; it does not matter of which rule.
pub fn foreign() -> ForeignChange {
    ForeignChange { rule: RULES[0].into(), why: "somebody else changed a rule".into() }
}

/// What a run sees that has just these memories. What only a second look tells is not asked yet.
pub fn observe(state: &State) -> Observation {
    let slots = BySlot::from_fn(|slot| side(state, slot));
    let rules = state.rules().zip(RULES).map(|(code, id)| rule(code, id)).collect();
    let memory = &state.memory;
    Observation {
        slots,
        rules,
        test_rule: (state.test != NONE).then(|| rule(state.test, TEST)),
        alarms: vec![],
        http: vec![],
        changed_by_others: memory.changed.then(foreign),
        hindrances: state.hindered.then(hindrance).into_iter().collect(),
        gate_held_since: since(memory.gate),
        settle: SETTLE,
        weights_since: since(memory.weights),
        ill_since: BTreeMap::new(),
        watched_since: None,
        sticky: TERMS[usize::from(state.terms)].sticky,
    }
}

/// Puts a run's times into an observation.
pub fn recall(memory: &Memory, seen: &mut Observation) {
    seen.gate_held_since = since(memory.gate);
    seen.weights_since = since(memory.weights);
    seen.watched_since = since(memory.watched);
    let ills = memory.ill.iter().zip(ILLS);
    seen.ill_since = ills.filter_map(|(age, ill)| Some((ill, since(*age)?))).collect();
}

fn hindrance() -> Hindrance {
    let remedy = Remedy::Edit {
        document: "BlueGreen/web".into(),
        field: "slots".into(),
        to: "services of its own".into(),
    };
    Hindrance::new("the slots share a group", vec![remedy])
}

/// Whether a slot may be touched, once asked.
pub fn hold(state: &State, side: usize) -> Hold {
    if !state.is_held(side) {
        return Hold::Free;
    }
    let remedy =
        Remedy::TakeOut { rule: outside(state, side).into(), target_group: Slot::BOTH[side].name().into() };
    Hold::Held(Hindrance::new("a rule outside the documents gives it weight", vec![remedy]))
}

/// The rule that holds a slot.
fn outside(state: &State, side: usize) -> &'static str {
    let named = TERMS[usize::from(state.terms)].rules;
    let other = (named..3).find(|rule| share(state.rules[*rule], side) > 0);
    other.filter(|_| !state.sides[side].held).map_or(OUTSIDE, |rule| RULES[rule])
}

/// What is asked only where it matters.
pub fn evidence(state: &State, seen: &mut Observation) {
    if TERMS[usize::from(state.terms)].evidence {
        let alarm = match state.alarm {
            Sight::Good => AlarmState::Ok,
            Sight::NoData => AlarmState::InsufficientData,
            Sight::Bad => AlarmState::Alarm,
            Sight::Unread => AlarmState::Unknown,
        };
        seen.alarms = vec![Alarm { name: "errors".into(), state: alarm, detail: String::new() }];
    }
}

/// The answer of the HTTP gate.
pub fn answer(state: &State, seen: &mut Observation) {
    let verdict = match state.http {
        Sight::Good => HttpVerdict::Passed,
        Sight::Bad => HttpVerdict::Failed,
        Sight::NoData | Sight::Unread => HttpVerdict::Unknown,
    };
    seen.http = vec![HttpAnswer { path: "/healthz".into(), verdict, detail: String::new() }];
}

fn rule(code: u8, id: &str) -> RuleObservation {
    RuleObservation { id: id.into(), split: split(code), fingerprint: String::new() }
}

fn side(state: &State, which: Slot) -> SlotObservation {
    let index = number(which);
    let side = &state.sides[index];
    let workload = match side.service {
        Service::Absent => Workload::Absent,
        Service::Draining => Workload::Draining,
        Service::Present => Workload::Present {
            content: match (side.veiled, side.runs == state.wants) {
                (true, _) => Content::Unknown,
                (false, true) => Content::Desired,
                (false, false) => Content::Other,
            },
            desired_count: side.count.into(),
            running: side.running.into(),
            pending: side.count.saturating_sub(side.running).into(),
            stage: match side.rest {
                Rest::Steady => Stage::Steady,
                Rest::Moving => Stage::InProgress,
                Rest::Failed => Stage::Failed,
            },
            owned: side.owned,
            label: String::new(),
            troubles: vec![],
        },
    };
    let stranger = || Stranger { service: "somebody-elses".into(), application: None };
    let alien = side.alien && side.service == Service::Absent && state.has_weight(index);
    SlotObservation {
        workload,
        targets: targets(state, index),
        record: side.note.map(|note| record(&note)),
        signals: cutover::rollout::Signals { promote: signal(side.promote), abort: signal(side.abort) },
        addresses: None,
        groups: vec![],
        unread: side.unread.then(|| "access denied".into()),
        hold: Hold::Unasked,
        strangers: alien.then(stranger).into_iter().collect(),
        strangers_unread: None,
        refused: since(side.refused).filter(|_| side.refuses == state.wants),
    }
}

fn signal(sequence: u8) -> Option<u64> {
    (sequence > 0).then_some(u64::from(sequence))
}

fn targets(state: &State, index: usize) -> Targets {
    let side = &state.sides[index];
    if side.unread {
        return Targets::default();
    }
    let healthy = u32::from(side.healthy);
    let others = u32::from(side.running.saturating_sub(side.healthy));
    let alien = u32::from(side.alien);
    match (side.fog, state.names(index)) {
        (true, _) => Targets { unknown: healthy + alien, unhealthy: others, ..Targets::default() },
        (false, false) => Targets { unused: healthy + others + alien, ..Targets::default() },
        // A stranger's target is healthy too, and is not the slot's own.
        (false, true) => Targets { healthy, unhealthy: others, foreign: alien, ..Targets::default() },
    }
}

/// A note as the machine reads it.
pub fn record(note: &Note) -> Record {
    Record {
        sequence: note.sequence.into(),
        revision: RevisionId(REVISIONS[usize::from(note.revision)].into()),
        from: (note.from != NONE).then(|| slot(note.from.into())),
        started: at(note.started),
        progress: match note.stand {
            Stand::Rolling => Progress::Rolling,
            Stand::Ready => Progress::Ready,
            Stand::Shifting { share, since } => Progress::Shifting { share: share.into(), since: at(since) },
            Stand::Baking { since } => Progress::Baking(at(since)),
            Stand::Returning { least, most } => {
                Progress::Returning { least: least.into(), most: most.into() }
            }
            Stand::Done { since } => Progress::Done(at(since)),
            Stand::Failed => Progress::Failed("it failed".into()),
        },
        intent: Intent {
            next: (note.next != NONE).then_some(note.next.into()),
            watched: AGES[usize::from(note.watched)],
            rules: (0..3)
                .filter(|rule| note.rules & (1 << rule) != 0)
                .map(|rule| marks()[rule].clone())
                .collect(),
        },
    }
}

/// A note as the small world keeps it.
pub fn note(record: &Record) -> Note {
    let Record { sequence, revision, from, started, progress, intent } = record;
    let Intent { next, watched, rules } = intent;
    Note {
        sequence: small(*sequence),
        revision: REVISIONS
            .iter()
            .position(|name| *name == revision.0)
            .map_or(UNKNOWN, |at| small(at as u64)),
        from: from.map_or(NONE, |slot| small(number(slot) as u64)),
        started: age(*started),
        stand: match progress {
            Progress::Rolling => Stand::Rolling,
            Progress::Ready => Stand::Ready,
            Progress::Shifting { share, since } => {
                Stand::Shifting { share: small((*share).into()), since: age(*since) }
            }
            Progress::Baking(since) => Stand::Baking { since: age(*since) },
            Progress::Returning { least, most } => {
                Stand::Returning { least: small((*least).into()), most: small((*most).into()) }
            }
            Progress::Done(since) => Stand::Done { since: age(*since) },
            Progress::Failed(_) => Stand::Failed,
        },
        next: next.map_or(NONE, |share| small(share.into())),
        watched: age_of(*watched),
        rules: (0..3).filter(|rule| rules.contains(&marks()[*rule])).map(|rule| 1 << rule).sum(),
    }
}

/// A number that fits; the world is small.
pub fn small(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(NONE)
}

fn marks() -> &'static [String; 3] {
    static MARKS: OnceLock<[String; 3]> = OnceLock::new();
    MARKS.get_or_init(|| RULES.map(|id| rule(0, id).mark()))
}
