//! Reads the rules of a rollout and the health of its slots' targets.

use super::hindrances::{self, Found};
use super::rules::{Rule, observation, unusable};
use super::{Alb, Groups, production_rules, test_rule};
use crate::engine::{Registered, Rollout, TrafficReading, Trouble, TroubleKind};
use crate::model::{BySlot, Slot, settle_seconds};
use crate::rollout::{Hindrance, Targets};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// The groups of both slots, and what is wrong with those that the documents name.
#[derive(Default)]
pub(super) struct FoundGroups {
    pub groups: Groups,
    /// Why a slot's declared group does not exist, or could not be looked up.
    missing: BySlot<Option<String>>,
    unread: BySlot<Option<String>>,
}

/// What the health of one group's targets was read as.
type Health = Result<(Targets, BTreeSet<String>), Trouble>;

impl Alb {
    /// The ARNs of the slots' target groups. One that the documents name and that does not exist is told, and is an error
    /// for nobody.
    ///
    /// # Errors
    /// Reads that failed, where nothing but the documents tells which groups are a slot's.
    pub(super) async fn groups(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<FoundGroups, Trouble> {
        let names = BySlot::from_fn(|slot| rollout.blue_green.target_group(slot));
        let mut found = FoundGroups::default();
        if let Ok(arns) = self.aws.target_group_arns(&[names.blue, names.green]).await {
            let declared = BySlot { blue: arns.first().cloned(), green: arns.get(1).cloned() };
            found.groups = Groups::new(declared, registered);
            return Ok(found);
        }
        let mut declared = BySlot::default();
        for slot in Slot::BOTH {
            match self.aws.target_group_arns(&[names.get(slot)]).await {
                Ok(arns) => *declared.get_mut(slot) = arns.into_iter().next(),
                Err(trouble) if trouble.kind == TroubleKind::Missing => {
                    let name = names.get(slot);
                    *found.missing.get_mut(slot) =
                        Some(format!("there is no target group `{name}` ({})", trouble.message));
                }
                Err(trouble) if registered.get(slot).is_empty() => return Err(trouble),
                Err(trouble) => *found.unread.get_mut(slot) = Some(trouble.to_string()),
            }
        }
        found.groups = Groups::new(declared, registered);
        Ok(found)
    }

    pub(super) async fn observe(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<TrafficReading, Trouble> {
        let mut found = self.groups(rollout, registered).await?;
        let (production, test) = (production_rules(rollout), test_rule(rollout));
        let all: Vec<String> = production.iter().chain(test).cloned().collect();
        let (rules, mut health) = tokio::join!(self.read_each_rule(&all), self.read_health_of(&found.groups));
        if is_deleted(&found.groups, &health) {
            // There may be another group of the same name by now.
            found = self.groups(rollout, registered).await?;
            health = self.read_health_of(&found.groups).await;
        }
        let mut observations = vec![];
        for arn in &production {
            observations.push(match rules.get(arn) {
                Some(Ok(rule)) => observation(arn, rule.clone(), &found.groups),
                Some(Err(trouble)) if trouble.kind != TroubleKind::Missing => return Err(trouble.clone()),
                Some(Err(trouble)) => unusable(arn, trouble),
                None => continue,
            });
        }
        let test_rule = test.and_then(|arn| {
            Some(match rules.get(arn)? {
                Ok(rule) => observation(arn, rule.clone(), &found.groups),
                Err(trouble) => unusable(arn, trouble),
            })
        });
        let sticky = |(arn, rule): (&String, &Result<Rule, Trouble>)| {
            Some((arn.clone(), rule.as_ref().ok()?.actions.stickiness()?))
        };
        let others = |(arn, rule): (&String, &Result<Rule, Trouble>)| {
            Some((arn.clone(), rule.as_ref().ok()?.actions.shares_of_others(&found.groups)))
        };
        let mut reading = TrafficReading {
            stickiness: rules.iter().filter_map(sticky).collect(),
            others: rules.iter().filter_map(others).collect(),
            hindrances: found.hindrances(rollout, &rules),
            rules: observations,
            test_rule,
            targets: BySlot::default(),
            healthy: BySlot::default(),
            settle: settle_seconds(&production),
            test_settle: test.map_or(0, |arn| settle_seconds([arn])),
            unread: found.unread.clone(),
        };
        let in_rules: BTreeSet<String> = production
            .iter()
            .filter_map(|arn| rules.get(arn)?.as_ref().ok())
            .flat_map(|rule| rule.actions.weights())
            .map(|(group, _)| group)
            .collect();
        for slot in Slot::BOTH {
            match health_of(found.groups.own(slot), &in_rules, &health) {
                Ok((targets, healthy)) => {
                    (*reading.targets.get_mut(slot), *reading.healthy.get_mut(slot)) = (targets, healthy);
                }
                Err(trouble) => *reading.unread.get_mut(slot) = Some(trouble.to_string()),
            }
        }
        Ok(reading)
    }

    async fn read_health_of(&self, groups: &Groups) -> BTreeMap<String, Health> {
        let own = Slot::BOTH.into_iter().flat_map(|slot| groups.own(slot));
        let reads = own.map(|group| async move { (group.to_owned(), self.read_health(group).await) });
        join_all(reads).await.into_iter().collect()
    }
}

/// True if AWS says that a group which documents name is gone. Its name is forgotten by then.
fn is_deleted(groups: &Groups, health: &BTreeMap<String, Health>) -> bool {
    let gone = |health: &Health| health.as_ref().is_err_and(|t| t.kind == TroubleKind::Missing);
    health.iter().any(|(arn, health)| gone(health) && groups.declares(arn))
}

impl FoundGroups {
    fn hindrances(
        &self,
        rollout: &Rollout,
        rules: &BTreeMap<String, Result<Rule, Trouble>>,
    ) -> Vec<Hindrance> {
        let found = Found { rollout, groups: &self.groups, rules };
        let mut all = hindrances::of_groups(rollout, &self.groups, &self.missing);
        all.extend(found.named_twice());
        all.extend(production_rules(rollout).iter().flat_map(|arn| found.of_rule(arn)));
        all
    }
}

/// The health of a slot: of its groups that production rules name, the one with the fewest healthy targets; if there are
/// none, of the first. Without a group nothing is registered.
fn health_of(own: Vec<&str>, in_rules: &BTreeSet<String>, health: &BTreeMap<String, Health>) -> Health {
    let named: Vec<&str> = own.iter().copied().filter(|group| in_rules.contains(*group)).collect();
    let asked = if named.is_empty() { own.into_iter().take(1).collect() } else { named };
    let mut worst: Option<(Targets, BTreeSet<String>)> = None;
    for group in asked {
        let Some(read) = health.get(group) else { continue };
        let read = read.clone()?;
        if worst.as_ref().is_none_or(|(targets, _)| read.0.healthy < targets.healthy) {
            worst = Some(read);
        }
    }
    Ok(worst.unwrap_or_default())
}
