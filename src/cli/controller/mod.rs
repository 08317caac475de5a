//! `cutover controller`: keeps many Applications as Git says, for ever.

mod repositories;
mod secrets;
mod servers;
mod world;

pub use repositories::{GitRepositories, OperatorSecret, ReadSecret, Trust};
pub use secrets::read_from;

use super::destination_flags::AwsFlags;
use super::error::{CliError, ErrorKind, Exit};
use super::git_flags::GitFlags;
use super::interrupts;
use super::kubernetes_flags::ClusterFlags;
use super::output::Output;
use crate::config;
use crate::controller::{Board, Metrics, Pulse, run as run_controller};
use crate::engine::StopSignal;
use crate::model::{ControllerConfiguration, SourceFile, parse_duration};
use crate::voices::{self, LogFormat};
use clap::{Args, ValueEnum};
use servers::Servers;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const EXAMPLES: &str = "\
Examples:
  cutover controller                              in a pod, as `cutover install` sets it up
  cutover controller --kubeconfig admin.conf      on this machine, for the Applications of a cluster
  cutover controller --applications apps/         for the Application files of a folder, without a cluster
  cutover controller --shards 4                   with more replicas than one: they share the applications out

To end it, send SIGTERM (or Ctrl-C): syncs stop at their next safe point, and the next controller goes on from there.";

/// The configuration is some hundred lines; this is far more.
const FILE_LIMIT: u64 = 1 << 20;
/// Webhooks that are waited for; beyond that their senders are told to come again.
const NUDGES: usize = 256;
/// The last notifications have that long; an installed pod has a minute for everything, of which syncs get 45 seconds.
const LAST_NEWS: Duration = Duration::from_secs(5);

/// Keep many Applications as Git says, and ship their new versions by blue/green
///
/// Works for the Application objects of a cluster (see `cutover install`), or for the files of a folder. One replica at a
/// time works for an application; others take over when it ends. Its web page is read-only and on this machine alone
/// unless you say otherwise.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ControllerArgs {
    /// Work for the Application files of a folder, and for no cluster's Applications
    #[arg(long, value_name = "FOLDER")]
    applications: Option<PathBuf>,
    /// Work for the Applications of this namespace only; may be given more than once [default: all]
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "applications")]
    watch_namespace: Vec<String>,
    /// The namespace that the controller keeps its Leases in and whose Applications may do everything
    /// [default: the pod's, or the context's]
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE", conflicts_with = "applications")]
    own_namespace: Option<String>,
    /// What Applications may do and who is told what (kind ControllerConfiguration)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many parts the applications are shared out in; each replica takes its share
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    shards: u32,
    /// Serve /metrics, /healthz and /readyz here
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Serve the web page here; off for none
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081", value_parser = address_or_off)]
    web: AddressOrOff,
    /// A host name that the web page may be reached under, beside localhost and addresses
    #[arg(long, value_name = "NAME")]
    web_host: Vec<String>,
    /// Take webhooks of Git servers here [default: off]
    #[arg(long, value_name = "ADDRESS")]
    webhooks: Option<SocketAddr>,
    /// How the log is written [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<Format>,
    /// Send traces to this OpenTelemetry collector (OTLP over http, such as http://localhost:4318)
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// How long running syncs get to reach a safe point when the controller is told to end
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = parse_duration)]
    grace: u64,
    #[command(flatten)]
    cluster: ClusterFlags,
    #[command(flatten)]
    aws: AwsFlags,
    #[command(flatten)]
    git: GitFlags,
}

/// An address, or `off`.
#[derive(Clone, Copy, Debug)]
struct AddressOrOff(Option<SocketAddr>);

fn address_or_off(text: &str) -> Result<AddressOrOff, String> {
    if text == "off" {
        return Ok(AddressOrOff(None));
    }
    let wrong = || "is neither an address such as 127.0.0.1:8081 nor `off`".to_owned();
    text.parse().map(|address| AddressOrOff(Some(address))).map_err(|_| wrong())
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Text,
}

/// Runs until it is told to end.
///
/// # Errors
/// What keeps it from beginning, and what it can't live without.
pub async fn run(args: &ControllerArgs, output: Output) -> Result<Exit, CliError> {
    let format = match args.log_format {
        Some(Format::Json) => LogFormat::Json,
        Some(Format::Text) => LogFormat::Text,
        None if output.live => LogFormat::Text,
        None => LogFormat::Json,
    };
    let level = tracing_subscriber::filter::LevelFilter::INFO;
    let logging = voices::start(format, level, args.otlp_endpoint.as_deref(), std::io::stdout())
        .map_err(|sentence| CliError::new(ErrorKind::Local, sentence))?;
    let configuration = args.config.as_deref().map(read_configuration).transpose()?.unwrap_or_default();
    let (board, metrics, pulse) =
        (Arc::<Board>::default(), Arc::<Metrics>::default(), Arc::<Pulse>::default());
    let stop = StopSignal::default();
    interrupts::watch(&stop, |text| tracing::info!("{text}"));
    let built = world::build(args, &configuration).await?;
    let (nudge, nudges) = mpsc::channel(NUDGES);
    let servers =
        Servers::start(args, &configuration, &board, &metrics, &pulse, built.tallies, nudge, &stop).await?;
    tracing::info!("cutover {} works for {}; {}", env!("CARGO_PKG_VERSION"), built.about, servers.about());
    let result = run_controller(built.world, board, metrics, nudges, pulse, stop.clone()).await;
    stop.set();
    servers.end().await;
    tracing::info!(
        "ended; what was under way stands at a safe point, and the next controller goes on from there"
    );
    // They block while the last news and traces are sent; a runtime's thread is not for that.
    let last_words = move || {
        if let Some(notifier) = built.notifier {
            notifier.stop(LAST_NEWS);
        }
        logging.stop();
    };
    let _ = tokio::task::spawn_blocking(last_words).await;
    result.map(|()| Exit::Done).map_err(|sentence| CliError::new(ErrorKind::Local, sentence))
}

fn read_configuration(path: &Path) -> Result<ControllerConfiguration, CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(ErrorKind::Local, format!("cannot read {}: {error}", path.display()))
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > FILE_LIMIT {
        return Err(CliError::usage(format!(
            "{} has {length} bytes; it may have {FILE_LIMIT}",
            path.display()
        )));
    }
    let file = SourceFile { path: path.display().to_string(), bytes: std::fs::read(path).map_err(failed)? };
    config::load_controller(&file)
        .map_err(|problems| CliError::documents(problems, "the controller was not started"))
}
