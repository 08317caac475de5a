//! `cutover completions`: completion scripts for shells.

use super::Cli;
use super::error::{CliError, Exit};
use super::output::Output;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  cutover completions bash > ~/.local/share/bash-completion/completions/cutover
  cutover completions zsh > \"${fpath[1]}/_cutover\"
  cutover completions fish > ~/.config/fish/completions/cutover.fish";

/// Print a completion script for a shell
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// If it can't be written.
pub fn run(args: &CompletionsArgs, output: Output) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "cutover", &mut script);
    let script = String::from_utf8_lossy(&script);
    if output.is_json() {
        output.json(&json!({"shell": args.shell.to_string(), "script": script}))?;
    } else {
        output.text(&script)?;
    }
    Ok(Exit::Done)
}
