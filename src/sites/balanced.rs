//! A load balancer, and why its targets were unhealthy when some last were.

use crate::aws::Aws;
use crate::engine::{Obstacles, Registered, Rollout, Traffic, TrafficReading, Trouble};
use crate::model::{BySlot, Slot};
use crate::rollout::{Action, Hindrance, RuleObservation};
use crate::traffic::alb::Alb;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Traffic through Elastic Load Balancing, with what a report tells people.
pub struct Balanced {
    alb: Alb,
    /// By BlueGreen.
    reasons: Mutex<BTreeMap<String, BySlot<Vec<String>>>>,
}

impl Balanced {
    /// Through these clients.
    pub fn new(aws: Aws) -> Balanced {
        Balanced { alb: Alb::new(aws), reasons: Mutex::default() }
    }

    /// The target groups (ARNs) that each of the rollout's rules names; of the rules that can be read.
    pub async fn named_groups(&self, rollout: &Rollout) -> Vec<(String, Vec<String>)> {
        self.alb.named_groups(rollout).await
    }

    /// Why targets of a BlueGreen were unhealthy when some last were in this run, for people.
    pub fn target_reasons(&self, blue_green: &str) -> BySlot<Vec<String>> {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.get(blue_green).cloned().unwrap_or_default()
    }
}

impl Traffic for Balanced {
    async fn observe_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        let reading = self.alb.observe_traffic(rollout, registered).await?;
        if Slot::BOTH.into_iter().any(|slot| reading.targets.get(slot).unhealthy > 0) {
            // The groups' names are known by now, so this asks AWS nothing.
            let reasons = self.alb.target_troubles(rollout, registered).await?;
            let mut known = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            let known = known.entry(rollout.blue_green.name.clone()).or_default();
            for slot in Slot::BOTH {
                if reading.targets.get(slot).unhealthy > 0 {
                    known.get_mut(slot).clone_from(reasons.get(slot));
                }
            }
        }
        Ok(reading)
    }

    async fn observe_obstacles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        self.alb.observe_obstacles(rollout, registered).await
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        self.alb.apply_traffic(rollout, registered, observed, action).await
    }

    async fn traffic_behind(
        &self,
        target_groups: &[String],
        except: &[String],
    ) -> Result<Option<Hindrance>, Trouble> {
        self.alb.traffic_behind(target_groups, except).await
    }
}
