//! `cutover abort`: gives up a rollout; traffic goes back.

use super::error::{CliError, Exit};
use super::output::{Output, clean};
use super::request::RequestArgs;
use crate::engine::{self, RequestVerb};
use crate::model::SyncMode;
use clap::Args;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  cutover abort -f examples/shop.yaml
  cutover abort web --cluster prod                if several rollouts are under way
  cutover abort --app shop --app-namespace team-a   if a controller runs it

The revision is not tried again until `cutover retry` or another commit. To go back to an older version for good, use
`cutover rollback`.";

/// Give up the rollout that is under way; traffic goes back to the old version
///
/// A sync that is running does so at its next look; otherwise the next sync does.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct AbortArgs {
    #[command(flatten)]
    request: RequestArgs,
}

/// Aborts.
///
/// # Errors
/// If there is nothing to abort.
pub async fn run(args: &AbortArgs, output: Output) -> Result<Exit, CliError> {
    if let Some(exit) = args.request.ask_controller(RequestVerb::Abort, output).await? {
        return Ok(exit);
    }
    let workload = args.request.workload();
    let (deployment, target) = args.request.open("nothing was aborted", output).await?;
    let chosen = engine::choose(&target, &deployment, RequestVerb::Abort, workload).await?;
    if !output.is_json()
        && let Some(subject) = &chosen.subject
    {
        output.text(&format!(
            "Aborting {}: revision {} on {} ({}), {}\n",
            clean(&subject.document),
            clean(&subject.revision),
            subject.slot,
            clean(&subject.service),
            clean(&subject.progress)
        ))?;
    }
    chosen.leave(&target).await?;
    if output.is_json() {
        output.json(&json!({"aborted": chosen.subject}))?;
    } else {
        let application = &deployment.application;
        output.text(match application.suspend || application.sync.mode == SyncMode::Observe {
            true => {
                "noted, and nothing moves: the Application is suspended or only observed; take that out of its spec, and \
                 the next sync takes traffic back\n"
            }
            false => "aborted; a running sync takes traffic back by itself, otherwise run `cutover sync`\n",
        })?;
    }
    Ok(Exit::Done)
}
