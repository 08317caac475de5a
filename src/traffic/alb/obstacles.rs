//! Reads what closes the way forward and matters only until a new version has weight: whose the rules and groups are,
//! whether requests reach the production rules, and those of the HTTP gate the test rule.

use super::hindrances::{edit, of_test_rule};
use super::rules::Rule;
use super::{Alb, production_rules, test_rule};
use crate::aws::{Shadow, listener_of_rule};
use crate::engine::{Obstacles, Registered, Rollout, Trouble, TroubleKind};
use crate::model::Slot;
use crate::rollout::{Hindrance, Remedy};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The tags that the AWS Load Balancer Controller puts on everything that it makes for an Ingress, a Service or a Gateway.
/// It sets such things back to what it made, and puts no tag on groups that are named in TargetGroupBindings.
const MADE_FOR: [&str; 3] = ["ingress.k8s.aws/", "service.k8s.aws/", "gateway.k8s.aws"];
/// The controller's tag for its cluster. People put it on target groups by themselves, for their IAM policies' sake.
const CLUSTER: &str = "elbv2.k8s.aws/cluster";

/// The owners of rules, listeners and groups; read once a run.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By ARN: the tag that names another owner, if there is one.
    tags: HashMap<String, Option<String>>,
    /// Why tags may not be read.
    denied: Option<String>,
}

impl Alb {
    pub(super) async fn obstacles(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        let mut found = self.owned_by_others(rollout, registered).await?;
        if let Some(arn) = test_rule(rollout) {
            // In a rollout under way a test rule that can't be read is told by the gate, which waits for it and then gives
            // up: only before it begins this is an obstacle.
            for (arn, read) in self.read_each_rule(std::slice::from_ref(arn)).await {
                match read {
                    Err(trouble) if trouble.kind == TroubleKind::Transient => return Err(trouble),
                    read => found.hindrances.extend(of_test_rule(rollout, &arn, &read)),
                }
            }
        }
        found.hindrances.extend(self.unreachable_gates(rollout).await?);
        for shadow in self.aws.shadows(&production_rules(rollout)).await? {
            note_shadow(shadow, &mut found);
        }
        Ok(found)
    }

    /// The target groups (ARNs) that each of the rollout's rules names; of the rules that can be read.
    pub async fn named_groups(&self, rollout: &Rollout) -> Vec<(String, Vec<String>)> {
        let arns: Vec<String> =
            production_rules(rollout).into_iter().chain(test_rule(rollout).cloned()).collect();
        let rules = self.read_each_rule(&arns).await.into_iter();
        let groups = |rule: Rule| rule.actions.weights().into_iter().map(|(group, _)| group).collect();
        rules.filter_map(|(arn, rule)| Some((arn, groups(rule.ok()?)))).collect()
    }

    async fn owned_by_others(
        &self,
        rollout: &Rollout,
        registered: &Registered,
    ) -> Result<Obstacles, Trouble> {
        let groups = self.groups(rollout, registered).await?.groups;
        let named: Vec<String> =
            production_rules(rollout).into_iter().chain(test_rule(rollout).cloned()).collect();
        let mut asked: Vec<(String, String)> = vec![];
        for rule in &named {
            asked.push((rule.clone(), "alb".to_owned()));
            asked.extend(listener_of_rule(rule).map(|listener| (listener, "alb".to_owned())));
        }
        for slot in Slot::BOTH {
            let field = format!("alb.targetGroups.{slot}");
            asked.extend(groups.own(slot).into_iter().map(|arn| (arn.to_owned(), field.clone())));
        }
        let arns: Vec<String> = asked.iter().map(|(arn, _)| arn.clone()).collect();
        self.read_owners(&arns).await?;
        let known = self.owners.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Obstacles::default();
        found.notices.extend(known.denied.as_ref().map(|why| {
            format!(
                "nobody can tell whether the rules and target groups of BlueGreen/{} belong to a controller that sets \
                 them back, since their tags can't be read: {why}",
                rollout.blue_green.name
            )
        }));
        for (arn, field) in asked {
            let Some(Some(tag)) = known.tags.get(&arn) else { continue };
            let why =
                format!("{arn} belongs to the AWS Load Balancer Controller ({tag}), which sets it back");
            let to = "what no Ingress, Service or Gateway makes";
            let hindrance = Hindrance::new(why, vec![edit(rollout, field, to)]);
            if !found.hindrances.contains(&hindrance) {
                found.hindrances.push(hindrance);
            }
        }
        Ok(found)
    }

