//! Gates that a candidate must pass, and ills that end it once it has weight.

use super::observation::{AlarmState, Content, Desired, HttpVerdict, Ill, Observation, Stage, Workload};
use super::shift::{capacity, hold_of, next_share};
use super::view::{View, required};
use super::{Progress, Record, WaitingOn};
use crate::model::{Seconds, Slot, Timestamp};

/// The first gate that is still closed for the candidate in `slot`, time aside; `None` if all are open.
/// The observer uses it to tell since when they have been open.
pub fn closed_gate(want: &Desired, seen: &Observation, slot: Slot) -> Option<WaitingOn> {
    let candidate = seen.slots.get(slot);
    let Workload::Present { desired_count, running, stage, content, .. } = &candidate.workload else {
        return Some(WaitingOn::Tasks { slot, running: 0, wanted: 1 });
    };
    if *content == Content::Unknown {
        let what = format!("what the {slot} {} runs", want.terms.workload());
        return Some(WaitingOn::Unread { what });
    }
    if *stage != Stage::Steady || running < desired_count || *content == Content::Other {
        return Some(WaitingOn::Tasks { slot, running: *running, wanted: *desired_count });
    }
    if let Some(why) = &candidate.unread {
        return Some(WaitingOn::Unread {
            what: format!("the health of {slot} {}: {why}", want.terms.targets()),
        });
    }
    let (healthy, required) = (candidate.targets.healthy, required(want, *desired_count));
    if healthy < required && healthy + candidate.targets.unknown >= required {
        let what = format!("the health of {} {slot} {}", candidate.targets.unknown, want.terms.targets());
        return Some(WaitingOn::Unread { what });
    }
    if healthy < required {
        return Some(WaitingOn::HealthyTargets { slot, healthy, required });
    }
    closed_http(want, seen).or_else(|| closed_alarm(want, seen))
}

/// True if the HTTP gate's requests can and must be asked now: the test rule points at the healthy candidate.
pub fn http_can_be_asked(want: &Desired, seen: &Observation, slot: Slot) -> bool {
    let pointed = seen.test_rule.as_ref().is_some_and(|rule| rule.split.weights().all_to(slot));
    !want.gates.http.is_empty() && pointed && seen.slots.get(slot).targets.healthy > 0
}

fn closed_http(want: &Desired, seen: &Observation) -> Option<WaitingOn> {
    if let Some(failed) = seen.http.iter().find(|answer| answer.verdict == HttpVerdict::Failed) {
        return Some(WaitingOn::HttpGate { detail: failed.detail.clone() });
    }
    if let Some(unknown) = seen.http.iter().find(|answer| answer.verdict == HttpVerdict::Unknown) {
        return Some(WaitingOn::Unread { what: format!("the HTTP gate: {}", unknown.detail) });
    }
    (want.gates.http.len() > seen.http.len()).then(|| {
        let asked = format!("{} of {} requests answered", seen.http.len(), want.gates.http.len());
        let why = seen.test_rule.as_ref().and_then(|rule| match &rule.split {
            super::RuleSplit::Neither(why) => Some(format!("{} can't be pointed: {why}", rule.id)),
            _ => None,
        });
        WaitingOn::Unread { what: format!("the HTTP gate: {}", why.unwrap_or(asked)) }
    })
}

/// An alarm that was not read is unknown, which is neither quiet nor ringing.
fn closed_alarm(want: &Desired, seen: &Observation) -> Option<WaitingOn> {
    let of = |name: &String| seen.alarms.iter().find(|alarm| alarm.name == *name);
    let ringing = |name: &&String| of(name).is_some_and(|alarm| alarm.state == AlarmState::Alarm);
    if let Some(name) = want.gates.alarms.iter().find(ringing) {
        return Some(WaitingOn::Alarm { name: name.clone() });
    }
    let unknown = |name: &&String| of(name).is_none_or(|alarm| alarm.state == AlarmState::Unknown);
    let name = want.gates.alarms.iter().find(unknown)?;
    let why = of(name).map(|alarm| format!(": {}", alarm.detail)).unwrap_or_default();
    Some(WaitingOn::Unread { what: format!("alarm {name}{why}") })
}

