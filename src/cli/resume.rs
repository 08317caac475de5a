//! `cutover resume`: asks a controller to go on with an application.

use super::ask::{self, SuspensionArgs};
use super::error::{CliError, Exit};
use super::output::Output;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cutover resume --app shop --app-namespace team-a
  cutover resume --app shop --no-wait

Without a controller, spec.suspend in the Application's file does the same.";

/// Let a controller change things of an application again, after `cutover suspend`
///
/// It goes on from what it finds.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ResumeArgs {
    #[command(flatten)]
    suspension: SuspensionArgs,
}

/// Asks, and waits until the controller has taken note of it.
///
/// # Errors
/// Those of [`ask::set_suspended`].
pub async fn run(args: &ResumeArgs, output: Output) -> Result<Exit, CliError> {
    ask::set_suspended(&args.suspension, false, output).await
}
