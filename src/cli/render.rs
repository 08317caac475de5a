//! `cutover render`: the documents as they were understood.

use super::error::{CliError, Exit};
use super::output::Output;
use super::source_flags::SourceFlags;
use crate::config;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cutover render                                  the current folder, as committed
  cutover render -f examples/shop.yaml
  cutover render --repo https://git.example/deploy.git --revision main --path apps/shop
  cutover render -o json | jq '.services.web.spec'";

/// Print the documents of a commit: validated, with defaults filled in
///
/// Nothing is sent to AWS or to a cluster. The values of Kubernetes Secrets are masked.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RenderArgs {
    #[command(flatten)]
    source: SourceFlags,
}

/// Prints the documents: one YAML stream, or one JSON object with a field for each kind.
///
/// # Errors
/// If the documents can't be read or are not valid.
pub async fn run(args: &RenderArgs, output: Output) -> Result<Exit, CliError> {
    let chosen = args.source.choose()?;
    let documents =
        args.source.read(&chosen.source, chosen.destination(), output, "nothing was rendered").await?;
    if output.is_json() {
        output.json(&config::masked(&documents.manifests))?;
    } else {
        output.text(&config::render(&documents.manifests))?;
    }
    Ok(Exit::Done)
}
