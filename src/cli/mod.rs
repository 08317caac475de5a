//! The command line. A file a verb; this is the only room that names concrete adapters together and that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod abort;
mod ask;
mod completions;
pub mod controller;
mod delete;
mod demo;
mod destination_flags;
mod error;
mod git_flags;
mod history;
mod init;
mod install;
mod interrupts;
mod kubernetes_checks;
mod kubernetes_flags;
mod live_checks;
mod live_judgement;
mod masked_diff;
mod output;
mod plan;
mod progress;
mod promote;
mod release;
mod render;
mod report;
mod request;
mod resume;
mod retry;
mod rollback;
mod schema;
mod screen;
mod simulate;
mod source_flags;
mod status;
mod suspend;
mod sync;
mod unwatched;
mod verify;
mod wait;

pub use error::{CliError, ErrorKind, Exit};

use clap::error::ErrorKind as ClapErrorKind;
use clap::{Parser, Subcommand};
use error::ErrorKind::{Local, Usage};
use output::{Format, Output, OutputFlags, When};
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes:
  0   done, or in sync
  1   error
  2   changes are pending (plan --detailed-exitcode only)
  3   the rollout failed; traffic is on the old version
  4   timed out while still progressing
  5   waiting for approval (cutover promote)
  64  the command line is wrong
  130 interrupted by Ctrl-C";

/// Brings Amazon ECS or Kubernetes to what a Git repository says, and ships new versions by blue/green
///
/// Cutover reads YAML documents from a Git repository, compares them with what runs, and applies the difference. A new
/// version comes up beside the old one on its own target group; only when its targets are healthy are the weights of
/// the load balancer's rules moved. To roll back, revert the commit.
#[derive(Parser, Clone, Debug)]
#[command(name = "cutover", version, after_help = EXIT_CODES, max_term_width = 110, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    output: OutputFlags,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Clone, Debug)]
enum Verb {
    #[command(visible_alias = "diff")]
    Plan(plan::PlanArgs),
    Sync(sync::SyncArgs),
    Status(status::StatusArgs),
    Wait(wait::WaitArgs),
    Promote(promote::PromoteArgs),
    Abort(abort::AbortArgs),
    Retry(retry::RetryArgs),
    Rollback(rollback::RollbackArgs),
    Delete(delete::DeleteArgs),
    Suspend(suspend::SuspendArgs),
    Resume(resume::ResumeArgs),
    Init(init::InitArgs),
    Render(render::RenderArgs),
    Verify(verify::VerifyArgs),
    Schema(schema::SchemaArgs),
    Controller(Box<controller::ControllerArgs>),
    Install(install::InstallArgs),
    Simulate(simulate::SimulateArgs),
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs the program with this process's arguments and environment.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let output = Output::new(&cli.output);
    let result = runtime().and_then(|runtime| {
        let result = runtime.block_on(run(cli.verb, output));
        // Nothing that still blocks (a Git server that hangs) may hold up the end.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(verb: Verb, output: Output) -> Result<Exit, CliError> {
    match verb {
        Verb::Plan(args) => plan::run(&args, output).await,
        Verb::Sync(args) => sync::run(&args, output).await,
        Verb::Status(args) => status::run(&args, output).await,
        Verb::Wait(args) => wait::run(&args, output).await,
        Verb::Promote(args) => promote::run(&args, output).await,
        Verb::Abort(args) => abort::run(&args, output).await,
        Verb::Retry(args) => retry::run(&args, output).await,
        Verb::Rollback(args) => rollback::run(&args, output).await,
        Verb::Delete(args) => delete::run(&args, output).await,
        Verb::Suspend(args) => suspend::run(&args, output).await,
        Verb::Resume(args) => resume::run(&args, output).await,
        Verb::Init(args) => init::run(&args, output).await,
        Verb::Render(args) => render::run(&args, output).await,
        Verb::Verify(args) => verify::run(&args, output).await,
        Verb::Schema(args) => schema::run(&args, output),
        Verb::Install(args) => install::run(&args, output),
        Verb::Simulate(args) => match simulate::run(&args, output.is_json()).await {
            Ok(()) => Ok(Exit::Done),
            Err(sentence) => Err(CliError::new(Local, sentence)),
        },
        Verb::Demo(args) => demo::run(&args, output).await,
        Verb::Controller(args) => controller::run(&args, output).await,
        Verb::Completions(args) => completions::run(&args, output),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Local, format!("the program can't start its threads: {error}")))
}

/// Help and version are no errors; everything else that clap says is a usage error.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_help = matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion);
    if is_help || !wants_json() {
        // A reader that has gone is no error.
        let _ = error.print();
        return if is_help { ExitCode::SUCCESS } else { ExitCode::from(64) };
    }
    let flags = OutputFlags { output: Format::Json, color: When::Never };
    let text = error.render().to_string();
    let error = CliError::new(Usage, text.trim_start_matches("error: ").trim_end());
    Output::new(&flags).error(&error);
    ExitCode::from(error.exit_code())
}

/// True if the arguments ask for JSON, as far as can be told from arguments that are wrong.
fn wants_json() -> bool {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let alone = |argument: &String| {
        ["-ojson", "-o=json", "--output=json"].iter().any(|form| argument.eq_ignore_ascii_case(form))
    };
    let pair = |pair: &[String]| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json";
    arguments.iter().any(alone) || arguments.windows(2).any(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_examples_and_a_sentence() {
        for verb in Cli::command().get_subcommands() {
            let name = verb.get_name();
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("cutover {name}")), "{name} has no examples");
            assert!(verb.get_about().is_some(), "{name} does not say what it does");
        }
    }
}
