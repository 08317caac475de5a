//! Questions that `cutover verify --live` asks AWS: whether everything that the documents name is there, and fits together.

use super::error::CliError;
use super::live_judgement::{Group, Notes, judge_groups, judge_network};
use crate::aws::{Aws, Conduct, EcsOperation, listener_of_rule};
use crate::config::Finding;
use crate::engine::{
    self, Adapter, Deployment, Gating, Platform, Rollout, Trouble, TroubleKind, WorkloadDocuments,
};
use crate::model::{BySlot, Destination, Kind, Service, Slot, TaskDefinitionRef, marks};
use crate::plan::{Live, declared_slots, refusal, undeclared};
use crate::rollout::{AlarmState, Observation, Remedy, RuleObservation, RuleSplit};
use crate::sites::EcsTarget;
use serde_json::{Value, json};

/// Everything a deploy would stumble over, by document. Writes nothing.
///
/// # Errors
/// Reads that failed: what could not be looked at is never taken for right.
pub async fn live_findings(target: &EcsTarget, deployment: &Deployment) -> Result<Vec<Finding>, CliError> {
    let mut findings = vec![];
    let manifests = &deployment.manifests;
    let (account, _) = target.aws.identity().await?;
    {
        let application = &deployment.application;
        let label = format!("{}/{}", Kind::Application, application.name);
        let mut notes = Notes::new(&application.origin, label, &mut findings);
        check_cluster(target, application, &mut notes).await?;
    }
    // Without its cluster nothing is there to be looked at.
    let live = match findings.is_empty() {
        true => target.read_live(deployment).await?,
        false => Live::default(),
    };
    for rollout in undeclared(&live.owned, &declared_slots(manifests)) {
        let origin = &deployment.application.origin;
        let why = rollout.why();
        Notes::new(origin, rollout.workload, &mut findings).error("", why);
    }
    for task_definition in manifests.task_definitions.values() {
        let label = marks::document(Kind::TaskDefinition, &task_definition.name);
        let mut notes = Notes::new(&task_definition.origin, label, &mut findings);
        for field in ["executionRoleArn", "taskRoleArn"] {
            let role = task_definition.spec.get(field).and_then(Value::as_str);
            let owner = role.and_then(|arn| arn.split(':').nth(4)).filter(|owner| !owner.is_empty());
            if let Some(owner) = owner.filter(|owner| *owner != account) {
                notes.warning(
                    field,
                    format!("is a role of account {owner}; these credentials are of {account}"),
                );
            }
        }
    }
    for service in manifests.services.values().filter(|s| manifests.blue_green_of(&s.name).is_none()) {
        let label = marks::document(Kind::Service, &service.name);
        let mut notes = Notes::new(&service.origin, label, &mut findings);
        check_service(target, deployment, service, &mut notes).await?;
        if let Some(why) = live.taken.get(service.live_name()) {
            notes.error("loadBalancers", why);
        }
    }
    for rollout in deployment.rollouts() {
        let label = marks::document(Kind::BlueGreen, &rollout.blue_green.name);
        let mut notes = Notes::new(&rollout.blue_green.origin, label, &mut findings);
        check_blue_green(target, &rollout, &mut notes).await?;
    }
    findings.sort();
    Ok(findings)
}

async fn check_cluster(
    target: &EcsTarget,
    application: &crate::model::Application,
    notes: &mut Notes<'_>,
) -> Result<(), CliError> {
    let Destination::Ecs { cluster, .. } = &application.destination else { return Ok(()) };
    let body = json!({"clusters": [cluster]});
    let answer = target.aws.ecs(EcsOperation::DescribeClusters, Conduct::Read, cluster, &body).await?;
    let clusters = answer.get("clusters").and_then(Value::as_array).into_iter().flatten();
    let active = |cluster: &Value| cluster.get("status").and_then(Value::as_str) == Some("ACTIVE");
    if !clusters.into_iter().any(active) {
        let region = target.aws.region();
        notes.error("destination.ecs.cluster", format!("there is no active cluster {cluster} in {region}"));
    }
    Ok(())
}

