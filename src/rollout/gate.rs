//! What a candidate must pass, and what makes one fail that already has weight.

use super::observation::{AlarmState, Desired, HttpVerdict, Observation, Stage, Workload};
use super::view::{View, required};
use super::{Record, WaitingOn};
use crate::model::{Slot, Timestamp};

/// The first gate that is still closed for the candidate in `slot`, time aside; `None` if all are open.
/// The observer uses it to tell since when they have been open.
pub fn closed_gate(want: &Desired, seen: &Observation, slot: Slot) -> Option<WaitingOn> {
    let candidate = seen.slots.get(slot);
    let Workload::Present { desired_count, running, stage, .. } = &candidate.workload else {
        return Some(WaitingOn::Tasks { slot, running: 0, wanted: 1 });
    };
    if *stage != Stage::Steady || running < desired_count || !candidate.is_desired() {
        return Some(WaitingOn::Tasks { slot, running: *running, wanted: *desired_count });
    }
    let (healthy, required) = (candidate.targets.healthy, required(want, *desired_count));
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
    if want.gates.http.len() > seen.http.len() {
        let detail = format!("{} of {} requests answered", seen.http.len(), want.gates.http.len());
        return Some(WaitingOn::HttpGate { detail });
    }
    let failed = seen.http.iter().find(|answer| answer.verdict != HttpVerdict::Passed)?;
    Some(WaitingOn::HttpGate { detail: failed.detail.clone() })
}

/// An alarm that was not read counts as one that rings.
fn closed_alarm(want: &Desired, seen: &Observation) -> Option<WaitingOn> {
    let quiet = |name: &String| {
        seen.alarms.iter().any(|alarm| alarm.name == *name && alarm.state != AlarmState::Alarm)
    };
    let name = want.gates.alarms.iter().find(|name| !quiet(name))?.clone();
    Some(WaitingOn::Alarm { name })
}

/// Why the candidate in `slot`, without weight so far, can't come up any more.
pub(super) fn hopeless(view: View<'_>, slot: Slot, record: &Record) -> Option<String> {
    if view.slot(slot).signals.abort == Some(record.sequence) {
        return Some("aborted by `cutover abort`".into());
    }
    let Workload::Present { stage, .. } = &view.slot(slot).workload else { return None };
    // Before the slot has been updated or scaled up, a failed deployment is one of before.
    if *stage == Stage::Failed && view.slot(slot).is_desired() && view.is_alive(slot) {
        return Some(with_trouble(view, slot, &format!("the {} failed", view.want.terms.deployment())));
    }
    let waiting_for_people = record.progress == super::Progress::Ready;
    if !waiting_for_people && view.now.since(record.started) > view.want.deadline {
        let still = closed_gate(view.want, view.seen, slot)
            .map_or_else(|| "the gates to hold".into(), |waiting| waiting.in_words(view.want.terms));
        let why = format!("deadline of {}s passed waiting for {still}", view.want.deadline);
        return Some(with_trouble(view, slot, &why));
    }
    None
}

/// Why the revision in `slot`, which has weight, must lose it again: an alarm, too few targets, an abort.
/// Targets in `initial` or of unknown state are not counted as lost, but without a healthy one there is no service.
pub(super) fn failing(view: View<'_>, slot: Slot, record: &Record) -> Option<String> {
    if view.slot(slot).signals.abort == Some(record.sequence) {
        return Some("aborted by `cutover abort`".into());
    }
    if let Some(WaitingOn::Alarm { name }) = closed_alarm(view.want, view.seen) {
        return Some(format!("alarm {name} is in state ALARM"));
    }
    let Workload::Present { desired_count, stage, .. } = &view.slot(slot).workload else {
        return Some(format!("its {} is gone", view.want.terms.workload()));
    };
    if *stage == Stage::Failed {
        return Some(with_trouble(view, slot, &format!("the {} failed", view.want.terms.deployment())));
    }
    // An autoscaler may be adding tasks right now: ask for what the side it took over from has, not for more.
    let started_with = view.want.count.or(record.from.map(|from| view.slot(from).count())).unwrap_or(1);
    let asked = required(view.want, started_with.min(*desired_count));
    let targets = view.slot(slot).targets;
    let may_serve = targets.healthy + targets.initial + targets.unknown;
    if may_serve < asked || targets.healthy + targets.unknown == 0 {
        let terms = view.want.terms;
        let why = format!("{} of {asked} {} {}", targets.healthy, terms.targets(), terms.healthy());
        return Some(with_trouble(view, slot, &why));
    }
    None
}

/// AWS's answers may be some seconds old; what was seen for less long than this may be the past. In seconds.
const SHORTEST_STABILITY: u64 = 5;

/// How much longer the gates have to stay open.
pub(super) fn stability_left(want: &Desired, seen: &Observation, now: Timestamp) -> u64 {
    let held = seen.gate_held_since.map_or(0, |since| now.since(since));
    want.gates.stable_for.max(SHORTEST_STABILITY).saturating_sub(held)
}

fn with_trouble(view: View<'_>, slot: Slot, why: &str) -> String {
    let Workload::Present { troubles, .. } = &view.slot(slot).workload else { return why.to_owned() };
    troubles.first().map_or_else(|| why.to_owned(), |trouble| format!("{why}; {trouble}"))
}
