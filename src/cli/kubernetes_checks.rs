//! What `cutover verify --live` asks a Kubernetes cluster, and AWS where a BlueGreen names a load balancer: what the API
//! server makes of every document, and whether all that a rollout needs is there.

use super::error::CliError;
use super::live_checks::{check_alarms, check_groups, check_hindrances};
use super::live_judgement::{Group, Notes};
use crate::config::{Finding, Severity};
use crate::engine::{self, Deployment, Rollout};
use crate::kubernetes::Kinds;
use crate::model::{ClusterTraffic, Kind, Problem, marks};
use crate::plan::{Change, Plan, PlanItem};
use crate::rollout::RuleSplit;
use crate::sites::KubernetesTarget;

/// Everything a deploy would stumble over, by document. Writes nothing: objects are sent as dry runs.
///
/// # Errors
/// Reads that failed: what could not be looked at is never taken for right.
pub async fn kubernetes_findings(
    target: &KubernetesTarget,
    deployment: &Deployment,
) -> Result<Vec<Finding>, CliError> {
    let mut findings = refusals(&engine::plan(target, deployment).await?);
    let kinds = target.cluster().kinds().await?;
    for rollout in deployment.rollouts() {
        let label = marks::document(Kind::BlueGreen, &rollout.blue_green.name);
        let mut notes = Notes::new(&rollout.blue_green.origin, label, &mut findings);
        check_traffic(target, &kinds, &rollout, &mut notes).await?;
        check_alarms(target, &rollout, &mut notes).await?;
    }
    findings.sort();
    Ok(findings)
}

/// What the API server says of the documents when it is asked without being told to keep them.
fn refusals(plan: &Plan) -> Vec<Finding> {
    let blocked = plan.items.iter().filter(|item| item.change == Change::Blocked);
    let finding = |item: &PlanItem| {
        let origin = item.origin.clone().unwrap_or_default();
        // A refused field's sentence begins with where it is, which is said anyway.
        let message = item.why.strip_prefix(&format!("{origin}: ")).unwrap_or(&item.why).to_owned();
        let problem = Problem { origin, document: item.document(), field: String::new(), message };
        Finding { severity: Severity::Error, problem }
    };
    blocked.map(finding).collect()
}

async fn check_traffic(
    target: &KubernetesTarget,
    kinds: &Kinds,
    rollout: &Rollout,
    notes: &mut Notes<'_>,
) -> Result<(), CliError> {
    let field = match &rollout.blue_green.traffic {
        None => {
            if kinds.find("elbv2.k8s.aws/v1beta1", "TargetGroupBinding").is_none() {
                notes.error(
                    "alb",
                    "the cluster has no kind TargetGroupBinding; install aws-load-balancer-controller, or use traffic",
                );
            }
            let aws = &target.aws().side().await?.aws;
            return check_groups(aws, target, rollout, judge_addresses, notes).await;
        }
        Some(ClusterTraffic::Service(_)) => "traffic.service",
        Some(ClusterTraffic::HttpRoute(_)) => "traffic.httpRoute",
    };
    let Some(seen) = check_hindrances(target, rollout, field, notes).await? else { return Ok(()) };
    for rule in &seen.rules {
        if let RuleSplit::Neither(why) = &rule.split {
            notes.error(field, format!("{} reaches neither slot: {why}", rule.id));
        }
    }
    Ok(())
}

/// Pods are registered by their addresses.
fn judge_addresses(group: &Group, field: &str, notes: &mut Notes<'_>) {
    if group.target_type != "ip" {
        let message = format!(
            "target group {} has targets of type {}, but pods are registered by address: it has to be of type ip",
            group.name, group.target_type
        );
        notes.error(field, message);
    }
}