/// The network mode of the service's task definition, if the documents tell it.
fn network_mode<'a>(deployment: &'a Deployment, service: &Service) -> Option<&'a str> {
    let TaskDefinitionRef::Document(name) = &service.task_definition else { return None };
    let task_definition = deployment.manifests.task_definitions.get(name)?;
    Some(task_definition.spec.get("networkMode").and_then(Value::as_str).unwrap_or("bridge"))
}

async fn check_service(
    target: &EcsTarget,
    deployment: &Deployment,
    service: &Service,
    notes: &mut Notes<'_>,
) -> Result<(), CliError> {
    let balancers = service.spec.get("loadBalancers").and_then(Value::as_array).into_iter().flatten();
    for (index, balancer) in balancers.enumerate() {
        let Some(arn) = balancer.get("targetGroupArn").and_then(Value::as_str) else { continue };
        let field = format!("loadBalancers[{index}].targetGroupArn");
        let Some(group) = found(read_group(&target.aws, arn).await, &field, notes)? else { continue };
        judge_network(&group, network_mode(deployment, service), &field, notes);
        if group.load_balancers.is_empty() {
            notes.error(&field, "no listener sends to this target group; ECS refuses such a service");
        }
    }
    Ok(())
}

async fn check_blue_green(
    target: &EcsTarget,
    rollout: &Rollout,
    notes: &mut Notes<'_>,
) -> Result<(), CliError> {
    let task_definition = match &rollout.workload {
        WorkloadDocuments::Ecs(documents) => documents.task_definition.as_ref(),
        WorkloadDocuments::Kubernetes(_) => None,
    };
    let mode = task_definition
        .map(|document| document.spec.get("networkMode").and_then(Value::as_str).unwrap_or("bridge"));
    let judge = |group: &Group, field: &str, notes: &mut Notes<'_>| judge_network(group, mode, field, notes);
    check_groups(&target.aws, target, rollout, judge, notes).await?;
    check_alarms(target, rollout, notes).await
}

