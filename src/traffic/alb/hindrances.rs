//! What of rules and groups, as read, closes the way forward. Pure.

use super::actions::short;
use super::rules::{Rule, why_unusable};
use super::{Groups, production_rules, test_rule};
use crate::aws::listener_of_rule;
use crate::engine::{Rollout, Trouble};
use crate::model::{BySlot, Kind, Slot, marks};
use crate::rollout::{Hindrance, Remedy};
use std::collections::BTreeMap;

/// What was found of a rollout's rules.
pub(super) struct Found<'a> {
    pub rollout: &'a Rollout,
    pub groups: &'a Groups,
    pub rules: &'a BTreeMap<String, Result<Rule, Trouble>>,
}

/// The document of a rollout, for remedies.
pub(super) fn document(rollout: &Rollout) -> String {
    marks::document(Kind::BlueGreen, &rollout.blue_green.name)
}

/// A remedy in the rollout's own document.
pub(super) fn edit(rollout: &Rollout, field: impl Into<String>, to: impl Into<String>) -> Remedy {
    Remedy::Edit { document: document(rollout), field: field.into(), to: to.into() }
}

/// Groups that the documents name and that are not there, or are the other slot's.
pub(super) fn of_groups(
    rollout: &Rollout,
    groups: &Groups,
    missing: &BySlot<Option<String>>,
) -> Vec<Hindrance> {
    let of = |slot: Slot| {
        let field = format!("alb.targetGroups.{slot}");
        let name = rollout.blue_green.target_group(slot);
        if let Some(why) = missing.get(slot) {
            let restore = Remedy::Restore { what: format!("the target group {name}") };
            return Some(Hindrance::new(
                why.clone(),
                vec![restore, edit(rollout, field, "a target group that exists")],
            ));
        }
        let other = slot.other();
        let service = rollout.slot_name(other);
        groups.taken(slot).map(|arn| {
            let why =
                format!("{service}, which is {other}, is registered in {arn}, the target group for {slot}");
            Hindrance::new(
                why,
                vec![edit(rollout, field, format!("a target group that {service} is not in"))],
            )
        })
    };
    Slot::BOTH.into_iter().filter_map(of).collect()
}

impl Found<'_> {
    fn rule(&self, arn: &str) -> Option<&Rule> {
        self.rules.get(arn)?.as_ref().ok()
    }

    /// One rule under two names, of which one would undo what the other does: a listener and its default rule.
    pub fn named_twice(&self) -> Vec<Hindrance> {
        let named: Vec<String> =
            production_rules(self.rollout).into_iter().chain(test_rule(self.rollout).cloned()).collect();
        let listener = |arn: &String| self.rule(arn).and_then(|rule| rule.default_of.clone());
        let mut found = vec![];
        for (at, arn) in named.iter().enumerate() {
            let same = |earlier: &&String| {
                *earlier == arn || (listener(arn).is_some() && listener(earlier) == listener(arn))
            };
            if let Some(earlier) = named[..at].iter().find(same) {
                let why = format!("{earlier} and {arn} are the same rule, named twice");
                found.push(Hindrance::new(
                    why,
                    vec![edit(self.rollout, "alb", format!("name {arn} or {earlier}, not both"))],
                ));
            }
        }
        found
    }

    /// A production rule that can't be given the weights of every step.
    pub fn of_rule(&self, arn: &str) -> Vec<Hindrance> {
        let Some(rule) = self.rule(arn) else { return vec![] };
        let mut found = vec![];
        if let Some(others) = rule.actions.crowding(self.groups) {
            let missing: Vec<&str> = Slot::BOTH
                .into_iter()
                .filter(|slot| !self.groups.is_named(*slot, &rule.actions.weights()))
                .map(|slot| self.rollout.blue_green.target_group(slot))
                .map(short)
                .collect();
            let why = format!(
                "{arn} names {} target groups, of at most 5, and {} is not among them",
                rule.actions.weights().len(),
                missing.join(" and ")
            );
            let drop = |target_group| Remedy::Drop { rule: arn.to_owned(), target_group };
            let mut remedies: Vec<Remedy> = others.into_iter().map(drop).collect();
            if remedies.is_empty() {
                remedies.push(edit(self.rollout, "alb.targetGroups", "groups that the rule names"));
            }
            found.push(Hindrance::new(why, remedies));
        }
        if let Some((slot, weights)) = rule.actions.indivisible(self.groups, &self.rollout.blue_green.steps) {
            let why = format!(
                "the slots' weight in {arn} can't be divided into the shares of `steps` without changing the share of \
                 the other target groups"
            );
            let set = Remedy::SetRule { rule: arn.to_owned(), slot, weights };
            found.push(Hindrance::new(why, vec![set, edit(self.rollout, "steps", "[{weight: 100}]")]));
        }
        found
    }
}

/// A test rule that can't be pointed at a slot: `read` is what it was read as.
pub(super) fn of_test_rule(rollout: &Rollout, arn: &str, read: &Result<Rule, Trouble>) -> Option<Hindrance> {
    let field = match rollout.blue_green.alb.test_listener_rule {
        Some(_) => "alb.testListenerRule",
        None => "alb.testListener",
    };
    let why = match read {
        Ok(rule) if rule.actions.forwards() => return None,
        Ok(_) => "it has no forward action".to_owned(),
        Err(trouble) => why_unusable(trouble),
    };
    let kind = if listener_of_rule(arn).is_some() { "rule" } else { "listener" };
    let what = format!("the test {kind} {arn} with a forward action");
    let to = format!("a {kind} that exists and forwards");
    let why = format!("the test {kind} {arn} can't be used: {why}");
    Some(Hindrance::new(why, vec![Remedy::Restore { what }, edit(rollout, field, to)]))
}
