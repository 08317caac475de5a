//! `cutover verify`: is a commit fit to be deployed?

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::kubernetes_checks::kubernetes_findings;
use super::live_checks::live_findings;
use super::output::{Output, clean};
use super::source_flags::{Documents, SourceFlags};
use crate::config::{self, Finding, Severity};
use crate::engine::Deployment;
use crate::plan::Palette;
use crate::sites::Target;
use clap::Args;
use serde_json::json;
use std::fmt::Write;

const EXAMPLES: &str = "\
Examples:
  cutover verify                                  the current folder, as committed; for pull requests
  cutover verify -f examples/shop.yaml
  cutover verify --path apps/shop --revision my-branch -o json
  cutover verify -f shop.yaml --live              before a deploy: is all there, and does it fit?";

/// Check the documents of a commit before a deploy does
///
/// Documents must be valid, refer only to what is there, and fit together: CPU and memory that Fargate has, containers
/// and ports that exist, images with a tag, and so on. Without --live nothing is asked; with it, cluster, roles, target
/// groups, listeners, rules and alarms are looked up and held against the documents, and a Kubernetes cluster is asked
/// what it would make of each of them (a dry run).
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Also ask AWS and the cluster whether what the documents name is there and fits together (reads only)
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Prints what is found. Exit code 1 if AWS would refuse something.
///
/// # Errors
/// If the documents can't be read or are not valid.
pub async fn run(args: &VerifyArgs, output: Output) -> Result<Exit, CliError> {
    let chosen = args.source.choose()?;
    let application = args.live.then(|| args.destination.application(&chosen)).transpose()?;
    let destination = application.as_ref().map(|a| &a.destination).or(chosen.destination());
    let documents =
        args.source.read(&chosen.source, destination, output, "no further checks were made").await?;
    let mut findings = config::lint(&documents.manifests);
    if let Some(application) = application.as_ref().or(chosen.file.as_ref()) {
        findings.extend(config::lint_timeout(application, &documents.manifests));
        findings.sort();
    }
    if let Some(application) = application {
        let target = args.destination.connect(&application).await?;
        let (commit, manifests) = (documents.commit.id.clone(), documents.manifests.clone());
        let deployment = Deployment { application, commit, manifests };
        findings.extend(match &target {
            Target::Ecs(target) => live_findings(target, &deployment).await?,
            Target::Kubernetes(target) => kubernetes_findings(target, &deployment).await?,
        });
        findings.sort();
    }
    let passed = findings.iter().all(|finding| finding.severity != Severity::Error);
    if output.is_json() {
        output.json(&json!({
            "commit": documents.commit.id,
            "documents": documents.manifests.len(),
            "passed": passed,
            "findings": findings,
        }))?;
    } else {
        output.text(&text(&documents, &findings, output.palette()))?;
    }
    Ok(if passed { Exit::Done } else { Exit::Error })
}

fn text(documents: &Documents, findings: &[Finding], palette: &Palette) -> String {
    let mut text = String::new();
    let mut counts = [0, 0];
    for finding in findings {
        let (style, word, count) = match finding.severity {
            Severity::Error => (palette.delete, "error", 0),
            Severity::Warning => (palette.update, "warning", 1),
        };
        counts[count] += 1;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{style}{word}:{style:#} {}", clean(&finding.problem.to_string()));
    }
    let style = if counts[0] > 0 { palette.delete } else { palette.heading };
    let _ = writeln!(
        text,
        "{style}{} at {}: {}, {}, {}{style:#}",
        clean(&documents.source.path),
        documents.commit.short,
        number(documents.manifests.len(), "document"),
        number(counts[0], "error"),
        number(counts[1], "warning"),
    );
    text
}

fn number(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
