//! What the verbs that speak to one workload have in common.

use super::error::CliError;
use crate::engine::Unfit;
use clap::Args;

/// Which workload is meant.
#[derive(Args, Clone, Debug)]
pub struct WorkloadArg {
    /// The BlueGreen's name; needed if more than one comes into question
    #[arg(value_name = "WORKLOAD")]
    pub workload: Option<String>,
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
