//! Rules that are not as we left them are reported and left alone, unless what was done to them is a way back.

use super::hindrance::{Hindrance, Remedy};
use super::observation::{Hold, Ill, RuleObservation, RuleSplit, Workload};
use super::record::{Progress, Record};
use super::view::{View, blocked, wait};
use super::{Decision, Phase, WaitingOn, gate, returning, shift};
use crate::model::{Slot, Weights};

/// A version that a person asked to be taken back, or whose traffic is back already without a note of ours: somebody did
/// it by hand, or a run that could not write it down. It is not sent forward again by itself.
pub(super) fn taken_back(view: View<'_>) -> Option<Decision> {
    let (slot, record) = view.current()?;
    let can_be_aborted = record.progress.is_under_way() || matches!(record.progress, Progress::Baking(_));
    if can_be_aborted && view.slot(slot).signals.abort == Some(record.sequence) {
        return Some(returning::fail(view, slot, record, "aborted by `cutover abort`".into()));
    }
    let is_over = matches!(record.progress, Progress::Done(_));
    if is_over && record.revision != view.want.revision || !gate::is_taken_back(view.seen, slot, record) {
        return None;
    }
    let remaining = gate::left_to_last(view, Ill::TakenBack);
    if remaining > 0 {
        return Some(wait(Phase::RollingBack, WaitingOn::Settle { remaining }));
    }
    let why = format!(
        "its traffic is back on {}: taken back by hand, or by a run that could not note it",
        slot.other()
    );
    Some(returning::fail(view, slot, record, why))
}

/// A decision to stop if a rule was changed by somebody else. What a person asked to be taken back is taken from a changed
/// rule, too.
pub(super) fn changed(view: View<'_>) -> Option<Decision> {
    let changed = view.seen.changed_by_others.clone();
    let changed = changed.map(|by| Hindrance::new(by.why, vec![set_back(view, by.rule)]));
    let changed = changed.or_else(|| unexpected_share(view)).filter(|_| !is_asked_back(view));
    changed.map(|hindrance| blocked(view, hindrance))
}

/// What closes every way forward: a rule that can't be used, slots that can't be told apart, somebody else's targets.
pub(super) fn hindrance(view: View<'_>) -> Option<Hindrance> {
    unusable(view).or_else(|| view.seen.hindrances.first().cloned()).or_else(|| strangers(view))
}

/// A rule that forwards to neither slot. A return goes on over the others.
pub(super) fn unusable(view: View<'_>) -> Option<Hindrance> {
    view.seen.rules.iter().find_map(|rule| match &rule.split {
        RuleSplit::Neither(why) => Some(Hindrance::new(
            format!("{} forwards to neither of the two {}s ({why})", rule.id, view.want.terms.group()),
            vec![
                set_back(view, rule.id.clone()),
                Remedy::Edit {
                    document: "the BlueGreen".into(),
                    field: "its production rules".into(),
                    to: "rules that forward to a slot".into(),
                },
            ],
        )),
        RuleSplit::Both(_) | RuleSplit::Only(_) => None,
    })
}

/// A rule that the rollout under way moved and that the documents do not name any more still sends requests to it: they
/// would be left to a version that nobody watches, or that is given up.
pub(super) fn left_behind(view: View<'_>) -> Option<Hindrance> {
    still_held(view, view.seen.left_behind()?)
}

/// The same for a return: the rules that the documents name are back, and that one is not.
pub(super) fn left_on_return(view: View<'_>) -> Option<Hindrance> {
    still_held(view, view.seen.left_on_return()?)
}

/// What says that a rule which the documents do not name gives weight to `slot`.
fn still_held(view: View<'_>, slot: Slot) -> Option<Hindrance> {
    let Hold::Held(held) = &view.slot(slot).hold else { return None };
    let rule = held.remedies.iter().find_map(|remedy| match remedy {
        Remedy::TakeOut { rule, .. } => Some(rule.as_str()),
        _ => None,
    });
    let edit = Remedy::Edit {
        document: "the BlueGreen".into(),
        field: "its production rules".into(),
        to: format!("rules with {} among them until the rollout is over", rule.unwrap_or("that one")),
    };
    let why = format!("{}, and the documents no longer name a rule that this rollout moves", held.why);
    Some(Hindrance::new(why, std::iter::once(edit).chain(held.remedies.clone()).collect()))
}