/// The slots' target groups are there, fit what will be their targets, each other, and the rules.
pub async fn check_groups<A: Adapter>(
    aws: &Aws,
    target: &A,
    rollout: &Rollout,
    judge: impl Fn(&Group, &str, &mut Notes<'_>),
    notes: &mut Notes<'_>,
) -> Result<(), CliError> {
    let mut groups = vec![];
    for slot in Slot::BOTH {
        let field = format!("alb.targetGroups.{slot}");
        let name = rollout.blue_green.target_group(slot);
        let Some(group) = found(read_group(aws, name).await, &field, notes)? else { continue };
        judge(&group, &field, notes);
        groups.push(group);
    }
    if let [blue, green] = groups.as_slice() {
        judge_groups(blue, green, notes);
        check_rules(aws, target, rollout, &[blue, green], notes).await?;
    }
    Ok(())
}

/// The alarms of the gates are there.
pub async fn check_alarms(
    gates: &impl Gating,
    rollout: &Rollout,
    notes: &mut Notes<'_>,
) -> Result<(), CliError> {
    let names = &rollout.blue_green.gates.alarms;
    let alarms = found(gates.read_alarms(names).await, "gates.alarms", notes)?.unwrap_or_default();
    for (index, alarm) in alarms.iter().enumerate() {
        if alarm.state == AlarmState::Unknown {
            let message = format!("DescribeAlarms {}: {}", alarm.name, alarm.detail);
            notes.error(&format!("gates.alarms[{index}]"), message);
        }
    }
    Ok(())
}

/// The rules exist, send to these groups, and belong to the load balancer that the groups serve.
async fn check_rules<A: Adapter>(
    aws: &Aws,
    target: &A,
    rollout: &Rollout,
    groups: &[&Group; 2],
    notes: &mut Notes<'_>,
) -> Result<(), CliError> {
    let Some(seen) = check_hindrances(target, rollout, "alb", notes).await? else { return Ok(()) };
    for rule in &seen.rules {
        if let RuleSplit::Neither(why) = &rule.split {
            notes.error("alb", format!("{} forwards to neither target group: {why}", rule.id));
        }
    }
    // What can't be read at all has been told.
    for rule in seen.rules.iter().chain(&seen.test_rule).filter(|rule| !rule.fingerprint.is_empty()) {
        let listener = listener_of_rule(&rule.id).unwrap_or_else(|| rule.id.clone());
        let Some(facts) = found(aws.listener_facts(&listener).await, "alb", notes)? else { continue };
        for group in groups {
            let serves = &group.load_balancers;
            if !serves.is_empty() && !serves.contains(&facts.load_balancer_arn) {
                let message = format!(
                    "target group {} serves another load balancer than {}; a group can serve one only",
                    group.name, rule.id
                );
                notes.error("alb.targetGroups", message);
            }
        }
    }
    Ok(())
}

/// Nothing that a sync would refuse is in the way: the same readings, whether a rollout is near or not.
///
/// # Errors
/// Reads that failed.
pub async fn check_hindrances<A: Adapter>(
    target: &A,
    rollout: &Rollout,
    field: &str,
    notes: &mut Notes<'_>,
) -> Result<Option<Observation>, CliError> {
    let Some(live) = found(engine::observe(target, rollout).await, field, notes)? else { return Ok(None) };
    let registered = BySlot::from_fn(|slot| live.observation.slots.get(slot).groups.clone());
    let obstacles = target.observe_obstacles(rollout, &registered).await;
    let obstacles = found(obstacles, field, notes)?.unwrap_or_default();
    for hindrance in live.observation.hindrances.iter().chain(&obstacles.hindrances) {
        notes.error(edited(&hindrance.remedies).unwrap_or(field), hindrance.in_words(rollout.terms()));
    }
    // Whatever else a sync would stop at: targets in a slot's group that are somebody else's, rules that disagree. Rules
    // that forward to neither slot are told one by one.
    let is_usable = |rule: &RuleObservation| !matches!(rule.split, RuleSplit::Neither(_));
    if let Some((reason, remedies)) = refusal(&live).filter(|_| live.observation.rules.iter().all(is_usable))
    {
        notes.error(edited(&remedies).unwrap_or(field), reason);
    }
    obstacles.notices.into_iter().for_each(|notice| notes.warning(field, notice));
    Ok(Some(live.observation))
}

/// The field that a remedy would have somebody change.
fn edited(remedies: &[Remedy]) -> Option<&str> {
    remedies.iter().find_map(|remedy| match remedy {
        Remedy::Edit { field, .. } => Some(field.as_str()),
        _ => None,
    })
}

async fn read_group(aws: &Aws, name: &str) -> Result<Group, Trouble> {
    let arns = aws.target_group_arns(&[name]).await?;
    let mut groups = aws.describe_target_groups(&arns).await?;
    let group = arns.first().and_then(|arn| groups.remove(arn));
    group.map(Group::from).ok_or_else(|| Trouble {
        kind: TroubleKind::Transient,
        doing: format!("DescribeTargetGroups {name}"),
        message: "the answer lacks it".into(),
    })
}

/// What AWS says is not there, or not so, is a finding; anything else that fails is an error.
pub fn found<T>(
    result: Result<T, Trouble>,
    field: &str,
    notes: &mut Notes<'_>,
) -> Result<Option<T>, CliError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(trouble) if matches!(trouble.kind, TroubleKind::Missing | TroubleKind::Rejected) => {
            notes.error(field, trouble.to_string());
            Ok(None)
        }
        Err(trouble) => Err(trouble.into()),
    }
}
