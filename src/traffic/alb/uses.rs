//! Which rules send to a target group: asked before something behind it is deleted.

use super::rules::parse_rule;
use super::{ActionList, Alb};
use crate::aws::LoadBalancerKind;
use crate::engine::Trouble;
use serde::Serialize;

/// A rule (or a listener's default action) that names a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupUse {
    pub rule: String,
    pub target_group: String,
    pub weight: u32,
}

impl Alb {
    /// Every rule of every listener of the load balancers that use these target groups (names or ARNs) and that names
    /// one of them, with its weight. An answer is complete.
    ///
    /// # Errors
    /// Any read that failed, and groups that do not exist.
    pub async fn uses_of(&self, target_groups: &[&str]) -> Result<Vec<GroupUse>, Trouble> {
        if target_groups.is_empty() {
            return Ok(vec![]);
        }
        let described = async |arns: Vec<String>| {
            let groups = self.aws.describe_target_groups(&arns).await?;
            Ok((arns, groups))
        };
        let (arns, groups) = self.aws.with_target_groups(target_groups, described).await?;
        let mut balancers: Vec<String> =
            groups.into_values().flat_map(|g| g.load_balancer_arns.unwrap_or_default()).collect();
        balancers.sort();
        balancers.dedup();
        let mut uses = vec![];
        let mut note = |rule: &str, actions: &ActionList| {
            for (target_group, weight) in actions.weights() {
                if arns.contains(&target_group) {
                    uses.push(GroupUse { rule: rule.to_owned(), target_group, weight });
                }
            }
        };
        for balancer in balancers {
            for listener in self.aws.elb_listeners_of(&balancer).await? {
                let Some(arn) = listener.text_of("ListenerArn") else { continue };
                if let Some(actions) = listener.child("DefaultActions") {
                    note(arn, &ActionList::new(actions.clone()));
                }
                if LoadBalancerKind::of_arn(arn) == LoadBalancerKind::Network {
                    continue;
                }
                for (rule_arn, rule) in self.aws.elb_rules_of(arn).await?.iter().filter_map(parse_rule) {
                    if rule.default_of.is_none() {
                        note(&rule_arn, &rule.actions);
                    }
                }
            }
        }
        Ok(uses)
    }
}
