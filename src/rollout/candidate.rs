//! A rollout into the slot that does not serve: bring it up, gate it, shift to it.

use super::gate::{self, Verdict};
use super::hindrance::{Hindrance, Remedy};
use super::observation::{Content, Hold, Ill, RuleObservation, Stage, Workload};
use super::record::{Intent, Progress, Record};
use super::view::{View, act, blocked, wait};
use super::{Action, Decision, Phase, WaitingOn, bake, foreign, returning, shift};
use crate::model::{Seconds, Slot, Timestamp, Weights};

/// The next step of the rollout into `slot`, with `from` serving so far (`None`: nothing serves). Once requests reach the
/// candidate, whatever is still done to it or asked of it is part of the shift: a gate that closes again is no way back.
pub(super) fn proceed(view: View<'_>, slot: Slot, from: Option<Slot>) -> Decision {
    let decision = next_step(view, slot, from);
    match decision.phase {
        Phase::Preparing | Phase::Gating if view.has_weight(slot) => {
            Decision { phase: Phase::Shifting, ..decision }
        }
        _ => decision,
    }
}

fn next_step(view: View<'_>, slot: Slot, from: Option<Slot>) -> Decision {
    if let Some(quarantined) = quarantined(view, slot) {
        return quarantined;
    }
    let rolling = record_of_this_rollout(view, slot);
    if let Some(ended) = rolling.and_then(|record| ended(view, slot, record)) {
        return ended;
    }
    if let Some(count) = rolling.and_then(|record| stopped_beside(view, slot, record)) {
        let scale = Action::ScaleSlot { slot: slot.other(), count };
        return act(Phase::Shifting, view.owning(slot.other(), vec![scale]));
    }
    if let Some(hindrance) = foreign::left_behind(view).or_else(|| foreign::hindrance(view)) {
        return match rolling {
            Some(record) => bake::hold_or_block(view, slot, record, hindrance),
            None => blocked(view, hindrance),
        };
    }
    if let Some(preparing) = prepare(view, slot, from, rolling) {
        return preparing;
    }
    match rolling {
        Some(record) => pass(view, slot, record),
        // `prepare` always leaves a record behind; without one there is nothing to pass.
        None => wait(Phase::Preparing, WaitingOn::Tasks { slot, running: 0, wanted: 1 }),
    }
}

/// The number of tasks that the side which the rollout comes from is to have again, if somebody stopped all of them while
/// it still gets requests. Where Git declares no number and all requests go there, none may be somebody's wish.
fn stopped_beside(view: View<'_>, slot: Slot, record: &Record) -> Option<u32> {
    let from = record.from.filter(|from| *from == slot.other())?;
    let is_known_for_wrong = view.has_weight(slot) || view.want.count.is_some_and(|count| count > 0);
    let is_stopped = is_known_for_wrong && view.has_weight(from) && view.is_empty(from);
    is_stopped.then(|| view.want.count.unwrap_or(view.slot(slot).count()).max(1))
}

/// The slot's record, if it is the current one and speaks of the wanted revision.
fn record_of_this_rollout<'a>(view: View<'a>, slot: Slot) -> Option<&'a Record> {
    let (_, record) = view.current().filter(|(holder, _)| *holder == slot)?;
    // One that had a share and has none any more is over.
    let on_its_way = match record.progress {
        Progress::Rolling | Progress::Ready => true,
        Progress::Shifting { .. } => view.has_weight(slot),
        _ => false,
    };
    (on_its_way && record.revision == view.want.revision).then_some(record)
}

/// The end of a rollout that can't go on.
fn ended(view: View<'_>, slot: Slot, record: &Record) -> Option<Decision> {
    let verdict = match (view.has_weight(slot), record.from) {
        (true, Some(_)) => gate::failing(view, slot, record),
        (true, None) | (false, _) => gate::hopeless(view, slot, record),
    };
    match (verdict?, record.from) {
        (Verdict::Failed(why), _) => Some(returning::fail(view, slot, record, why)),
        (Verdict::Withdrawn, Some(from)) if view.may_recover(from) => Some(returning::start(view, from)),
        (Verdict::Withdrawn, _) => None,
    }
}

