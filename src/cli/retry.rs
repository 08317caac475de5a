//! `cutover retry`: lets the next sync try again what failed, or take the rules as they are.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::output::{Output, clean};
use super::plan::read_deployment;
use super::source_flags::SourceFlags;
use super::standing::{Standing, WorkloadArg, the_one};
use crate::engine::{Signal, Signalling};
use crate::model::Slot;
use crate::rollout::{Phase, Progress, decide};
use crate::sites::Target;
use clap::Args;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  cutover retry -f examples/shop.yaml && cutover sync -f examples/shop.yaml
  cutover retry web --cluster prod                if several workloads failed";

/// Let the next sync try a failed revision again, or accept rules that somebody else changed
///
/// Removes the notes that keep a revision in quarantine. If a sync refuses to go on because a rule's weights are not as
/// it left them, this makes it take them as they are.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RetryArgs {
    #[command(flatten)]
    workload: WorkloadArg,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Removes the notes that stand in the way.
///
/// # Errors
/// If none do, or if another run works on the application.
pub async fn run(args: &RetryArgs, output: Output) -> Result<Exit, CliError> {
    let deployment = read_deployment(&args.source, &args.destination, output, "nothing was changed").await?;
    let target = args.destination.connect(&deployment.application).await?;
    let name = args.workload.workload.as_deref();
    // Refuses before the lock is taken, which takes some seconds.
    the_one(&Standing::read(&target, &deployment, name).await?, "retry", slots_to_forget)?;
    target.lock().await?;
    let result = forget(&target, &deployment, name, output).await;
    if let Err(trouble) = target.release().await {
        output
            .note(&format!("the application's lock could not be freed; others wait for a minute: {trouble}"));
    }
    result.map(|()| Exit::Done)
}

async fn forget(
    target: &Target,
    deployment: &crate::engine::Deployment,
    name: Option<&str>,
    output: Output,
) -> Result<(), CliError> {
    let standings = Standing::read(target, deployment, name).await?;
    let (standing, slots) = the_one(&standings, "retry", slots_to_forget)?;
    let (document, state) = (standing.document(), standing.state());
    if !output.is_json() {
        output.text(&format!("{}: {}\n", clean(&document), clean(&state)))?;
    }
    let mut services = vec![];
    for slot in slots {
        target.apply_signal(&standing.rollout, slot, Signal::Forget).await?;
        services.push(standing.service(slot));
    }
    if output.is_json() {
        return output.json(&json!({"retried": {"document": document, "was": state, "services": services}}));
    }
    output.text(&format!(
        "removed the notes on {}; the next `cutover sync` tries again\n",
        clean(&services.join(" and "))
    ))
}

/// The slots whose notes keep a sync from going on. What helps is found by asking the cutover machine itself.
fn slots_to_forget(standing: &Standing) -> Result<Vec<Slot>, String> {
    let seen = &standing.live.observation;
    let failed = |slot: &Slot| {
        seen.slots.get(*slot).record.as_ref().is_some_and(|record| {
            matches!(record.progress, Progress::Failed(_))
                && record.revision == standing.live.desired.revision
        })
    };
    let noted = |slot: &Slot| seen.slots.get(*slot).record.is_some();
    let slots: Vec<Slot> = match standing.decision.phase {
        Phase::Quarantined => Slot::BOTH.into_iter().filter(failed).collect(),
        Phase::Blocked => Slot::BOTH.into_iter().filter(noted).collect(),
        _ => return Err(format!("nothing keeps a sync from going on ({})", standing.state())),
    };
    let mut without = seen.clone();
    for slot in &slots {
        without.slots.get_mut(*slot).record = None;
    }
    let then = decide(&standing.live.desired, &without, standing.live.now);
    if slots.is_empty() || then.phase == standing.decision.phase {
        return Err(format!("that would not help ({})", standing.state()));
    }
    Ok(slots)
}
