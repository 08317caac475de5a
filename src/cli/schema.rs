//! `cutover schema`: JSON Schema of the documents, for editors.

use super::error::{CliError, Exit};
use super::output::Output;
use crate::config;
use crate::model::Kind;
use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  cutover schema > cutover.schema.json
  cutover schema Service > service.schema.json

In a YAML file, for editors with the YAML language server:
  # yaml-language-server: $schema=cutover.schema.json";

/// Print the JSON Schema of the documents, for completion and checks in editors
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {
    /// The kind of document [default: a schema for documents of any kind]
    #[arg(value_enum, ignore_case = true)]
    kind: Option<KindName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindName {
    #[value(name = "Application")]
    Application,
    #[value(name = "BlueGreen")]
    BlueGreen,
    #[value(name = "ControllerConfiguration")]
    ControllerConfiguration,
    #[value(name = "TaskDefinition")]
    TaskDefinition,
    #[value(name = "Service")]
    Service,
}

/// Prints the schema; it is JSON in any case.
///
/// # Errors
/// If it can't be written.
pub fn run(args: &SchemaArgs, output: Output) -> Result<Exit, CliError> {
    let kind = args.kind.map(|kind| match kind {
        KindName::Application => Kind::Application,
        KindName::BlueGreen => Kind::BlueGreen,
        KindName::ControllerConfiguration => Kind::ControllerConfiguration,
        KindName::TaskDefinition => Kind::TaskDefinition,
        KindName::Service => Kind::Service,
    });
    output.json(&kind.map_or_else(config::combined_json_schema, config::json_schema))?;
    Ok(Exit::Done)
}
