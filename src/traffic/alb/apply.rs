//! Changes one rule: compare, write, verify.

use super::rules::{Rule, observation, take};
use super::{ActionList, Alb, Groups, production_rules, test_rule};
use crate::engine::{Registered, Rollout, Trouble, TroubleKind};
use crate::rollout::{Action, RuleObservation};
use std::time::Duration;

/// Pauses before the verifying reads. The first is at once; the others are for answers older than our write.
const VERIFY_PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

impl Alb {
    pub(super) async fn apply(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        let arn = &observed.id;
        let named = match action {
            Action::NameGroup { rule, .. } | Action::SetWeights { rule, .. } => {
                production_rules(rollout).get(*rule).cloned()
            }
            Action::PointTestRule { .. } => test_rule(rollout).cloned(),
            _ => return Err(rejected(arn, format!("`{action}` is not a change of a rule"))),
        };
        if named.as_ref() != Some(arn) {
            return Err(rejected(arn, "the observed rule is not the one that the action speaks of".into()));
        }
        let groups = self.groups(rollout, registered).await?.groups;
        // Rate limit and lease are waited for here, so that nothing stands between the comparison and the write.
        self.aws.make_room_for_modify(arn).await?;
        let current = self.read_one(arn).await?;
        if current.actions.fingerprint() != observed.fingerprint {
            return Err(Trouble {
                kind: TroubleKind::ChangedByOthers,
                doing: format!("changing {arn}"),
                message: format!(
                    "it is not as it was observed: it had {}, now it has {}",
                    observed.split.weights(),
                    current.actions.split(&groups).weights()
                ),
            });
        }
        let wanted = match action {
            Action::NameGroup { slot, .. } => current.actions.with_named(&groups, *slot),
            Action::PointTestRule { slot } => current.actions.pointed_at(&groups, *slot),
            Action::SetWeights { weights, .. } => current.actions.with_weights(&groups, *weights),
            _ => Ok(current.actions.clone()),
        }
        .map_err(|sentence| rejected(arn, sentence))?;
        if same_weights(&wanted, &current.actions) {
            return Ok(observation(arn, current, &groups));
        }
        self.write(arn, &current, &wanted).await?;
        self.verify(arn, &current, &wanted, &groups).await
    }

    async fn write(&self, arn: &str, current: &Rule, wanted: &ActionList) -> Result<(), Trouble> {
        let mut tree = wanted.tree().clone();
        match &current.default_of {
            Some(listener) => {
                tree.name = "DefaultActions".into();
                self.aws.elb_modify_listener(listener, &tree).await
            }
            None => {
                tree.name = "Actions".into();
                self.aws.elb_modify_rule(arn, &tree).await
            }
        }
    }

    /// Reads the rule again until it shows what was written.
    async fn verify(
        &self,
        arn: &str,
        before: &Rule,
        wanted: &ActionList,
        groups: &Groups,
    ) -> Result<RuleObservation, Trouble> {
        for pause in VERIFY_PAUSES {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let now = self.read_one(arn).await?;
            if same_weights(wanted, &now.actions) {
                return Ok(observation(arn, now, groups));
            }
            if now.actions.fingerprint() != before.actions.fingerprint() {
                return Err(Trouble {
                    kind: TroubleKind::ChangedByOthers,
                    doing: format!("verifying {arn}"),
                    message: format!(
                        "right after our write of {} it has {}",
                        wanted.split(groups).weights(),
                        now.actions.split(groups).weights()
                    ),
                });
            }
        }
        Err(Trouble {
            kind: TroubleKind::Transient,
            doing: format!("verifying {arn}"),
            message: "the write was accepted, but the rule still reads as before".into(),
        })
    }

    async fn read_one(&self, arn: &str) -> Result<Rule, Trouble> {
        let mut rules = self.read_rules(&[arn.to_owned()]).await?;
        take(&mut rules, arn)
    }
}

fn same_weights(one: &ActionList, other: &ActionList) -> bool {
    let sorted = |list: &ActionList| {
        let mut weights = list.weights();
        weights.sort();
        weights
    };
    sorted(one) == sorted(other)
}

fn rejected(arn: &str, message: String) -> Trouble {
    Trouble { kind: TroubleKind::Rejected, doing: format!("changing {arn}"), message }
}
