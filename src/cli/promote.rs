//! `cutover promote`: lets a rollout that waits for approval go on.

use super::error::{CliError, Exit};
use super::output::{Output, clean};
use super::request::RequestArgs;
use crate::engine::{self, RequestVerb};
use clap::Args;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  cutover promote -f examples/shop.yaml
  cutover promote web --cluster prod              if several workloads wait
  cutover promote -f shop.yaml && cutover sync -f shop.yaml
  cutover promote --app shop --app-namespace team-a   if a controller runs it";

/// Approve a rollout whose gates are open, so that traffic moves to it
///
/// Only a rollout that waits for approval (gates.approval: true) can be promoted. A sync that is running goes on at its
/// next look; otherwise the next sync does.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PromoteArgs {
    #[command(flatten)]
    request: RequestArgs,
}

/// Approves.
///
/// # Errors
/// If nothing waits for approval.
pub async fn run(args: &PromoteArgs, output: Output) -> Result<Exit, CliError> {
    if let Some(exit) = args.request.ask_controller(RequestVerb::Promote, output).await? {
        return Ok(exit);
    }
    let workload = args.request.workload();
    let (deployment, target) = args.request.open("nothing was promoted", output).await?;
    let chosen = engine::choose(&target, &deployment, RequestVerb::Promote, workload).await?;
    if !output.is_json()
        && let Some(subject) = &chosen.subject
    {
        output.text(&format!(
            "Promoting {}: revision {} on {} ({})\n",
            clean(&subject.document),
            clean(&subject.revision),
            subject.slot,
            clean(&subject.service)
        ))?;
    }
    chosen.leave(&target).await?;
    if output.is_json() {
        output.json(&json!({"promoted": chosen.subject}))?;
    } else {
        output.text("promoted; a running sync goes on by itself, otherwise run `cutover sync`\n")?;
    }
    Ok(Exit::Done)
}
