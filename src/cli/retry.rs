//! `cutover retry`: lets the next sync try again what failed, or take the rules as they are.

use super::error::{CliError, Exit};
use super::output::{Output, clean};
use super::release::release;
use super::request::RequestArgs;
use crate::engine::{self, Deployment, RequestVerb, Signalling, Unfit};
use crate::sites::Target;
use clap::Args;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const EXAMPLES: &str = "\
Examples:
  cutover retry -f examples/shop.yaml && cutover sync -f examples/shop.yaml
  cutover retry web --cluster prod                if several workloads failed
  cutover retry --app shop --app-namespace team-a   if a controller runs it";

/// Let the next sync try a failed revision again, or accept rules that somebody else changed
///
/// Removes the notes that keep a revision in quarantine, or that keep a rolling service's from being sent again after ECS
/// gave it up. If a sync refuses to go on because a rule's weights are not as
/// it left them, this makes it take them as they are.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RetryArgs {
    #[command(flatten)]
    request: RequestArgs,
}

/// Removes the notes that stand in the way.
///
/// # Errors
/// If none do, or if another run works on the application.
pub async fn run(args: &RetryArgs, output: Output) -> Result<Exit, CliError> {
    if let Some(exit) = args.request.ask_controller(RequestVerb::Retry, output).await? {
        return Ok(exit);
    }
    let workload = args.request.workload();
    let (deployment, target) = args.request.open("nothing was changed", output).await?;
    let result = retry(&target, &deployment, workload, output).await;
    release(&target, Instant::now() + Duration::from_secs(60), output).await;
    result.map(|()| Exit::Done)
}

async fn retry(
    target: &Target,
    deployment: &Deployment,
    workload: Option<&str>,
    output: Output,
) -> Result<(), CliError> {
    let lifted = match workload {
        None => target.forget_refused(deployment).await?,
        Some(_) => vec![],
    };
    // Refuses before the lock is taken, which takes some seconds.
    match engine::choose(target, deployment, RequestVerb::Retry, workload).await {
        Err(Unfit::NoWorkload { .. } | Unfit::Nothing(..)) if !lifted.is_empty() => {
            return tell_lifted(&lifted, output);
        }
        other => other?,
    };
    engine::lock(target, |text| output.note(&format!("waiting for {text}"))).await?;
    forget(target, deployment, workload, output).await
}

fn tell_lifted(services: &[String], output: Output) -> Result<(), CliError> {
    if output.is_json() {
        return output.json(&json!({"retried": {"services": services}}));
    }
    output.text(&format!(
        "what ECS gave up of {} is sent again by the next `cutover sync`\n",
        clean(&services.join(" and "))
    ))
}

async fn forget(
    target: &Target,
    deployment: &Deployment,
    name: Option<&str>,
    output: Output,
) -> Result<(), CliError> {
    let chosen = engine::choose(target, deployment, RequestVerb::Retry, name).await?;
    let (document, state, services) = (&chosen.document, &chosen.state, &chosen.services);
    if !output.is_json() {
        output.text(&format!("{}: {}\n", clean(document), clean(state)))?;
    }
    chosen.leave(target).await?;
    if output.is_json() {
        return output.json(&json!({"retried": {"document": document, "was": state, "services": services}}));
    }
    output.text(&format!(
        "removed the notes on {}; the next `cutover sync` tries again\n",
        clean(&services.join(" and "))
    ))
}
