//! Which rules send to a target group: asked before something behind it is touched.

use super::rules::parse_rule;
use super::{ActionList, Alb};
use crate::aws::{LoadBalancerKind, Node};
use crate::engine::{Trouble, TroubleKind};
use aws_sdk_elasticloadbalancingv2::types::TargetGroup;
use serde::Serialize;
use std::collections::BTreeMap;

/// A rule (or a listener's default action) that names a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupUse {
    pub rule: String,
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
        let arns: Vec<String> = groups.keys().cloned().collect();
        let mut balancers: Vec<String> =
            groups.into_values().flat_map(|g| g.load_balancer_arns.unwrap_or_default()).collect();
        balancers.sort();
        balancers.dedup();
        let mut uses = vec![];
        let mut note = |rule: &str, actions: &ActionList| {
            let weights = actions.weights();
            let alone = weights.len() == 1;
            for (target_group, weight) in weights.into_iter().filter(|(arn, _)| arns.contains(arn)) {
                let weight = if alone { 100 } else { weight };
                uses.push(GroupUse { rule: rule.to_owned(), target_group, weight });
            }
        };
        for balancer in balancers {
            // A load balancer or listener that was deleted meanwhile sends nothing.
            let listeners = existing(self.aws.elb_listeners_of(&balancer).await)?;
            for listener in listeners.into_iter().flatten() {
                let Some(arn) = listener.text_of("ListenerArn") else { continue };
                if let Some(actions) = listener.child("DefaultActions") {
                    note(arn, &ActionList::new(actions.clone()));
                }
                if LoadBalancerKind::of_arn(arn) == LoadBalancerKind::Network {
                    continue;
                }
                let rules: Option<Vec<Node>> = existing(self.aws.elb_rules_of(arn).await)?;
                for (rule_arn, rule) in rules.iter().flatten().filter_map(parse_rule) {
                    if rule.default_of.is_none() {
                        note(&rule_arn, &rule.actions);
                    }
                }
            }
        }
        Ok(uses)
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
