//! `cutover suspend`: asks a controller to leave an application as it is.

use super::ask::{self, SuspensionArgs};
use super::error::{CliError, Exit};
use super::output::Output;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cutover suspend --app shop --app-namespace team-a
  cutover suspend --app shop --no-wait

Without a controller, spec.suspend in the Application's file does the same.";

/// Stop a controller from changing anything of an application, until `cutover resume`
///
/// A sync that is under way stops at its next safe point; traffic stays where it is then. What differs is still reported.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SuspendArgs {
    #[command(flatten)]
    suspension: SuspensionArgs,
}

/// Asks, and waits until the controller has taken note of it.
///
/// # Errors
/// Those of [`ask::set_suspended`].
pub async fn run(args: &SuspendArgs, output: Output) -> Result<Exit, CliError> {
    ask::set_suspended(&args.suspension, true, output).await
}
