//! `cutover plan`: what a sync would do.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::output::Output;
use super::source_flags::SourceFlags;
use crate::engine::{self, Deployment};
use crate::plan::{Plan, render_plan, to_json};
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cutover plan -f examples/shop.yaml
  cutover plan --cluster prod                     the current folder, as committed
  cutover plan --repo https://git.example/deploy.git --revision topic --path shop --cluster prod
  cutover plan -f shop.yaml --detailed-exitcode   exit code 2 if there is something to do
  cutover plan -f shop.yaml -o json | jq .summary";

/// Show what a sync would do: resources, differences, and where traffic would move
///
/// Only declared fields are compared. Values that look secret are masked. Nothing is changed.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// End with exit code 2 if there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Prints the plan.
///
/// # Errors
/// If the documents or the live state can't be read.
pub async fn run(args: &PlanArgs, output: Output) -> Result<Exit, CliError> {
    let deployment = read_deployment(&args.source, &args.destination, output, "nothing was planned").await?;
    let target = args.destination.connect(&deployment.application).await?;
    let plan = engine::plan(&target, &deployment).await?;
    show(&plan, output)?;
    Ok(if args.detailed_exitcode && plan.has_changes() { Exit::ChangesPending } else { Exit::Done })
}

/// Prints a plan as the result of a verb.
///
/// # Errors
/// If it can't be written.
pub fn show(plan: &Plan, output: Output) -> Result<(), CliError> {
    if output.is_json() {
        let json = to_json(plan).map_err(|error| {
            CliError::new(super::ErrorKind::Local, format!("the plan is no JSON: {error}"))
        })?;
        output.json(&json)
    } else {
        output.text(&render_plan(plan, output.palette()))
    }
}

/// The application that the flags mean, with the documents of its commit.
///
/// # Errors
/// If the flags don't say enough, or the documents can't be read or are not valid.
pub async fn read_deployment(
    source: &SourceFlags,
    destination: &DestinationFlags,
    output: Output,
    nothing: &'static str,
) -> Result<Deployment, CliError> {
    let chosen = source.choose()?;
    // Before Git is asked, which may take a while.
    let application = destination.application(&chosen)?;
    let documents = source.read(&chosen.source, Some(&application.destination), output, nothing).await?;
    Ok(Deployment { application, commit: documents.commit.id, manifests: documents.manifests })
}
