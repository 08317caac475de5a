//! Reads rules and listeners' default actions.

use super::{ActionList, Alb, Groups};
use crate::aws::{Node, listener_of_rule};
use crate::engine::{Trouble, TroubleKind};
use crate::rollout::{RuleObservation, RuleSplit};
use futures_util::future::join_all;
use std::collections::{BTreeMap, HashMap};

/// One rule, or one listener's default action, as read.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub actions: ActionList,
    /// The listener whose default action this is; ModifyRule refuses default rules.
    pub default_of: Option<String>,
}

impl Alb {
    /// Reads rules and listeners by ARN, in one call for each kind. The answer has every one of them.
    pub(super) async fn read_rules(&self, arns: &[String]) -> Result<HashMap<String, Rule>, Trouble> {
        let (listeners, rules): (Vec<String>, Vec<String>) =
            arns.iter().cloned().partition(|arn| arn.contains(":listener/"));
        let (listeners, rules) = (without_doubles(listeners), without_doubles(rules));
        let (rule_nodes, listener_nodes) = tokio::join!(
            async { if rules.is_empty() { Ok(vec![]) } else { self.aws.elb_rules(&rules).await } },
            async {
                if listeners.is_empty() { Ok(vec![]) } else { self.aws.elb_listeners(&listeners).await }
            }
        );
        let mut found = HashMap::new();
        for node in rule_nodes? {
            if let Some((arn, rule)) = parse_rule(&node) {
                found.insert(arn, rule);
            }
        }
        for node in listener_nodes? {
            if let (Some(arn), Some(actions)) = (node.text_of("ListenerArn"), node.child("DefaultActions"))
                && let actions = ActionList::new(actions.clone())
                && actions.is_readable()
            {
                found.insert(arn.to_owned(), Rule { actions, default_of: Some(arn.to_owned()) });
            }
        }
        match arns.iter().find(|arn| !found.contains_key(*arn)) {
            None => Ok(found),
            Some(arn) => Err(lacking(arn)),
        }
    }
}

impl Alb {
    /// Reads rules and listeners by ARN, each for itself where AWS refuses the whole list because of one.
    pub(super) async fn read_each_rule(&self, arns: &[String]) -> BTreeMap<String, Result<Rule, Trouble>> {
        let (listeners, rules): (Vec<String>, Vec<String>) =
            arns.iter().cloned().partition(|arn| arn.contains(":listener/"));
        let (listeners, rules) =
            tokio::join!(self.read_each_of_kind(&listeners), self.read_each_of_kind(&rules));
        listeners.into_iter().chain(rules).collect()
    }

    async fn read_each_of_kind(&self, arns: &[String]) -> Vec<(String, Result<Rule, Trouble>)> {
        let one = |mut rules: HashMap<String, Rule>, arn: &str| rules.remove(arn).ok_or_else(|| lacking(arn));
        match (self.read_rules(arns).await, arns) {
            (Ok(rules), _) => {
                return arns.iter().map(|arn| (arn.clone(), one(rules.clone(), arn))).collect();
            }
            (Err(trouble), [arn]) => return vec![(arn.clone(), Err(trouble))],
            (Err(_), _) => {}
        }
        let alone = arns.iter().map(|arn| async {
            let read = self.read_rules(std::slice::from_ref(arn)).await;
            (arn.clone(), read.and_then(|rules| one(rules, arn)))
        });
        join_all(alone).await
    }

    /// The fingerprints of rules' and listeners' actions by ARN, as [`RuleObservation`]s have them; in one call for each
    /// of both.
    ///
    /// # Errors
    /// [`crate::engine::TroubleKind::Missing`] if one of them does not exist.
    pub async fn fingerprints(&self, arns: &[String]) -> Result<BTreeMap<String, String>, Trouble> {
        let rules = self.read_rules(arns).await?;
        Ok(rules.into_iter().map(|(arn, rule)| (arn, rule.actions.fingerprint())).collect())
    }
}

/// The rule and its ARN; `None` for an answer without either, or whose actions can't be read.
pub(super) fn parse_rule(node: &Node) -> Option<(String, Rule)> {
    let arn = node.text_of("RuleArn")?;
    let actions = ActionList::new(node.child("Actions")?.clone());
    if !actions.is_readable() {
        return None;
    }
    let default = node.text_of("IsDefault") == Some("true");
    let default_of = if default { Some(listener_of_rule(arn)?) } else { None };
    Some((arn.to_owned(), Rule { actions, default_of }))
}

pub(super) fn take(rules: &mut HashMap<String, Rule>, arn: &str) -> Result<Rule, Trouble> {
    rules.get(arn).cloned().ok_or_else(|| lacking(arn))
}

pub(super) fn observation(arn: &str, rule: Rule, groups: &Groups) -> RuleObservation {
    RuleObservation {
        id: arn.to_owned(),
        split: rule.actions.split(groups),
        fingerprint: rule.actions.fingerprint(),
    }
}

/// A rule that is gone or, for the test rule, that can't be read.
pub(super) fn unusable(arn: &str, trouble: &Trouble) -> RuleObservation {
    let split = RuleSplit::Neither(why_unusable(trouble));
    RuleObservation { id: arn.to_owned(), split, fingerprint: String::new() }
}

/// Why nothing is known of a rule.
pub(super) fn why_unusable(trouble: &Trouble) -> String {
    match trouble.kind {
        TroubleKind::Missing => "it does not exist any more".to_owned(),
        _ => format!("it can't be read: {trouble}"),
    }
}

fn lacking(arn: &str) -> Trouble {
    Trouble {
        kind: TroubleKind::Transient,
        doing: format!("reading {arn}"),
        message: "the answer lacks it or its actions".into(),
    }
}

fn without_doubles(mut arns: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    arns.retain(|arn| seen.insert(arn.clone()));
    arns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_action_that_does_not_say_where_to_is_unreadable() {
        let group = |weight: &str| {
            let tuple = format!("<member><TargetGroupArn>arn:x</TargetGroupArn>{weight}</member>");
            format!("<ForwardConfig><TargetGroups>{tuple}</TargetGroups></ForwardConfig>")
        };
        for (config, expected) in [
            (group("<Weight>7</Weight>"), true),
            (group(""), true),
            (group("<Weight></Weight>"), false),
            ("<ForwardConfig><TargetGroups></TargetGroups></ForwardConfig>".into(), false),
            (String::new(), false),
        ] {
            let xml = format!(
                "<member><RuleArn>arn:r</RuleArn><Actions><member><Type>forward</Type>{config}</member></Actions></member>"
            );
            let node = Node::parse(xml.as_bytes()).unwrap();
            assert_eq!(parse_rule(&node).is_some(), expected, "{config}");
        }
    }

    #[test]
    fn a_default_rule_is_changed_through_its_listener() {
        let rule = "arn:aws:elasticloadbalancing:r:1:listener-rule/app/lb/50/f2/9f";
        let xml = format!(
            "<member><RuleArn>{rule}</RuleArn><IsDefault>true</IsDefault><Actions><member><Type>forward</Type>\
             <TargetGroupArn>arn:x</TargetGroupArn></member></Actions></member>"
        );
        let (arn, parsed) = parse_rule(&Node::parse(xml.as_bytes()).unwrap()).unwrap();
        assert_eq!(arn, rule);
        assert_eq!(
            parsed.default_of.as_deref(),
            Some("arn:aws:elasticloadbalancing:r:1:listener/app/lb/50/f2")
        );
    }
}