/// True if a person asked for the return that is under way.
fn is_asked_back(view: View<'_>) -> bool {
    let returns = view.current().is_some_and(|(_, record)| {
        matches!(record.progress, Progress::Returning { .. } | Progress::Failed(_))
    });
    returns
        && Slot::BOTH.into_iter().any(|slot| {
            let seen = view.slot(slot);
            seen.record.as_ref().is_some_and(|record| {
                matches!(record.progress, Progress::Failed(_)) && seen.signals.abort == Some(record.sequence)
            })
        })
}

/// Compares the rules with the shares that the current record allows: the one that it says was reached, and the one that
/// it says is intended, since a run may have been cut off between a shift and its note. All weight on a side with a
/// finished proof is never somebody's mistake.
fn unexpected_share(view: View<'_>) -> Option<Hindrance> {
    let (slot, record) = view.current()?;
    if is_idle(view, slot, record) {
        return None;
    }
    let odd = view.usable().map(|(_, rule)| rule).find(|rule| !is_expected(view, slot, record, rule))?;
    Some(Hindrance::new(
        format!(
            "{} has {}, which is not what the last note on the {slot} {} ({}) says: somebody else changed it",
            odd.id,
            odd.split.weights(),
            view.want.terms.workload(),
            record.progress,
        ),
        // Without notes, rules that disagree stand in the way just as well.
        match view.unanimous() {
            Some(_) => vec![set_back(view, odd.id.clone()), Remedy::Retry],
            None => vec![set_back(view, odd.id.clone())],
        },
    ))
}

/// True if `slot` has weight by a rollout of ours, as its note says, and by nobody else.
pub(super) fn weight_is_ours(view: View<'_>, slot: Slot) -> bool {
    let Some((_, record)) = view.current().filter(|(holder, _)| *holder == slot) else { return false };
    let weighted = view.usable().map(|(_, rule)| rule).filter(|rule| rule.split.weights().of(slot) > 0);
    let mut weighted = weighted.peekable();
    weighted.peek().is_some() && weighted.all(|rule| is_expected(view, slot, record, rule))
}

/// True for the note of a rollout that nothing is left of: its slot has neither tasks nor weight.
fn is_idle(view: View<'_>, slot: Slot, record: &Record) -> bool {
    record.progress.is_under_way() && !view.is_alive(slot) && !view.has_weight(slot)
}

fn is_expected(view: View<'_>, slot: Slot, record: &Record, rule: &RuleObservation) -> bool {
    let weights = rule.split.weights();
    let other = slot.other();
    if weights.blue + weights.green == 0 {
        return false;
    }
    let share = weights.share_percent(slot);
    let is_reached_or_intended = |reached: u32| {
        // A record of a program that wrote no intents allows what the steps say.
        let next = match record.intent.rules.is_empty() && record.intent.next.is_none() {
            true => Some(shift::next_share(view.want, record.from.is_some(), reached)),
            false => record.intent.next,
        };
        weights.same_split(Weights::percent(slot, reached))
            || next.is_some_and(|next| weights.same_split(Weights::percent(slot, next)))
    };
    let joins = record.joins(rule);
    match &record.progress {
        _ if weights.all_to(other) && (view.has_proof(other) || joins && is_behind(view, record, other)) => {
            true
        }
        Progress::Rolling | Progress::Ready => is_reached_or_intended(0),
        Progress::Shifting { share, .. } => is_reached_or_intended(*share),
        Progress::Baking(_) | Progress::Done(_) => weights.all_to(slot),
        Progress::Returning { least, .. } => share >= *least,
        Progress::Failed(_) => {
            let returns = record.from.is_some_and(|from| !view.is_gone(from));
            returns || weights.all_to(slot) || weights.all_to(other)
        }
    }
}

