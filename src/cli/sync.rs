//! `cutover sync`: brings the cluster to what the repository says.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::history::GitHistory;
use super::interrupts;
use super::output::Output;
use super::plan::{read_deployment, show};
use super::progress::Progress;
use super::release::release;
use super::report;
use super::source_flags::SourceFlags;
use super::unwatched::with_way_out;
use crate::engine::{self, StopSignal, Verdict};
use crate::model::parse_duration;
use clap::Args;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

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
    let begun = Instant::now();
    let mut source = args.source.clone();
    source.git.git_timeout = source.git.git_timeout.min(args.timeout.unwrap_or(u64::MAX));
    let read = async || read_deployment(&source, &args.destination, output, "nothing was changed").await;
    let mut deployment = match read().await {
        Ok(deployment) => deployment,
        Err(error) => return Err(with_way_out(error, &source, &args.destination).await),
    };
    let target = args.destination.connect(&deployment.application).await?;
    if args.dry_run {
        show(&engine::plan(&target, &deployment).await?, output)?;
        return Ok(Exit::Done);
    }
    let history = Arc::new(GitHistory::of(&source, &deployment.application)?);
    let target = target.remembering(history.clone());
    let stop = StopSignal::default();
    interrupts::watch(&stop, move |text| output.note(text));
    let time = Duration::from_secs(args.timeout.unwrap_or(deployment.application.sync.timeout));
    let ended = loop {
        let round = StopSignal::default();
        history.begin(&deployment.commit, &round, begun + time);
        // What was used up before the first sync counts, and so does the one of a commit that another one took the place of.
        deployment.application.sync.timeout = time.saturating_sub(begun.elapsed()).as_secs().max(1);
        let progress = Progress::new(output);
        let sync = engine::sync(&target, &deployment, &progress, &round);
        let result = stopped_by(&stop, &round, sync).await;
        progress.finish();
        match history.moved().filter(|_| !stop.is_set() && begun.elapsed() < time) {
            None => break result.map(|report| (report, progress)).map_err(CliError::from),
            Some(commit) => output.note(&format!(
                "{} is at commit {commit} by now: nothing of {} was written, and it is planned anew",
                deployment.application.source.target_revision, deployment.commit
            )),
        }
        deployment = match read().await {
            Ok(deployment) => deployment,
            Err(error) => break Err(error),
        };
    };
    release(&target, begun + time, output).await;
    let (report, progress) = ended?;
    report::print(&report, |name| target.target_reasons(name), &target.call_counts(), &progress, output)?;
    Ok(exit_of(report.verdict))
}

/// Does `work`, and sets `inner` once `outer` is.
async fn stopped_by<T>(outer: &StopSignal, inner: &StopSignal, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = work.as_mut() => return done,
        () = outer.wait() => inner.set(),
    }
    work.await
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