/// The wanted revision failed in this slot before: it is not tried again, and its tasks are let go.
fn quarantined(view: View<'_>, slot: Slot) -> Option<Decision> {
    let record = view.slot(slot).record.as_ref().filter(|record| record.revision == view.want.revision)?;
    let Progress::Failed(why) = &record.progress else { return None };
    let is_held = matches!(view.slot(slot).hold, Hold::Held(_));
    // What failed is still better than nothing.
    let is_replaced = view.slot(slot.other()).targets.healthy > 0;
    if view.is_alive(slot) && !view.has_weight(slot) && !is_held && is_replaced {
        let back = view.pointing_test_rule(slot.other()).filter(|_| view.is_alive(slot.other()));
        let scale = Action::ScaleSlot { slot, count: 0 };
        return Some(match (back, view.unsettled()) {
            (Some(back), _) => act(Phase::Quarantined, vec![back]),
            (None, 0) => act(Phase::Quarantined, view.owning(slot, vec![scale])),
            (None, remaining) => wait(Phase::RollingBack, WaitingOn::Settle { remaining }),
        });
    }
    let reason = match &view.slot(slot).hold {
        Hold::Held(hindrance) if view.is_alive(slot) => {
            format!("{why}; {slot} still gets requests: {}", hindrance.in_words(view.want.terms))
        }
        _ => why.clone(),
    };
    Some(wait(Phase::Quarantined, WaitingOn::NewRevision { reason }))
}

/// Brings service, record, rules and test rule to where the gate can be asked; `None` once they are there.
fn prepare(view: View<'_>, slot: Slot, from: Option<Slot>, rolling: Option<&Record>) -> Option<Decision> {
    let naming = view.naming(slot);
    if !naming.is_empty() {
        return Some(act(Phase::Preparing, naming));
    }
    let needed = shift::tasks_beside_the_other(view, slot);
    let record = || view.next_record_of_wanted(slot, from);
    let (count, content) = match &view.slot(slot).workload {
        Workload::Draining => return Some(wait(Phase::Preparing, WaitingOn::NameToBeFree { slot })),
        // Tasks behind a rule that sends them requests would serve before their gate.
        Workload::Absent if view.has_weight(slot) => return Some(foreign::split_without_rollout(view)),
        Workload::Absent if let Hold::Held(hindrance) = &view.slot(slot).hold => {
            return Some(blocked(view, hindrance.clone()));
        }
        Workload::Absent => {
            let create = Action::CreateSlot { slot, count: needed, record: record() };
            return Some(act(Phase::Preparing, vec![create]));
        }
        Workload::Present { desired_count, content, .. } => (*desired_count, *content),
    };
    if content == Content::Unknown {
        let what = format!("what the {slot} {} runs", view.want.terms.workload());
        return Some(wait(Phase::Preparing, WaitingOn::Unread { what }));
    }
    // A deployment that failed before does not begin again by itself.
    let failed_before = rolling.is_none() && view.slot(slot).stage() == Some(Stage::Failed) && count > 0;
    let is_updated = content == Content::Other || failed_before;
    if is_updated && let Some(wait) = untouchable(view, slot, count) {
        return Some(wait);
    }
    let mut actions = vec![];
    if rolling.is_none() {
        actions.push(Action::WriteRecord { slot, record: record() });
    }
    if is_updated {
        actions.push(Action::UpdateSlot { slot, count: needed });
    } else if count < needed {
        actions.push(Action::ScaleSlot { slot, count: needed });
    }
    actions.extend(view.pointing_test_rule(slot));
    (!actions.is_empty()).then(|| act(Phase::Preparing, view.owning(slot, actions)))
}

