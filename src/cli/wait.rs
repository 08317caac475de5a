//! `cutover wait`: follows an application until it has come to rest.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::interrupts;
use super::output::Output;
use super::plan::read_deployment;
use super::progress::Progress;
use super::source_flags::SourceFlags;
use super::status;
use super::sync::exit_of;
use crate::engine::{self, StopSignal};
use crate::model::parse_duration;
use clap::Args;
use serde_json::json;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  cutover wait -f examples/shop.yaml
  cutover wait --cluster prod --timeout 10m
  cutover rollback -f shop.yaml && cutover wait -f shop.yaml     if a pipeline runs the sync";

/// Wait until everything is as the repository says, without changing anything
///
/// Somebody else does the work: a pipeline, another terminal. Ends like a sync would: exit code 3 if a rollout failed,
/// 4 if the time is over, 5 if somebody has to promote it.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct WaitArgs {
    /// How long to wait
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30m")]
    timeout: u64,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Follows, then prints the status.
///
/// # Errors
/// If the documents or the live state can't be read.
pub async fn run(args: &WaitArgs, output: Output) -> Result<Exit, CliError> {
    let deployment = read_deployment(&args.source, &args.destination, output, "nothing was read").await?;
    let target = args.destination.connect(&deployment.application).await?;
    let stop = StopSignal::default();
    interrupts::watch(&stop, move |text| output.note(text));
    let progress = Progress::without_plan(output);
    let timeout = Duration::from_secs(args.timeout);
    let result = engine::follow(&target, &deployment, timeout, &progress, &stop).await;
    progress.finish();
    let (status, verdict) = result?;
    if output.is_json() {
        output.json_line(&json!({"event": "report", "verdict": verdict, "status": status}));
    } else if let Some(status) = status {
        status::show(&status, output)?;
    } else {
        output.note("stopped before anything could be read");
    }
    Ok(exit_of(verdict))
}
