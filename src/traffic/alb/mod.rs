//! Listener rules, weights and target health of Elastic Load Balancing.

mod actions;
mod apply;
mod groups;
mod health;
mod hindrances;
mod observe;
mod obstacles;
mod rules;
mod uses;

pub use actions::ActionList;
pub use uses::GroupUse;

use crate::aws::Aws;
use crate::engine::{Obstacles, Registered, Rollout, Traffic, TrafficReading, Trouble};
use crate::model::BySlot;
use crate::rollout::{Action, Hindrance, Remedy, RuleObservation};
use groups::Groups;
use obstacles::Owners;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Moves traffic by the weights of forward actions.
pub struct Alb {
    aws: Aws,
    /// Why targets are not healthy, from the last reading of each target group.
    reasons: Mutex<HashMap<String, Vec<String>>>,
    owners: Owners,
}

impl Alb {
    /// On these clients.
    pub fn new(aws: Aws) -> Alb {
        Alb { aws, reasons: Mutex::default(), owners: Owners::default() }
    }

    /// Why targets of the slots were not healthy when they were last read, most frequent first, for people.
    ///
    /// # Errors
    /// Target groups that can't be looked up.
    pub async fn target_troubles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<BySlot<Vec<String>>, Trouble> {
        let groups = self.groups(rollout, registered).await?.groups;
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |group: &str| reasons.get(group).cloned().unwrap_or_default();
        Ok(BySlot::from_fn(|slot| groups.own(slot).into_iter().flat_map(of).collect()))
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

impl Traffic for Alb {
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        self.observe(rollout, registered).await
    }

    async fn observe_obstacles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        self.obstacles(rollout, registered).await
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        self.apply(rollout, registered, observed, action).await
    }

    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble> {
        let groups: Vec<&str> = target_groups.iter().map(String::as_str).collect();
        let uses = self.uses_of_existing(&groups).await?;
        let in_use = uses.into_iter().find(|found| found.weight > 0 && !found.is_of(except));
        Ok(in_use.map(|found| {
            let why = format!("{} still gives {} weight {}", found.rule, found.target_group, found.weight);
            Hindrance::new(why, vec![Remedy::TakeOut { rule: found.rule, target_group: found.target_group }])
        }))
    }
}