/// Why the idle slot, which runs `count` tasks of another version, may not be updated now.
fn untouchable(view: View<'_>, slot: Slot, count: u32) -> Option<Decision> {
    if view.has_weight(slot) {
        return Some(foreign::split_without_rollout(view));
    }
    if let Hold::Held(hindrance) = &view.slot(slot).hold {
        return Some(blocked(view, hindrance.clone()));
    }
    let (settles, sessions) = (view.unsettled(), sessions_left(view, slot));
    match (count, settles, sessions) {
        (0, _, _) | (_, 0, 0) => None,
        (_, 0, remaining) => Some(wait(Phase::Preparing, WaitingOn::Sessions { slot, remaining })),
        (_, remaining, _) => Some(wait(Phase::Preparing, WaitingOn::Settle { remaining })),
    }
}

/// For how much longer cookies may keep clients on an idle slot whose version served, `keepPrevious` at most. What failed
/// is no loss to anybody.
fn sessions_left(view: View<'_>, slot: Slot) -> Seconds {
    let left_at: Option<Timestamp> = match view.current() {
        Some((holder, record)) if holder != slot && view.has_proof(slot) => match record.progress {
            Progress::Done(at) | Progress::Baking(at) => Some(at),
            _ => None,
        },
        _ => None,
    };
    let held = view.seen.sticky.min(view.want.keep_previous);
    left_at.map_or(0, |at| held.saturating_sub(view.now.since(at)))
}

/// Asks the gates, waits for people, and gives weight.
fn pass(view: View<'_>, slot: Slot, record: &Record) -> Decision {
    if let Some(reached) = record.intent.next.filter(|share| all_are_at(view, slot, *share)) {
        // The gates were asked before that: the note of what is done needs none.
        return give(view, slot, record, reached);
    }
    if let Some(waiting) = gate::closed_gate(view.want, view.seen, slot) {
        return match waiting {
            WaitingOn::Unread { what }
                if (!view.has_weight(slot) || record.from.is_none())
                    && gate::has_lasted(view, Ill::Unread) =>
            {
                blocked(view, unread(what, view.want.deadline))
            }
            waiting => wait(Phase::Gating, waiting),
        };
    }
    if let Progress::Shifting { share, since } = record.progress {
        return shift_on(view, slot, record, share, since);
    }
    let promoted = view.slot(slot).signals.promote == Some(record.sequence);
    let needs_approval = view.want.gates.approval && !promoted;
    // The gates have held once; whoever only looks has not seen for how long. After the approval they hold again.
    if needs_approval && record.progress == Progress::Ready {
        return wait(Phase::AwaitingApproval, WaitingOn::Approval);
    }
    let remaining = gate::stability_left(view.want, view.seen, view.now);
    if remaining > 0 {
        return wait(Phase::Gating, WaitingOn::Stability { remaining });
    }
    if needs_approval {
        let ready = Record { progress: Progress::Ready, ..record.clone() };
        return act(Phase::Gating, view.owning(slot, vec![Action::WriteRecord { slot, record: ready }]));
    }
    give(view, slot, record, next_share(view, slot, record, 0))
}

/// Evidence that could not be read for the whole of the deadline. It is no verdict on the revision.
fn unread(what: String, deadline: Seconds) -> Hindrance {
    let gates = Remedy::Edit {
        document: "the BlueGreen".into(),
        field: "gates".into(),
        to: "ones that can be read".into(),
    };
    Hindrance::new(
        format!("{what}: it could not be read in {}s, and nothing goes forward without it", deadline),
        vec![Remedy::Restore { what }, gates],
    )
}

/// True if the side that the rollout of `record` comes from answers requests, so that small steps protect somebody.
fn serves_beside(view: View<'_>, slot: Slot, record: &Record) -> bool {
    let other = view.slot(slot.other());
    record.from == Some(slot.other())
        && view.is_alive(slot.other())
        && (other.targets.may_answer() > 0 || other.unread.is_some())
}

/// The share after `share`. A step that some rule has been given already is that step, whatever the other side does since.
fn next_share(view: View<'_>, slot: Slot, record: &Record, share: u32) -> u32 {
    let begun = record.intent.next.filter(|next| *next > share && is_at(view, slot, *next));
    begun.unwrap_or_else(|| shift::next_share(view.want, serves_beside(view, slot, record), share))
}

