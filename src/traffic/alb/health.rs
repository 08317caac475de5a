//! Reads the health of a target group's targets.

use super::Alb;
use crate::aws::{Call, Conduct, ServiceName};
use crate::engine::{Trouble, TroubleKind};
use crate::rollout::Targets;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

impl Alb {
    /// Counts the group's targets by state, names the healthy ones, and keeps the reasons of those that are not healthy.
    pub(super) async fn read_health(&self, group: &str) -> Result<(Targets, BTreeSet<String>), Trouble> {
        let call = Call::new(ServiceName::Elb, "DescribeTargetHealth", group);
        let answer = self
            .aws
            .send(&call, Conduct::Read, || {
                self.aws.elb().describe_target_health().target_group_arn(group).send()
            })
            .await?;
        let described = answer.target_health_descriptions.ok_or_else(|| Trouble {
            kind: TroubleKind::Transient,
            doing: call.doing(),
            message: "the answer has no TargetHealthDescriptions".into(),
        })?;
        let mut targets = Targets::default();
        let mut healthy = BTreeSet::new();
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for description in described {
            let health = description.target_health.as_ref();
            let state = health.and_then(|h| h.state.as_ref()).map_or("", |s| s.as_str());
            let reason = health.and_then(|h| h.reason.as_ref()).map_or("", |r| r.as_str());
            *count_of(&mut targets, state, reason) += 1;
            if let ("healthy", Some(target)) = (state, &description.target) {
                let id = target.id.as_deref().unwrap_or_default();
                healthy.insert(format!("{id}:{}", target.port.unwrap_or_default()));
            }
            if !matches!(state, "healthy" | "draining") {
                let description = health.and_then(|h| h.description.as_deref()).unwrap_or_default();
                *reasons.entry(sentence(state, reason, description)).or_default() += 1;
            }
        }
        let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let reasons = reasons.into_iter().map(|(text, count)| format!("{count} × {text}")).collect();
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).insert(group.to_owned(), reasons);
        Ok((targets, healthy))
    }
}

/// Which number a target counts in. `Elb.InternalError` says something about the load balancer, not about the target.
fn count_of<'a>(targets: &'a mut Targets, state: &str, reason: &str) -> &'a mut u32 {
    match (state, reason) {
        ("healthy", _) => &mut targets.healthy,
        ("draining" | "unhealthy.draining", _) => &mut targets.draining,
        ("unused", _) => &mut targets.unused,
        (_, "Elb.InternalError") => &mut targets.unknown,
        ("initial", _) => &mut targets.initial,
        ("unhealthy", _) => &mut targets.unhealthy,
        _ => &mut targets.unknown,
    }
}

fn sentence(state: &str, reason: &str, description: &str) -> String {
    let state = if state.is_empty() { "state unknown" } else { state };
    let clean: String = description.chars().filter(|c| !c.is_control()).take(200).collect();
    [state, reason, &clean].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_healthy_counts_as_healthy() {
        for (state, reason, want) in [
            ("healthy", "", Targets { healthy: 1, ..Targets::default() }),
            ("initial", "Elb.RegistrationInProgress", Targets { initial: 1, ..Targets::default() }),
            ("unhealthy", "Target.FailedHealthChecks", Targets { unhealthy: 1, ..Targets::default() }),
            ("unhealthy", "Elb.InternalError", Targets { unknown: 1, ..Targets::default() }),
            ("initial", "Elb.InternalError", Targets { unknown: 1, ..Targets::default() }),
            ("unavailable", "Target.HealthCheckDisabled", Targets { unknown: 1, ..Targets::default() }),
            ("unused", "Target.NotInUse", Targets { unused: 1, ..Targets::default() }),
            ("draining", "Target.DeregistrationInProgress", Targets { draining: 1, ..Targets::default() }),
            ("unhealthy.draining", "", Targets { draining: 1, ..Targets::default() }),
            ("a state of next year", "", Targets { unknown: 1, ..Targets::default() }),
            ("", "", Targets { unknown: 1, ..Targets::default() }),
        ] {
            let mut got = Targets::default();
            *count_of(&mut got, state, reason) += 1;
            assert_eq!(got, want, "{state} {reason}");
        }
    }
}