/// Why a rollout ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The revision is bad: traffic goes back, and it is quarantined.
    Failed(String),
    /// Nothing is known to be wrong with it, but what would show it can't be read: traffic goes back, and that is all.
    Withdrawn,
}

/// Wall-clock time after which a rollout that never came up fails even if no run has watched it for its deadline.
const UNWATCHED_AT_MOST: Seconds = 86_400;
/// What a run has to see of such a one by itself.
const WATCHED_AT_LEAST: Seconds = 60;

/// Why the candidate in `slot`, without weight so far, can't come up any more.
pub(super) fn hopeless(view: View<'_>, slot: Slot, record: &Record) -> Option<Verdict> {
    let Workload::Present { stage, .. } = &view.slot(slot).workload else { return None };
    let failed = |why: String| Some(Verdict::Failed(with_trouble(view, slot, &why)));
    // A deployment that failed or was taken back before this rollout began says nothing about it.
    if view.slot(slot).refused.is_some_and(|at| at >= record.started) {
        return failed(format!("the {} failed and was rolled back", view.want.terms.deployment()));
    }
    if *stage == Stage::Failed && view.slot(slot).is_desired() && view.is_alive(slot) {
        return failed(format!("the {} failed", view.want.terms.deployment()));
    }
    let closed = closed_gate(view.want, view.seen, slot);
    // People are waited for without a bound, and so is what says nothing of the revision: no user is on it.
    if record.progress == Progress::Ready || matches!(closed, None | Some(WaitingOn::Unread { .. })) {
        return None;
    }
    let watched = view.watched(record);
    let in_this_run = view.seen.watched_since.map_or(watched, |since| view.now.since(since));
    let unwatched = view.now.since(record.started) > UNWATCHED_AT_MOST && in_this_run >= WATCHED_AT_LEAST;
    if watched <= view.want.deadline && !unwatched {
        return None;
    }
    let still = closed.map(|waiting| waiting.in_words(view.want.terms)).unwrap_or_default();
    failed(format!("deadline of {}s passed waiting for {still}", view.want.deadline))
}

/// How long an ill has to last before it ends a rollout, in seconds. A Spot interruption or a task that is replaced takes
/// minutes to heal and costs little; nobody waits that long where nothing answers.
fn bound(ill: Ill, want: &Desired) -> Seconds {
    match ill {
        // Two readings: a single one may be wrong or old.
        Ill::Dead | Ill::Alarm => 5,
        // Longer than AWS's answers may be old: right after a shift they may show the weights of before.
        Ill::TakenBack => 10,
        Ill::Half => 15,
        Ill::Http => 30,
        Ill::Short => 180,
        Ill::Unread | Ill::Stuck => want.deadline,
    }
}

/// The ways in which the version in `slot`, which has weight, does badly right now.
pub fn ills(want: &Desired, seen: &Observation, now: Timestamp, slot: Slot, record: &Record) -> Vec<Ill> {
    let observed = seen.slots.get(slot);
    if matches!(record.progress, Progress::Returning { .. }) {
        // It is no gate that it has to pass, but it has to answer.
        let dead = observed.unread.is_none() && shortage(want, seen, slot, record) == Some(Ill::Dead);
        return if dead { vec![Ill::Dead] } else { vec![] };
    }
    if is_taken_back(seen, slot, record) {
        return vec![Ill::TakenBack];
    }
    let mut ills = vec![];
    let closed = match record.progress {
        // Once it has all weight, the HTTP gate is not asked any more.
        Progress::Baking(_) | Progress::Done(_) => closed_alarm(want, seen),
        _ => closed_gate(want, seen, slot).or_else(|| short_of_next(want, seen, now, slot, record)),
    };
    match (&closed, &observed.unread) {
        (_, Some(_)) | (Some(WaitingOn::Unread { .. }), _) => ills.push(Ill::Unread),
        (Some(WaitingOn::Tasks { .. } | WaitingOn::HealthyTargets { .. }), _) => ills.push(Ill::Stuck),
        _ => {}
    }
    if matches!(closed_alarm(want, seen), Some(WaitingOn::Alarm { .. })) {
        ills.push(Ill::Alarm);
    }
    if closed_http(want, seen).is_some_and(|on| matches!(on, WaitingOn::HttpGate { .. }))
        && !matches!(record.progress, Progress::Baking(_) | Progress::Done(_))
    {
        ills.push(Ill::Http);
    }
    if observed.unread.is_none() {
        ills.extend(shortage(want, seen, slot, record));
    }
    ills.sort_unstable();
    ills
}