/// True if `other` is where the rollout of `record` comes from, or nothing at all.
fn is_behind(view: View<'_>, record: &Record, other: Slot) -> bool {
    record.from == Some(other) || view.is_gone(other)
}

/// No rollout of ours explains why the rules send requests to both slots, or disagree.
pub(super) fn split_without_rollout(view: View<'_>) -> Decision {
    // Behind another name, as after a renaming, there may well be one.
    if let Some(hindrance) = strangers(view) {
        return blocked(view, hindrance);
    }
    let rules: Vec<String> =
        view.seen.rules.iter().map(|rule| format!("{}: {}", rule.id, rule.split.weights())).collect();
    let slot = best_side(view);
    let odd = view.seen.rules.iter().find(|rule| !rule.split.weights().all_to(slot));
    let rule = odd.map(|rule| rule.id.clone()).unwrap_or_default();
    let why = format!(
        "no rollout is under way, yet the rules do not send all requests to one slot ({})",
        rules.join("; ")
    );
    let set = Remedy::SetRule { rule, slot, weights: Weights::percent(slot, 100) };
    blocked(view, Hindrance::new(why, vec![set]))
}

/// Requests reach targets that are not ours: what is there has to be adopted, and is never taken for a first deploy.
fn strangers(view: View<'_>) -> Option<Hindrance> {
    let serves = |slot: &Slot| {
        let seen = view.slot(*slot);
        seen.workload == Workload::Absent && view.has_weight(*slot) && seen.targets.registered() > 0
    };
    let slot = Slot::BOTH.into_iter().find(serves)?;
    let strangers = &view.slot(slot).strangers;
    let of_others = strangers.iter().find(|stranger| stranger.application.is_some());
    let edit =
        |field: &str, to: String| Remedy::Edit { document: "the BlueGreen".into(), field: field.into(), to };
    let (group, targets) = (view.want.terms.group(), view.want.terms.targets());
    let unread = view.slot(slot).strangers_unread.as_ref();
    let unread = unread.map_or_else(String::new, |why| format!(" (whose they are can't be read: {why})"));
    Some(match (of_others, strangers.first()) {
        (Some(stranger), _) => Hindrance::new(
            format!(
                "requests go to {targets} of service {} in the {slot} {group}, which belongs to application {}",
                stranger.service,
                stranger.application.as_deref().unwrap_or_default()
            ),
            vec![edit("alb", "rules and target groups that no other application names".into())],
        ),
        (None, Some(stranger)) => Hindrance::new(
            format!(
                "requests go to {targets} of service {} in the {slot} {group}: adopt it",
                stranger.service
            ),
            vec![edit(&format!("slots.{slot}.service"), stranger.service.clone())],
        ),
        (None, None) => Hindrance::new(
            format!(
                "requests go to {targets} in the {slot} {group} that are not ours{unread}: adopt what serves there"
            ),
            vec![edit(&format!("slots.{slot}.service"), "the service that serves there".into())],
        ),
    })
}

/// The side that serves best: one with targets, with a finished proof, with what Git wants, then where most goes.
fn best_side(view: View<'_>) -> Slot {
    let rank = |slot: &Slot| {
        let seen = view.slot(*slot);
        let weight: u32 = view.usable().map(|(_, rule)| rule.split.weights().share_percent(*slot)).sum();
        (seen.targets.healthy > 0, view.has_proof(*slot), seen.is_desired(), weight)
    };
    Slot::BOTH.into_iter().max_by_key(rank).unwrap_or(Slot::Blue)
}

/// Setting a rule to what the last note says, or to the side that serves best.
fn set_back(view: View<'_>, rule: String) -> Remedy {
    let (slot, weights) = match view.current() {
        Some((slot, record)) => {
            let share = match &record.progress {
                Progress::Rolling | Progress::Ready => 0,
                Progress::Shifting { share, .. } => *share,
                Progress::Baking(_) | Progress::Done(_) | Progress::Returning { .. } => 100,
                Progress::Failed(_) => 0,
            };
            (slot, Weights::percent(slot, share))
        }
        None => (best_side(view), Weights::percent(best_side(view), 100)),
    };
    Remedy::SetRule { rule, slot, weights }
}
