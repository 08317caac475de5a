//! An ECS service, read.

use super::{InitArgs, Written};
use crate::cli::error::CliError;
use crate::config::{self, LiveTraffic};
use crate::engine::{Trouble, TroubleKind};
use crate::model::PlatformKind;
use crate::platform::ecs::{Ecs, LiveService};
use crate::traffic::alb::Alb;
use serde_json::{Value, json};

/// Reads the service, its revision and the rules that send to it.
///
/// # Errors
/// Those of the reads.
pub(super) async fn read(args: &InitArgs, cluster: &str, name: &str) -> Result<Written, CliError> {
    let aws = args.aws.connect(None).await?;
    let ecs = Ecs::new(aws.clone(), cluster);
    let service = ecs.read_service(name).await?.ok_or_else(|| Trouble {
        kind: TroubleKind::Missing,
        doing: format!("DescribeServices {name}"),
        message: format!("there is no such service in cluster {cluster}"),
    })?;
    let task_definition = ecs.read_task_definition(service.task_definition()).await?;
    let traffic = read_traffic(&Alb::new(aws.clone()), &service, args).await?;
    let documents = config::documents_from_live(&config::LiveService {
        service: &service.json,
        task_definition: &task_definition.json,
        task_definition_tags: task_definition.json.get("tags").unwrap_or(&Value::Null),
        is_scaled: args.autoscaled,
        traffic,
    });
    Ok(Written {
        documents,
        name: name.to_owned(),
        destination: json!({"ecs": {"region": aws.region(), "cluster": cluster}}),
        platform: PlatformKind::Ecs,
    })
}

/// The rules that send to the service's first target group; `None` without one.
async fn read_traffic(
    alb: &Alb,
    service: &LiveService,
    args: &InitArgs,
) -> Result<Option<LiveTraffic>, CliError> {
    let balancers = service.json.get("loadBalancers").and_then(Value::as_array).into_iter().flatten();
    let group = balancers.filter_map(|b| b.get("targetGroupArn").and_then(Value::as_str)).next();
    let Some(group) = group else { return Ok(None) };
    Ok(Some(LiveTraffic {
        production: production(alb, group, args).await?,
        test: args.test_listener.clone(),
        target_group: group_name(group).to_owned(),
        second_target_group: args.second_target_group.clone(),
    }))
}

/// The rules that send to a target group, those for tests aside.
///
/// # Errors
/// Those of the reads.
pub(super) async fn production(alb: &Alb, group: &str, args: &InitArgs) -> Result<Vec<String>, CliError> {
    let uses = alb.uses_of(&[group]).await?;
    let is_test = |rule: &String| args.test_listener.as_ref() == Some(rule);
    let serving = uses.into_iter().filter(|found| found.weight > 0).map(|found| found.rule);
    let mut production: Vec<String> = serving.filter(|rule| !is_test(rule)).collect();
    production.dedup();
    Ok(production)
}

/// `web` of `arn:…:targetgroup/web/0123`.
pub(super) fn group_name(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}