/// True if the version had weight on a rule that gives everything to the other side by now, whose proof is finished. Once
/// the rollout is over it takes all rules.
pub(super) fn is_taken_back(seen: &Observation, slot: Slot, record: &Record) -> bool {
    let other = slot.other();
    let proven = seen.slots.get(other).record.as_ref();
    let proven = proven.is_some_and(|record| matches!(record.progress, Progress::Done(_)));
    let mut moved = seen
        .rules
        .iter()
        .filter(|rule| !matches!(rule.split, super::RuleSplit::Neither(_)) && !record.joins(rule))
        .map(|rule| rule.split.weights().all_to(other))
        .peekable();
    let is_back = match record.progress {
        Progress::Shifting { share, .. } => share > 0 && moved.any(|is_back| is_back),
        Progress::Baking(_) => moved.any(|is_back| is_back),
        Progress::Done(_) => moved.peek().is_some() && moved.all(|is_back| is_back),
        _ => false,
    };
    // Where nobody can answer nobody has taken it: somebody's tool has put back a rule that it wrote once.
    let answers = seen.slots.get(other).count() > 0 || seen.slots.get(other).targets.may_answer() > 0;
    proven && is_back && answers
}

/// Targets in `initial` or of unknown state are not counted as lost, but without a healthy one there is no service.
fn shortage(want: &Desired, seen: &Observation, slot: Slot, record: &Record) -> Option<Ill> {
    let observed = seen.slots.get(slot);
    let asked = asked_under_weight(want, seen, slot, record);
    let targets = observed.targets;
    let may_serve = targets.healthy + targets.initial + targets.unknown;
    if targets.healthy + targets.unknown == 0 {
        Some(Ill::Dead)
    } else if may_serve.saturating_mul(2) < asked {
        Some(Ill::Half)
    } else {
        (may_serve < asked).then_some(Ill::Short)
    }
}

/// The healthy targets asked of a version that has weight. An autoscaler may be adding tasks right now: what the side has
/// that it took over from, not more.
fn asked_under_weight(want: &Desired, seen: &Observation, slot: Slot, record: &Record) -> u32 {
    let count = seen.slots.get(slot).count();
    let started_with = want.count.or(record.from.map(|from| seen.slots.get(from).count())).unwrap_or(1);
    required(want, started_with.min(count))
}

/// Why the revision in `slot`, which has weight, must lose it again: an ill that has lasted, or a deployment that failed.
pub(super) fn failing(view: View<'_>, slot: Slot, record: &Record) -> Option<Verdict> {
    let terms = view.want.terms;
    if view.slot(slot).stage() == Some(Stage::Failed) {
        let why = format!("the {} failed", terms.deployment());
        return Some(Verdict::Failed(with_trouble(view, slot, &why)));
    }
    let ills = ills(view.want, view.seen, view.now, slot, record);
    let worst = ills.iter().find(|ill| has_lasted(view, **ill))?;
    let targets = view.slot(slot).targets;
    let asked = asked_under_weight(view.want, view.seen, slot, record);
    let health = || format!("{} of {asked} {} {}", targets.healthy, terms.targets(), terms.healthy());
    let why = match worst {
        Ill::Unread => return Some(Verdict::Withdrawn),
        Ill::Alarm => match closed_alarm(view.want, view.seen) {
            Some(WaitingOn::Alarm { name }) => {
                return Some(Verdict::Failed(format!("alarm {name} is in state ALARM")));
            }
            _ => return None,
        },
        Ill::Http => closed_http(view.want, view.seen).map(|on| on.in_words(terms)).unwrap_or_default(),
        Ill::Dead | Ill::Half | Ill::Short => health(),
        Ill::TakenBack => return None,
        // That there are no tasks for a larger share says nothing of the version.
        Ill::Stuck if closed_gate(view.want, view.seen, slot).is_none() => return Some(Verdict::Withdrawn),
        Ill::Stuck => {
            let on = closed_gate(view.want, view.seen, slot).map(|on| on.in_words(terms)).unwrap_or_default();
            format!("with traffic on it, {}s passed waiting for {on}", view.want.deadline)
        }
    };
    Some(Verdict::Failed(with_trouble(view, slot, &why)))
}

