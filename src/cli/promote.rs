//! `cutover promote`: lets a rollout that waits for approval go on.

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
  cutover promote -f examples/shop.yaml
  cutover promote web --cluster prod              if several workloads wait
  cutover promote -f shop.yaml && cutover sync -f shop.yaml";

/// Approve a rollout whose gates are open, so that traffic moves to it
///
/// Only a rollout that waits for approval (gates.approval: true) can be promoted. A sync that is running goes on at its
/// next look; otherwise the next sync does.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PromoteArgs {
    #[command(flatten)]
    workload: WorkloadArg,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Approves.
///
/// # Errors
/// If nothing waits for approval.
pub async fn run(args: &PromoteArgs, output: Output) -> Result<Exit, CliError> {
    let deployment = read_deployment(&args.source, &args.destination, output, "nothing was promoted").await?;
    let target = args.destination.connect(&deployment.application).await?;
    let standings = Standing::read(&target, &deployment, args.workload.workload.as_deref()).await?;
    let (standing, (slot, record)) = the_one(&standings, "promote", waiting_for_approval)?;
    let subject = Subject::new(standing, slot, &record);
    if !output.is_json() {
        output.text(&format!(
            "Promoting {}: revision {} on {slot} ({})\n",
            clean(&subject.document),
            clean(&subject.revision),
            clean(&subject.service)
        ))?;
    }
    target.apply_signal(&standing.rollout, slot, Signal::Promote(record.sequence)).await?;
    if output.is_json() {
        output.json(&json!({"promoted": subject}))?;
    } else {
        output.text("promoted; a running sync goes on by itself, otherwise run `cutover sync`\n")?;
    }
    Ok(Exit::Done)
}

fn waiting_for_approval(standing: &Standing) -> Result<(Slot, Record), String> {
    let seen = &standing.live.observation;
    let Some((slot, record)) = seen.current_record() else {
        return Err(format!("no rollout is under way ({})", standing.state()));
    };
    if !standing.live.desired.gates.approval {
        return Err("it asks for no approval (gates.approval is false)".into());
    }
    if record.revision != standing.live.desired.revision {
        return Err("its rollout is of another revision than this commit's".into());
    }
    match record.progress {
        Progress::Ready if seen.slots.get(slot).signals.promote == Some(record.sequence) => {
            Err("it is promoted already; the next sync goes on".into())
        }
        Progress::Ready => Ok((slot, record.clone())),
        Progress::Rolling => Err(format!("its gates are not open yet ({})", standing.state())),
        _ => Err(format!("nothing waits for approval ({})", standing.state())),
    }
}
