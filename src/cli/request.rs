//! What promote, abort and retry have in common: which rollout is meant, and who is asked.

use super::ask::{self, AskFlags};
use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::history::GitHistory;
use super::output::Output;
use super::plan::read_deployment;
use super::source_flags::SourceFlags;
use crate::engine::{Deployment, RequestVerb, Unfit};
use crate::sites::Target;
use clap::Args;
use std::sync::Arc;

/// Which workload is meant, and where it is.
#[derive(Args, Clone, Debug)]
pub struct RequestArgs {
    /// The BlueGreen's name; needed if more than one comes into question
    #[arg(value_name = "WORKLOAD")]
    workload: Option<String>,
    #[command(flatten)]
    app: AppFlags,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Asks the controller in place of doing it from here.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Controller")]
struct AppFlags {
    /// Ask the controller: the name of the Application in its cluster
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = ["file", "repo", "revision", "path", "cluster", "name", "namespace"]
    )]
    app: Option<String>,
    #[command(flatten)]
    ask: AskFlags,
}

impl RequestArgs {
    /// The BlueGreen's name, if one was given.
    pub fn workload(&self) -> Option<&str> {
        self.workload.as_deref()
    }

    /// Has a controller do it if `--app` says so; `None`: it is to be done from here.
    ///
    /// # Errors
    /// Those of [`ask::request`].
    pub async fn ask_controller(&self, verb: RequestVerb, output: Output) -> Result<Option<Exit>, CliError> {
        let Some(app) = &self.app.app else { return Ok(None) };
        let cluster = &self.destination.kubernetes.cluster;
        ask::request(app, &self.app.ask, cluster, verb, self.workload(), output).await.map(Some)
    }

    /// The documents and the destination. `nothing` is said if the documents are not valid, as in "nothing was changed".
    ///
    /// # Errors
    /// If the documents can't be read, are not valid, or the destination can't be reached.
    pub async fn open(
        &self,
        nothing: &'static str,
        output: Output,
    ) -> Result<(Deployment, Target), CliError> {
        let deployment = read_deployment(&self.source, &self.destination, output, nothing).await?;
        let target = self.destination.connect(&deployment.application).await?;
        let history = GitHistory::of(&self.source, &deployment.application)?;
        Ok((deployment, target.remembering(Arc::new(history))))
    }
}

impl From<Unfit> for CliError {
    fn from(unfit: Unfit) -> CliError {
        let text = unfit.to_string();
        match unfit {
            Unfit::NoWorkload { asked: Some(_), there_are } => {
                CliError::refused(text).hint(format!("there are: {}", there_are.join(", ")))
            }
            Unfit::Several(verb, names) => {
                let name = names.first().map(String::as_str).unwrap_or_default();
                CliError::usage(text).hint(format!("name one: cutover {} {name}", verb.name()))
            }
            Unfit::NoWorkload { asked: None, .. } | Unfit::Nothing(..) => CliError::refused(text),
            Unfit::Trouble(trouble) => trouble.into(),
        }
    }
}
