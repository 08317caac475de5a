//! Finds the rules that send to a target group: asked before something behind it is touched, or given its first weight.

use super::rules::{Rule, parse_rule};
use super::{ActionList, Alb};
use crate::aws::{LoadBalancerKind, Node};
use crate::engine::{Trouble, TroubleKind};
use aws_sdk_elasticloadbalancingv2::types::TargetGroup;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A rule (or a listener's default action) that names a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupUse {
    pub rule: String,
    /// The ARN of the default rule, where `rule` is the listener that it is the default action of: documents may name
    /// either.
    #[serde(skip)]
    pub default_rule: Option<String>,
    pub target_group: String,
    /// 100 for a group that is named alone, whatever weight is written there: it gets every request.
    pub weight: u32,
}

impl Alb {
    /// Every rule of every listener of the load balancers that use these target groups (names or ARNs) and that names
    /// one of them, with its weight. An answer is complete.
    ///
    /// # Errors
    /// Any read that failed, and groups that do not exist.
    pub async fn uses_of(&self, target_groups: &[&str]) -> Result<Vec<GroupUse>, Trouble> {
        let groups = self.describe_groups(target_groups).await?;
        self.uses_of_these(groups).await
    }

    /// The same for those of the groups that exist: one that was deleted gets no request.
    pub(super) async fn uses_of_existing(&self, target_groups: &[&str]) -> Result<Vec<GroupUse>, Trouble> {
        let mut groups = BTreeMap::new();
        match self.describe_groups(target_groups).await {
            Ok(found) => groups = found,
            Err(trouble) if trouble.kind == TroubleKind::Missing => {
                for group in target_groups {
                    groups.extend(existing(self.describe_groups(&[group]).await)?.unwrap_or_default());
                }
            }
            Err(trouble) => return Err(trouble),
        }
        self.uses_of_these(groups).await
    }

    async fn describe_groups(&self, groups: &[&str]) -> Result<BTreeMap<String, TargetGroup>, Trouble> {
        let described = async |arns: Vec<String>| self.aws.describe_target_groups(&arns).await;
        self.aws.with_target_groups(groups, described).await
    }

    async fn uses_of_these(&self, groups: BTreeMap<String, TargetGroup>) -> Result<Vec<GroupUse>, Trouble> {
        let mut balancers: Vec<String> = vec![];
        for (arn, group) in &groups {
            let used_by = group.load_balancer_arns.as_ref();
            balancers.extend(used_by.ok_or_else(|| lacking(arn, "LoadBalancerArns"))?.iter().cloned());
        }
        balancers.sort();
        balancers.dedup();
        let arns: BTreeSet<&String> = groups.keys().collect();
        let mut uses = vec![];
        for balancer in balancers {
            // A load balancer or listener that was deleted meanwhile sends nothing.
            let listeners = existing(self.aws.elb_listeners_of(&balancer).await)?;
            for listener in listeners.iter().flatten() {
                uses.extend(self.uses_by(listener).await?);
            }
        }
        uses.retain(|found| arns.contains(&found.target_group));
        Ok(uses)
    }

    /// Every group that a listener's rules and default action name.
    async fn uses_by(&self, listener: &Node) -> Result<Vec<GroupUse>, Trouble> {
        let arn = listener.text_of("ListenerArn").ok_or_else(|| lacking("a listener", "ListenerArn"))?;
        let actions = listener.child("DefaultActions").cloned().map(ActionList::new);
        let actions = actions.filter(ActionList::is_readable).ok_or_else(|| lacking(arn, "its actions"))?;
        let of_default = |default_rule: Option<String>| uses_in(arn, default_rule, &actions);
        if LoadBalancerKind::of_arn(arn) == LoadBalancerKind::Network {
            return Ok(of_default(None));
        }
        let Some(rules) = existing(self.aws.elb_rules_of(arn).await)? else { return Ok(vec![]) };
        let mut uses = vec![];
        let mut default_rule = None;
        for rule in &rules {
            match parse_rule(rule).ok_or_else(|| lacking(arn, "a rule's ARN or actions"))? {
                (found, Rule { default_of: Some(_), .. }) => default_rule = Some(found),
                (found, rule) => uses.extend(uses_in(&found, None, &rule.actions)),
            }
        }
        uses.extend(of_default(default_rule));
        Ok(uses)
    }
}

fn uses_in(rule: &str, default_rule: Option<String>, actions: &ActionList) -> Vec<GroupUse> {
    let weights = actions.weights();
    let alone = weights.len() == 1;
    let one = |(target_group, weight)| GroupUse {
        rule: rule.to_owned(),
        default_rule: default_rule.clone(),
        target_group,
        weight: if alone { 100 } else { weight },
    };
    weights.into_iter().map(one).collect()
}

impl GroupUse {
    /// True if one of these ARNs is the rule's, or the one of the listener that it is the default action of.
    pub(super) fn is_of(&self, arns: &[String]) -> bool {
        arns.iter().any(|arn| *arn == self.rule || Some(arn) == self.default_rule.as_ref())
    }
}

/// An answer without what it always has tells nothing: it is no answer that there is none.
fn lacking(of: &str, what: &str) -> Trouble {
    Trouble {
        kind: TroubleKind::Transient,
        doing: format!("reading which rules send requests to {of}"),
        message: format!("the answer lacks {what}"),
    }
}

/// `None` for what does not exist.
fn existing<T>(read: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(trouble) if trouble.kind == TroubleKind::Missing => Ok(None),
        Err(trouble) => Err(trouble),
    }
}
