//! How traffic moves: the forecast's writes to rules, rule by rule.

use super::forecast::Forecast;
use super::{LiveRollout, RuleKind, TrafficChange};
use crate::model::{BlueGreen, Gates, Slot, Step, Weights, human};
use crate::rollout::{Action, Progress, RuleObservation};

/// From here on a load balancer is called slow; network load balancers take minutes.
const SLOW_SECONDS: u64 = 60;

/// The changes of all rules in the order in which they begin.
pub(super) fn traffic(blue_green: &BlueGreen, live: &LiveRollout, forecast: &Forecast) -> Vec<TrafficChange> {
    let seen = &live.observation;
    let mut weights: Vec<Weights> = seen.rules.iter().map(|rule| rule.split.weights()).collect();
    let mut changes: Vec<TrafficChange> = Vec::new();
    let under_way = seen.current_record().filter(|(_, record)| is_return(&record.progress));
    let mut course = Course { blue_green, live, returning: under_way.map(|(slot, _)| slot) };
    for action in &forecast.actions {
        match action {
            Action::WriteRecord { slot, record } => {
                course.returning = is_return(&record.progress).then_some(*slot);
            }
            Action::NameGroup { rule, slot } => {
                let (Some(observed), Some(now)) = (seen.rules.get(*rule), weights.get(*rule)) else {
                    continue;
                };
                let mut change = course.change(observed, RuleKind::Production, *now, *slot);
                change.notes.push(format!(
                    "names {} with weight 0 first, since targets are only checked in a group that a rule names",
                    blue_green.target_group(*slot)
                ));
                changes.push(change);
            }
            Action::PointTestRule { slot } => {
                let Some(observed) = &seen.test_rule else { continue };
                let mut change = course.change(observed, RuleKind::Test, observed.split.weights(), *slot);
                change.through.push(Step { weight: 100, hold: 0 });
                change.gates.clear();
                change.after.clear();
                changes.push(change);
            }
            Action::SetWeights { rule, weights: wanted } => {
                let (Some(observed), Some(now)) = (seen.rules.get(*rule), weights.get_mut(*rule)) else {
                    continue;
                };
                let slot = gaining(*now, *wanted);
                let known = changes
                    .iter_mut()
                    .rev()
                    .find(|c| c.rule == observed.id && c.kind == RuleKind::Production);
                let change = match known {
                    Some(change) if change.to_slot == slot => change,
                    _ => {
                        changes.push(course.change(observed, RuleKind::Production, *now, slot));
                        let last = changes.len() - 1;
                        &mut changes[last]
                    }
                };
                change.through.push(course.step(wanted.share_percent(slot)));
                *now = *wanted;
            }
            Action::CreateSlot { .. }
            | Action::UpdateSlot { .. }
            | Action::ScaleSlot { .. }
            | Action::AdoptSlot { .. } => {}
        }
    }
    changes
}

fn is_return(progress: &Progress) -> bool {
    matches!(progress, Progress::Returning { .. })
}

/// The slot whose share grows.
fn gaining(before: Weights, after: Weights) -> Slot {
    let grows = |slot| after.share_percent(slot) > before.share_percent(slot);
    Slot::BOTH.into_iter().find(|slot| grows(*slot)).unwrap_or(if after.blue > 0 {
        Slot::Blue
    } else {
        Slot::Green
    })
}

struct Course<'a> {
    blue_green: &'a BlueGreen,
    live: &'a LiveRollout,
    /// Set while traffic goes back to a proven version, which no gate but health holds up.
    returning: Option<Slot>,
}

impl Course<'_> {
    fn change(&self, rule: &RuleObservation, kind: RuleKind, from: Weights, to_slot: Slot) -> TrafficChange {
        let returns = self.returning == Some(to_slot);
        let other = to_slot.other();
        // A rule may name the group of a slot that has no tasks: nothing serves then.
        let serves = from.of(other) > 0 && self.live.observation.slots.get(other).count() > 0;
        let from_slot = serves.then_some(other);
        let gates = match returns {
            true => vec![format!("enough {}", self.healthy())],
            false => gates(&self.live.desired.gates, self.is_balanced()),
        };
        TrafficChange {
            blue_green: self.blue_green.name.clone(),
            rule: rule.id.clone(),
            kind,
            from,
            through: vec![],
            to_slot,
            from_slot,
            gates,
            after: self.after(from_slot, returns),
            notes: self.notes(rule, from_slot),
        }
    }

    /// False where Kubernetes steers the requests: then pods are looked at, and nobody's targets.
    fn is_balanced(&self) -> bool {
        self.blue_green.traffic.is_none()
    }

    fn healthy(&self) -> &'static str {
        if self.is_balanced() { "healthy targets" } else { "ready pods" }
    }

    fn step(&self, share: u32) -> Step {
        let steps = if self.returning.is_some() { &[] } else { self.live.desired.steps.as_slice() };
        let hold = steps.iter().find(|step| step.weight == share).map_or(0, |step| step.hold);
        Step { weight: share, hold }
    }

    fn after(&self, from_slot: Option<Slot>, returns: bool) -> Vec<String> {
        let want = &self.live.desired;
        let Some(old) = from_slot else { return vec![] };
        let mut after = Vec::new();
        if !returns && want.bake_time > 0 {
            let unhealthy = if self.is_balanced() { "unhealthy targets" } else { "pods that are not ready" };
            let alarms = if want.gates.alarms.is_empty() { "" } else { "an alarm or " };
            let bake = human(want.bake_time);
            after.push(format!("bake for {bake}: {alarms}{unhealthy} send traffic back to {old}"));
        }
        after.push(match want.keep_previous {
            0 => format!("then {old} is scaled to 0"),
            keep => format!("then {old} stays warm for {}", human(keep)),
        });
        after
    }

    fn notes(&self, rule: &RuleObservation, from_slot: Option<Slot>) -> Vec<String> {
        let mut notes = Vec::new();
        if let (Some(seconds), Some(old)) = (self.live.stickiness.get(&rule.id), from_slot) {
            notes.push(format!(
                "stickiness keeps clients on {old} for up to {} after the shift",
                human(*seconds)
            ));
        }
        if let Some(others) = self.live.others.get(&rule.id).filter(|others| !others.is_empty()) {
            let share = |(group, percent): &(String, u32)| format!("{percent}% go to {group}");
            let shares: Vec<String> = others.iter().map(share).collect();
            notes.push(format!(
                "of the rule's requests {}, which stays so; the shares above are of the rest",
                shares.join(" and ")
            ));
        }
        if self.live.observation.settle >= SLOW_SECONDS {
            let settle = human(self.live.observation.settle);
            notes.push(format!("this load balancer may take {settle} to follow a change of weights"));
        }
        notes
    }
}

/// What must pass before a new version gets production traffic, as sentences without full stops.
fn gates(gates: &Gates, is_balanced: bool) -> Vec<String> {
    let what = if is_balanced { "targets healthy" } else { "pods ready" };
    let mut all = vec![format!("{}% of the {what} for {}", gates.healthy_targets, human(gates.stable_for))];
    all.extend(gates.http.iter().map(|gate| format!("GET {} answers {}", gate.path, gate.expect_status)));
    all.extend(gates.alarms.iter().map(|alarm| format!("alarm {alarm} is not in ALARM")));
    if gates.approval {
        all.push("approval by `cutover promote`".to_owned());
    }
    all
}
