//! `cutover abort`: gives up a rollout; traffic goes back.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::output::{Output, clean};
use super::plan::read_deployment;
use super::source_flags::SourceFlags;
use super::standing::{Standing, Subject, WorkloadArg, the_one};
use crate::engine::{Signal, Signalling};
use crate::model::Slot;
use crate::rollout::{Progress, Record};
use clap::Args;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  cutover abort -f examples/shop.yaml
  cutover abort web --cluster prod                if several rollouts are under way

The revision is not tried again until `cutover retry` or another commit. To go back to an older version for good, use
`cutover rollback`.";

/// Give up the rollout that is under way; traffic goes back to the old version
///
/// A sync that is running does so at its next look; otherwise the next sync does.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct AbortArgs {
    #[command(flatten)]
    workload: WorkloadArg,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Aborts.
///
/// # Errors
/// If there is nothing to abort.
pub async fn run(args: &AbortArgs, output: Output) -> Result<Exit, CliError> {
    let deployment = read_deployment(&args.source, &args.destination, output, "nothing was aborted").await?;
    let target = args.destination.connect(&deployment.application).await?;
    let standings = Standing::read(&target, &deployment, args.workload.workload.as_deref()).await?;
    let (standing, (slot, record)) = the_one(&standings, "abort", under_way)?;
    let subject = Subject::new(standing, slot, &record);
    if !output.is_json() {
        output.text(&format!(
            "Aborting {}: revision {} on {slot} ({}), {}\n",
            clean(&subject.document),
            clean(&subject.revision),
            clean(&subject.service),
            record.progress
        ))?;
    }
    target.apply_signal(&standing.rollout, slot, Signal::Abort(record.sequence)).await?;
    if output.is_json() {
        output.json(&json!({"aborted": subject}))?;
    } else {
        output
            .text("aborted; a running sync takes traffic back by itself, otherwise run `cutover sync`\n")?;
    }
    Ok(Exit::Done)
}

fn under_way(standing: &Standing) -> Result<(Slot, Record), String> {
    let seen = &standing.live.observation;
    let Some((slot, record)) = seen.current_record() else {
        return Err(format!("no rollout is under way ({})", standing.state()));
    };
    let has_weight = seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
    match record.progress {
        Progress::Rolling | Progress::Ready | Progress::Shifting { .. } | Progress::Baking(_) => {
            if record.from.is_none() && has_weight {
                return Err("it serves already, and there is no previous version to go back to".into());
            }
            if seen.slots.get(slot).signals.abort == Some(record.sequence) {
                return Err("it is aborted already; the next sync takes traffic back".into());
            }
            Ok((slot, record.clone()))
        }
        Progress::Returning { .. } => Err("its traffic is going back already".into()),
        Progress::Done(_) | Progress::Failed(_) => {
            Err(format!("no rollout is under way ({})", standing.state()))
        }
    }
}