/// True if every rule gives `slot` exactly `share`.
fn all_are_at(view: View<'_>, slot: Slot, share: u32) -> bool {
    view.usable().all(|(_, rule)| rule.split.weights().same_split(Weights::percent(slot, share)))
}

/// True if some rule gives `slot` exactly `share`.
fn is_at(view: View<'_>, slot: Slot, share: u32) -> bool {
    view.usable().any(|(_, rule)| rule.split.weights().same_split(Weights::percent(slot, share)))
}

/// `share` was reached at `since`: hold it, then take the next step. A step that is already begun on one of several
/// rules is finished, and a rule that a commit has added is brought to where the others are.
fn shift_on(view: View<'_>, slot: Slot, record: &Record, share: u32, since: Timestamp) -> Decision {
    let next = next_share(view, slot, record, share);
    if next != share && is_at(view, slot, next) {
        return give(view, slot, record, next);
    }
    let joins =
        |rule: &RuleObservation| record.joins(rule) && rule.split.weights().share_percent(slot) < share;
    if view.usable().any(|(_, rule)| joins(rule)) {
        return give(view, slot, record, share);
    }
    let remaining = shift::hold_of(view.want, share).saturating_sub(view.now.since(since));
    if remaining > 0 {
        return wait(Phase::Shifting, WaitingOn::Hold { weight: share, remaining });
    }
    give(view, slot, record, next)
}

/// Brings one more rule to `share`, once there are tasks for it, nobody reaches it in another way and the intent is noted;
/// once all rules have it, notes that it was reached.
pub(super) fn give(view: View<'_>, slot: Slot, record: &Record, share: u32) -> Decision {
    let weights = Weights::percent(slot, share);
    // A share is never lowered on the way forward.
    let behind = view.usable().find(|(_, rule)| {
        let now = rule.split.weights();
        now.share_percent(slot) < share && !now.same_split(weights)
    });
    let Some((rule, _)) = behind else {
        let progress = match share {
            100 => Progress::Baking(view.now),
            share => Progress::Shifting { share, since: view.now },
        };
        let intent = Intent { next: None, watched: 0, rules: view.rule_marks() };
        let reached = Record { progress, intent, ..record.clone() };
        let note = Action::WriteRecord { slot, record: reached };
        return act(Phase::Shifting, view.owning(slot, vec![note]));
    };
    if let Some(short) = gate::short_of_capacity(view.want, view.seen, slot, share) {
        let count = shift::tasks_beside_the_other(view, slot);
        return match view.slot(slot).count() < count {
            true => act(Phase::Shifting, vec![Action::ScaleSlot { slot, count }]),
            false => wait(Phase::Shifting, short),
        };
    }
    // Whoever reaches it by a rule that came while it was gated is no share of ours.
    if let Hold::Held(hindrance) = &view.slot(slot).hold
        && !view.has_weight(slot)
    {
        return blocked(view, hindrance.clone());
    }
    let mut actions = vec![];
    // A rule that a commit has added is one of ours once it has the share of the others, and not before.
    let known = Some(record.intent.rules.clone()).filter(|rules| !rules.is_empty());
    let rules = known.unwrap_or_else(|| view.rule_marks());
    let intent = Intent { next: Some(share), rules, ..record.intent.clone() };
    // Before the first weight also where it is noted already: what can't be noted is not begun.
    if intent != record.intent || !view.has_weight(slot) {
        actions.push(Action::WriteRecord { slot, record: Record { intent, ..record.clone() } });
    }
    actions.push(Action::SetWeights { rule, weights });
    act(Phase::Shifting, view.owning(slot, actions))
}

impl View<'_> {
    /// The record of a new rollout of the wanted revision into `slot`, whatever the slot runs until then.
    fn next_record_of_wanted(self, slot: Slot, from: Option<Slot>) -> Record {
        Record { revision: self.want.revision.clone(), ..self.next_record(slot, from, Progress::Rolling) }
    }
}
