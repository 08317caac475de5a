//! `cutover rollback`: takes the last change back in Git. AWS is never changed behind Git's back.

use super::error::{CliError, Exit};
use super::masked_diff::mask_diff;
use super::output::{Output, clean};
use super::source_flags::{SourceFlags, blocking};
use crate::plan::Palette;
use crate::source;
use clap::Args;
use serde_json::json;
use std::fmt::Write;

const EXAMPLES: &str = "\
Examples:
  cutover rollback -f examples/shop.yaml --dry-run
  cutover rollback -f shop.yaml && cutover sync -f shop.yaml
  cutover rollback --repo git@git.example:deploy.git --revision main --path apps/shop --to 3f2a91c";

/// Make a commit that takes the application back to what it was, and push it
///
/// Takes back the newest commit that changed the application's folder (or goes back to the state at --to), in this
/// folder only, as a new commit on the branch. AWS is not touched: the next sync, or the pipeline that the push starts,
/// brings the old version back; as long as it is still warm that is one change of a rule and no new task.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RollbackArgs {
    /// The commit to go back to [default: the one before the newest change of the folder]
    #[arg(long, value_name = "COMMIT")]
    to: Option<String>,
    /// Only show the commit
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    source: SourceFlags,
}

/// Makes the commit, shows it, and pushes it.
///
/// # Errors
/// If there is nothing to take back, or the push fails; then nothing has changed.
pub async fn run(args: &RollbackArgs, output: Output) -> Result<Exit, CliError> {
    let source = args.source.choose()?.source;
    let options = args.source.git.options()?;
    let (to, dry_run) = (args.to.clone(), args.dry_run);
    let (mut repository, revert) = blocking(move || {
        let mut repository = source::open(&source.repo_url, &options)?;
        let revert = repository.revert(&source.target_revision, to.as_deref(), &source.path)?;
        Ok((repository, revert))
    })
    .await?;
    revert.notices.iter().for_each(|notice| output.note(notice));
    let branch = revert.branch.trim_start_matches("refs/heads/").to_owned();
    let place = repository.shown_url();
    let diff = mask_diff(&revert.diff);
    if !output.is_json() {
        output.text(&text(&revert.message, &diff, output.palette()))?;
    }
    let mut said = vec![];
    let shown = revert.clone();
    if !dry_run {
        said = blocking(move || Ok(repository.push(&revert)?)).await?;
    }
    if output.is_json() {
        output.json(&json!({
            "branch": branch,
            "repository": place,
            "commit": shown.id,
            "parent": shown.parent,
            "message": shown.message,
            "diff": diff,
            "pushed": !dry_run,
            "notices": said,
        }))?;
        return Ok(Exit::Done);
    }
    said.iter().for_each(|notice| output.note(notice));
    let short: String = shown.id.chars().take(7).collect();
    let (branch, place) = (clean(&branch), clean(&place));
    output.text(&if dry_run {
        format!("not pushed (--dry-run): {short} on {branch} of {place}\n")
    } else {
        format!(
            "{branch} of {place} is at {short} now; AWS is as it was: run `cutover sync`, or let your pipeline do it\n"
        )
    })?;
    Ok(Exit::Done)
}

fn text(message: &str, diff: &str, palette: &Palette) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for line in message.trim_end().lines() {
        let _ = writeln!(text, "{}{}{:#}", palette.heading, clean(line), palette.heading);
    }
    text.push('\n');
    for line in diff.lines() {
        let style = match line.as_bytes().first() {
            _ if line.starts_with("+++") || line.starts_with("---") => palette.heading,
            Some(b'+') => palette.create,
            Some(b'-') => palette.delete,
            Some(b'@') => palette.dim,
            _ => anstyle::Style::new(),
        };
        let _ = writeln!(text, "{style}{}{style:#}", clean(line));
    }
    text
}