    async fn read_owners(&self, arns: &[String]) -> Result<(), Trouble> {
        let unknown: Vec<String> = {
            let known = self.owners.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.denied.is_some() {
                return Ok(());
            }
            let mut unknown: Vec<String> =
                arns.iter().filter(|arn| !known.tags.contains_key(*arn)).cloned().collect();
            unknown.sort();
            unknown.dedup();
            unknown
        };
        let read = self.aws.elb_tags(&unknown).await;
        let mut known = self.owners.0.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(read) => {
                known.tags.extend(read.into_iter().map(|(arn, tags)| (arn.clone(), owner(&arn, &tags))));
            }
            Err(trouble) if trouble.kind == TroubleKind::Transient => return Err(trouble),
            Err(trouble) => known.denied = Some(trouble.to_string()),
        }
        Ok(())
    }

    /// Requests of the HTTP gate that somebody else than the test rule would answer.
    async fn unreachable_gates(&self, rollout: &Rollout) -> Result<Vec<Hindrance>, Trouble> {
        let gates = &rollout.blue_green.gates.http;
        let Some(rule) = test_rule(rollout).filter(|_| !gates.is_empty()) else { return Ok(vec![]) };
        let strays = match self.aws.stray_requests(rule, gates).await {
            Ok(strays) => strays,
            Err(trouble) if trouble.kind == TroubleKind::Transient => return Err(trouble),
            // That the rule is gone or can't be read is told with the rule; the gate stays closed.
            Err(_) => return Ok(vec![]),
        };
        let hindrance = |(at, stray): (usize, crate::aws::Stray)| {
            Hindrance::new(stray.why, vec![edit(rollout, format!("gates.http[{at}]"), stray.ask_instead)])
        };
        let found = strays.into_iter().enumerate().filter_map(|(at, stray)| Some((at, stray?)));
        Ok(found.map(hindrance).collect())
    }
}

/// A production rule that no request reaches. While other targets answer in its place nothing proves the new version, and
/// whoever lifted that rule would give it all requests at once; a maintenance page is somebody's purpose.
fn note_shadow(shadow: Shadow, found: &mut Obstacles) {
    let Shadow { rule, by, by_name, by_targets } = shadow;
    match by_targets {
        true => found.hindrances.push(Hindrance::new(
            format!("{by_name} takes every request of {rule} before it"),
            vec![Remedy::Yield { rule: by, to: rule }],
        )),
        false => found.notices.push(format!(
            "{by_name} answers every request of {rule} by itself: as long as it does, no version that is rolled out \
             there serves anybody"
        )),
    }
}

/// The tag that says that another controller made this.
fn owner(arn: &str, tags: &[(String, String)]) -> Option<String> {
    let is_group = arn.contains(":targetgroup/");
    let says_so =
        |key: &str| MADE_FOR.iter().any(|prefix| key.starts_with(prefix)) || (key == CLUSTER && !is_group);
    let (key, value) = tags.iter().find(|(key, _)| says_so(key))?;
    Some(format!("{key}: {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_controller_made_is_told_from_what_people_tagged() {
        let tags =
            |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), "v".to_owned())).collect::<Vec<_>>();
        let (rule, group) = ("arn:aws:e:r:1:listener-rule/app/x/1/2/3", "arn:aws:e:r:1:targetgroup/x/1");
        for (arn, keys, expected) in [
            (rule, vec!["Name", "elbv2.k8s.aws/cluster"], true),
            (group, vec!["elbv2.k8s.aws/cluster"], false),
            (group, vec!["elbv2.k8s.aws/cluster", "ingress.k8s.aws/resource"], true),
            (group, vec!["service.k8s.aws/stack"], true),
            (rule, vec!["gateway.k8s.aws.alb/stack"], true),
            (rule, vec!["kubernetes.io/cluster/prod", "team"], false),
        ] {
            assert_eq!(owner(arn, &tags(&keys)).is_some(), expected, "{arn} {keys:?}");
        }
    }
}
