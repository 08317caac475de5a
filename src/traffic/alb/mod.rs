//! Listener rules, weights and target health of Elastic Load Balancing.

mod actions;
mod apply;
mod health;
mod rules;
mod uses;

pub use actions::ActionList;
pub use uses::GroupUse;

use crate::aws::{Aws, LoadBalancerKind};
use crate::engine::{Registered, Rollout, Traffic, TrafficReading, Trouble};
use crate::model::{BySlot, Seconds, Slot};
use crate::rollout::{Action, Hindrance, Remedy, RuleObservation};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// An application load balancer sends by the new weights within seconds of a Modify; twice what was seen by others
/// when they scaled down too early.
const SETTLE_APPLICATION: Seconds = 10;
/// A network load balancer takes minutes; ECS's own blue/green waits ten.
const SETTLE_NETWORK: Seconds = 600;

/// Moves traffic by the weights of forward actions.
pub struct Alb {
    aws: Aws,
    /// Why targets are not healthy, from the last reading of each target group.
    reasons: Mutex<HashMap<String, Vec<String>>>,
}

impl Alb {
    /// On these clients.
    pub fn new(aws: Aws) -> Alb {
        Alb { aws, reasons: Mutex::default() }
    }

    /// Why targets of the slots were not healthy when they were last read, most frequent first, for people.
    ///
    /// # Errors
    /// A target group that cannot be found.
    pub async fn target_troubles(&self, rollout: &Rollout) -> Result<BySlot<Vec<String>>, Trouble> {
        let groups = self.groups(rollout).await?;
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(BySlot::from_fn(|slot| reasons.get(groups.get(slot)).cloned().unwrap_or_default()))
    }

    /// The ARNs of the slots' target groups.
    async fn groups(&self, rollout: &Rollout) -> Result<BySlot<String>, Trouble> {
        let names = Slot::BOTH.map(|slot| rollout.blue_green.target_group(slot));
        let arns = self.aws.target_group_arns(&names).await?;
        Ok(BySlot { blue: arns[0].clone(), green: arns[1].clone() })
    }
}

/// The ARNs of the production rules and listeners, in the order that `Action`s count them.
fn production_rules(rollout: &Rollout) -> Vec<String> {
    let alb = &rollout.blue_green.alb;
    alb.production_listener_rule.arns().iter().chain(alb.production_listener.arns()).cloned().collect()
}

fn test_rule(rollout: &Rollout) -> Option<&String> {
    let alb = &rollout.blue_green.alb;
    alb.test_listener_rule.as_ref().or(alb.test_listener.as_ref())
}

fn settle(rules: &[String]) -> Seconds {
    let of = |arn: &String| match LoadBalancerKind::of_arn(arn) {
        LoadBalancerKind::Application => SETTLE_APPLICATION,
        LoadBalancerKind::Network => SETTLE_NETWORK,
    };
    rules.iter().map(of).max().unwrap_or(SETTLE_APPLICATION)
}

impl Traffic for Alb {
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        let groups = self.groups(rollout).await?;
        let production = production_rules(rollout);
        let test = test_rule(rollout);
        let all: Vec<String> = production.iter().chain(test).cloned().collect();
        let (rules, blue, green) = tokio::join!(
            self.read_rules(&all),
            self.read_health(&groups.blue),
            self.read_health(&groups.green)
        );
        let mut rules = rules?;
        let ((blue, healthy_blue), (green, healthy_green)) = (blue?, green?);
        let mut observations: Vec<RuleObservation> = vec![];
        let mut stickiness = BTreeMap::new();
        for arn in &all {
            if let Some(seconds) = rules.get(arn).and_then(|rule| rule.actions.stickiness()) {
                stickiness.insert(arn.clone(), seconds);
            }
            observations.push(rules::observation(arn, rules::take(&mut rules, arn)?, &groups));
        }
        let test_rule = test.and_then(|_| observations.pop());
        Ok(TrafficReading {
            rules: observations,
            test_rule,
            targets: BySlot { blue, green },
            healthy: BySlot { blue: healthy_blue, green: healthy_green },
            stickiness,
            settle: settle(&production),
            test_settle: 0,
            unread: BySlot::default(),
            hindrances: vec![],
        })
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        self.apply(rollout, observed, action).await
    }

    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble> {
        let groups: Vec<&str> = target_groups.iter().map(String::as_str).collect();
        let uses = self.uses_of(&groups).await?;
        let in_use = uses.into_iter().find(|found| found.weight > 0 && !except.contains(&found.rule));
        Ok(in_use.map(|found| {
            let why = format!("{} still gives {} weight {}", found.rule, found.target_group, found.weight);
            Hindrance::new(why, vec![Remedy::TakeOut { rule: found.rule, target_group: found.target_group }])
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_load_balancers_get_minutes_to_settle() {
        let arn = |kind: &str| format!("arn:aws:elasticloadbalancing:r:1:listener/{kind}/lb/1/2");
        assert_eq!(settle(&[arn("app")]), SETTLE_APPLICATION);
        assert_eq!(settle(&[arn("app"), arn("net")]), SETTLE_NETWORK);
    }
}