/// True if the version in `slot` does badly in a way that leaves users without answers, lasting or not.
pub(super) fn fails(view: View<'_>, slot: Slot) -> bool {
    let record = view.slot(slot).record.as_ref();
    let failed = record.is_some_and(|record| matches!(record.progress, Progress::Failed(_)));
    failed
        || record.is_some_and(|record| {
            ills(view.want, view.seen, view.now, slot, record)
                .into_iter()
                .any(|ill| matches!(ill, Ill::Dead | Ill::Half | Ill::Alarm) && has_lasted(view, ill))
        })
        || view.slot(slot).unread.is_none() && view.slot(slot).targets.healthy == 0
}

/// True if the version in `slot` does badly in a way that leaves users without answers, or has failed.
pub fn is_failing(want: &Desired, seen: &Observation, now: Timestamp, slot: Slot) -> bool {
    fails(View { want, seen, now }, slot)
}

/// How much longer an ill has to last before it counts, in seconds.
pub(super) fn left_to_last(view: View<'_>, ill: Ill) -> Seconds {
    let lasted = view.seen.ill_since.get(&ill).map_or(0, |since| view.now.since(*since));
    bound(ill, view.want).saturating_sub(lasted)
}

pub(super) fn has_lasted(view: View<'_>, ill: Ill) -> bool {
    view.seen.ill_since.contains_key(&ill) && left_to_last(view, ill) == 0
}

/// AWS's answers may be some seconds old; what was seen for less long than this may be the past. In seconds.
const SHORTEST_STABILITY: u64 = 5;

/// How much longer the gates have to stay open.
pub(super) fn stability_left(want: &Desired, seen: &Observation, now: Timestamp) -> u64 {
    let held = seen.gate_held_since.map_or(0, |since| now.since(since));
    want.gates.stable_for.max(SHORTEST_STABILITY).saturating_sub(held)
}

/// What `slot` still lacks to take `share` of what the other side serves; `None` if it has the tasks for it.
pub(super) fn short_of_capacity(
    want: &Desired,
    seen: &Observation,
    slot: Slot,
    share: u32,
) -> Option<WaitingOn> {
    let candidate = seen.slots.get(slot);
    let required = capacity(want, seen, slot, share).max(required(want, candidate.count()));
    let healthy = candidate.targets.healthy;
    (healthy < required).then_some(WaitingOn::HealthyTargets { slot, healthy, required })
}

/// The tasks that the version in `slot` lacks for its next share, if that is due.
fn short_of_next(
    want: &Desired,
    seen: &Observation,
    now: Timestamp,
    slot: Slot,
    record: &Record,
) -> Option<WaitingOn> {
    let share = match record.progress {
        // Without users on it nobody is hurt by a wait.
        Progress::Shifting { share, since } if hold_of(want, share) <= now.since(since) => share,
        _ => return None,
    };
    let next = record.intent.next.unwrap_or_else(|| next_share(want, record.from.is_some(), share));
    short_of_capacity(want, seen, slot, next)
}

fn with_trouble(view: View<'_>, slot: Slot, why: &str) -> String {
    let Workload::Present { troubles, .. } = &view.slot(slot).workload else { return why.to_owned() };
    troubles.first().map_or_else(|| why.to_owned(), |trouble| format!("{why}; {trouble}"))
}

/// What has to be well again before a bake may end.
pub(super) fn doubt(view: View<'_>, slot: Slot, record: &Record) -> WaitingOn {
    let (healthy, required) =
        (view.slot(slot).targets.healthy, asked_under_weight(view.want, view.seen, slot, record));
    let unread = view.slot(slot).unread.as_ref();
    let unread = unread.map(|why| WaitingOn::Unread { what: format!("the health of {slot} targets: {why}") });
    unread.or_else(|| closed_alarm(view.want, view.seen)).unwrap_or(WaitingOn::HealthyTargets {
        slot,
        healthy,
        required,
    })
}
