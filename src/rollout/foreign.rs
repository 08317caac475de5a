//! Rules that are not as we left them are reported and left alone.

use super::observation::RuleSplit;
use super::record::Progress;
use super::view::{View, blocked};
use super::{Decision, shift};

/// A decision to stop if a rule can't be used or was changed by somebody else.
pub(super) fn hindrance(view: View<'_>) -> Option<Decision> {
    let unusable = view.seen.rules.iter().find_map(|rule| match &rule.split {
        RuleSplit::Neither(why) => Some(format!(
            "{} forwards to neither of the two target groups ({why}); make it forward to the one that serves",
            rule.id
        )),
        RuleSplit::Both(_) | RuleSplit::Only(_) => None,
    });
    unusable.or_else(|| view.seen.changed_by_others.clone()).or_else(|| unexpected_share(view)).map(blocked)
}

/// Compares the rules with the shares that the current record allows: the one it names and, since a run may have been
/// cut off between a shift and its note, the next one.
fn unexpected_share(view: View<'_>) -> Option<String> {
    let (slot, record) = view.current()?;
    let allowed = match &record.progress {
        Progress::Rolling | Progress::Ready => vec![0, shift::next_share(view.want, record.from, 0)],
        Progress::Shifting { share, .. } => vec![*share, shift::next_share(view.want, record.from, *share)],
        Progress::Baking(_) | Progress::Done(_) => vec![100],
        Progress::Returning { least, most } => vec![*least, *most, 100],
        // Cut off between the verdict and the note that traffic returns.
        Progress::Failed(_) => view.want.steps.iter().map(|step| step.weight).chain([0, 100]).collect(),
    };
    let odd = view.seen.rules.iter().find(|rule| {
        let weights = rule.split.weights();
        weights.blue + weights.green == 0 || !allowed.contains(&weights.share_percent(slot))
    })?;
    Some(format!(
        "{} has {}, but by the last note on the {slot} {} ({}) it gives {slot} {}%: somebody else changed it; set \
         the weights back, or accept them with `cutover retry`",
        odd.id,
        odd.split.weights(),
        view.want.terms.workload(),
        record.progress,
        allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
    ))
}

/// No rollout of ours explains why the rules send requests to both slots, or disagree.
pub(super) fn split_without_rollout(view: View<'_>) -> Decision {
    let rules: Vec<String> =
        view.seen.rules.iter().map(|rule| format!("{}: {}", rule.id, rule.split.weights())).collect();
    blocked(format!(
        "no rollout is under way, yet the rules do not send all requests to one slot ({}); give all weight to the slot \
         that shall serve",
        rules.join("; ")
    ))
}
