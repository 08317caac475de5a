//! `cutover delete`: the end of an application, with everything that it owns.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::interrupts;
use super::output::{Output, clean};
use super::plan::show;
use super::progress::Progress;
use super::release::release;
use super::source_flags::{Chosen, read_application};
use super::sync::exit_of;
use crate::engine::{self, Deployment, StopSignal, SyncReport, Verdict};
use crate::model::{Manifests, SyncMode, parse_duration};
use crate::plan::Change;
use crate::sites::Target;
use clap::Args;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

const EXAMPLES: &str = "\
Examples:
  cutover delete -f shop.yaml                     show what would be deleted, and what stays
  cutover delete -f shop.yaml --yes               delete it, and wait until it is gone
  cutover delete -f shop.yaml --yes -o json

Requests come first: routes and Services go before what runs behind them, and what a listener rule sends requests to stays
until the rule no longer does. Namespaces, CustomResourceDefinitions and volume claims go only if they are annotated
cutover.dev/prune: allowed. An Application in a cluster is deleted with kubectl; its spec.deletion says what goes with it.";

/// What stands in the place of a commit.
const AT: &str = "its end";
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// Delete everything that an application owns, requests first
///
/// Only what bears the application's ownership mark is deleted; the documents in Git are not read. Without --yes the plan is
/// shown and nothing is done. A deletion that was cut off, however it was, is continued by the next one.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DeleteArgs {
    /// The Application file
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Delete what the plan shows
    #[arg(long)]
    yes: bool,
    /// How long to wait [default: spec.sync.timeout of the Application]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<u64>,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Shows what would be deleted and, if that is meant, deletes it.
///
/// # Errors
/// If there is no plan, or nobody has said that it is meant; what goes wrong later is part of the report.
pub async fn run(args: &DeleteArgs, output: Output) -> Result<Exit, CliError> {
    let begun = Instant::now();
    let file = read_application(&args.file)?;
    let chosen = Chosen { source: file.source.clone(), file: Some(file) };
    let mut application = args.destination.application(&chosen)?;
    if application.suspend || application.sync.mode == SyncMode::Observe {
        let what = if application.suspend { "it is suspended" } else { "its sync.mode is observe" };
        return Err(CliError::refused(format!("nothing was deleted: {what}"))
            .hint("change that in the Application file if it is to be deleted"));
    }
    if let Some(timeout) = args.timeout {
        application.sync.timeout = timeout;
    }
    let end = begun + Duration::from_secs(application.sync.timeout);
    let target = args.destination.connect(&application).await?;
    let deployment = Deployment { application, commit: AT.into(), manifests: Manifests::default() };
    if !args.yes {
        let plan = engine::plan_delete(&target, &deployment).await?;
        show(&plan, output)?;
        return match plan.items.iter().any(|item| item.change == Change::Prune) {
            true => Err(CliError::refused("nothing was deleted").hint("--yes deletes what the plan shows")),
            false => Ok(Exit::Done),
        };
    }
    let stop = StopSignal::default();
    interrupts::watch(&stop, move |text| output.note(text));
    let result = delete(&target, deployment, &stop, end, output).await;
    release(&target, end, output).await;
    let report = result?;
    print(&report, output)?;
    Ok(exit_of(report.verdict))
}

/// Tries until everything is gone, something stands in the way that no wait takes away, or the time is over.
async fn delete(
    target: &Target,
    mut deployment: Deployment,
    stop: &StopSignal,
    end: Instant,
    output: Output,
) -> Result<SyncReport, CliError> {
    let mut progress = Progress::new(output);
    loop {
        deployment.application.sync.timeout = end.saturating_duration_since(Instant::now()).as_secs().max(1);
        let report = engine::delete_all(target, &deployment, &progress, stop).await;
        progress.finish();
        let left = end.saturating_duration_since(Instant::now());
        let report = report?;
        if report.verdict != Verdict::TimedOut || left <= PAUSE || stop.is_set() {
            return Ok(report);
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.wait() => {}
        }
        progress = Progress::without_plan(output);
    }
}

fn print(report: &SyncReport, output: Output) -> Result<(), CliError> {
    if output.is_json() {
        output.json_line(&json!({
            "event": "report",
            "application": report.plan.application,
            "verdict": report.verdict,
            "results": report.results,
            "notices": report.plan.notices,
        }));
        return Ok(());
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    for result in report.results.iter().filter(|result| result.verdict != Verdict::Done) {
        let _ = writeln!(text, "{}: {}", clean(&result.document), clean(&result.message));
    }
    let name = clean(&report.plan.application);
    let _ = match (report.verdict, report.plan.notices.is_empty()) {
        (Verdict::Done, true) => writeln!(text, "{name}: nothing that it owned is left"),
        (Verdict::Done, false) => {
            report.plan.notices.iter().for_each(|notice| _ = writeln!(text, "! {}", clean(notice)));
            writeln!(text, "{name}: everything else that was found of it is deleted")
        }
        _ => writeln!(text, "{name}: not everything is deleted; the same command goes on"),
    };
    output.text(&text)
}
