//! `cutover sync`: brings the cluster to what the repository says.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::interrupts;
use super::output::Output;
use super::plan::{read_deployment, show};
use super::progress::Progress;
use super::report;
use super::source_flags::SourceFlags;
use super::unwatched::with_way_out;
use crate::engine::{self, StopSignal, Verdict};
use crate::model::parse_duration;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cutover sync -f examples/shop.yaml
  cutover sync --cluster prod                     the current folder, as committed
  cutover sync --repo git@git.example:deploy.git --revision v42 --path apps/shop --cluster prod
  cutover sync -f shop.yaml --dry-run             the same as cutover plan
  cutover sync -f shop.yaml -o json               one JSON object a line; the last one is the report

Ctrl-C stops at the next safe point. A sync that was cut off, however it was, is continued by the next one.";

/// Bring the cluster to what the repository says, and wait until it is there
///
/// Prints the plan, carries it out, and follows every rollout until it is done, has failed or waits for people. Exit
/// code 3 means: a rollout failed, and traffic is on the old version.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SyncArgs {
    /// How long to wait [default: spec.sync.timeout of the Application, 30m without one]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<u64>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Syncs and prints what came of it.
///
/// # Errors
/// If there is no plan; what goes wrong later is part of the report.
pub async fn run(args: &SyncArgs, output: Output) -> Result<Exit, CliError> {
    let read = read_deployment(&args.source, &args.destination, output, "nothing was changed").await;
    let mut deployment = match read {
        Ok(deployment) => deployment,
        Err(error) => return Err(with_way_out(error, &args.source, &args.destination).await),
    };
    if let Some(timeout) = args.timeout {
        deployment.application.sync.timeout = timeout;
    }
    let target = args.destination.connect(&deployment.application).await?;
    if args.dry_run {
        show(&engine::plan(&target, &deployment).await?, output)?;
        return Ok(Exit::Done);
    }
    let stop = StopSignal::default();
    interrupts::watch(&stop, move |text| output.note(text));
    let progress = Progress::new(output);
    let result = engine::sync(&target, &deployment, &progress, &stop).await;
    progress.finish();
    if let Err(trouble) = target.release().await {
        output
            .note(&format!("the application's lock could not be freed; others wait for a minute: {trouble}"));
    }
    let report = result?;
    report::print(&report, |name| target.target_reasons(name), &target.call_counts(), &progress, output)?;
    Ok(exit_of(report.verdict))
}

/// The exit code of a verdict.
pub fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Done => Exit::Done,
        Verdict::AwaitingApproval => Exit::AwaitingApproval,
        Verdict::TimedOut => Exit::TimedOut,
        Verdict::Failed => Exit::Failed,
        Verdict::Error => Exit::Error,
        Verdict::Stopped => Exit::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_documented_exit_code() {
        let codes = [
            (Verdict::Done, 0),
            (Verdict::Error, 1),
            (Verdict::Failed, 3),
            (Verdict::TimedOut, 4),
            (Verdict::AwaitingApproval, 5),
            (Verdict::Stopped, 130),
        ];
        for (verdict, code) in codes {
            assert_eq!(exit_of(verdict) as u8, code, "{verdict:?}");
        }
    }
}
