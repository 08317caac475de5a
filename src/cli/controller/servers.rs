//! The controller's servers: metrics and health, the web page, webhooks.

use super::ControllerArgs;
use crate::cli::error::{CliError, ErrorKind};
use crate::controller::{Board, Metrics, Nudge, Pulse, Tally};
use crate::engine::StopSignal;
use crate::model::ControllerConfiguration;
use crate::window::{
    Insight, Provider, WebPage, WebhookDoor, WebhookSecrets, serve_metrics, serve_web, serve_webhooks,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long requests that are under way may take at the end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// The servers, while they serve.
pub struct Servers {
    tasks: JoinSet<()>,
    about: Vec<String>,
}

impl Servers {
    /// Binds all addresses, then serves until `stop` is set.
    ///
    /// # Errors
    /// If an address can't be had, or webhooks are wanted from nobody.
    #[allow(clippy::too_many_arguments, reason = "each server gets its own part")]
    pub async fn start(
        args: &ControllerArgs,
        configuration: &ControllerConfiguration,
        board: &Arc<Board>,
        metrics: &Arc<Metrics>,
        pulse: &Arc<Pulse>,
        tallies: Vec<Arc<dyn Tally>>,
        nudges: mpsc::Sender<Nudge>,
        stop: &StopSignal,
    ) -> Result<Servers, CliError> {
        let mut servers = Servers { tasks: JoinSet::new(), about: vec![] };
        let stopped = || {
            let stop = stop.clone();
            async move { stop.wait().await }
        };
        let listener = servers.bind(args.listen, "metrics").await?;
        let (board_of, metrics_of, pulse_of) = (Arc::clone(board), Arc::clone(metrics), Arc::clone(pulse));
        let insight = Insight { board: board_of, metrics: metrics_of, pulse: pulse_of, tallies };
        servers.tasks.spawn(serve_metrics(listener, insight, stopped()));
        if let Some(address) = args.web.0 {
            let listener = servers.bind(address, "web page").await?;
            let page = WebPage { board: Arc::clone(board), names: args.web_host.clone() };
            servers.tasks.spawn(serve_web(listener, page, stopped()));
        }
        if let Some(address) = args.webhooks {
            let secrets = secrets(configuration);
            if secrets.0.is_empty() {
                return Err(CliError::usage("--webhooks is given, and no sender is configured")
                    .hint("name the senders' secrets in spec.webhooks of the file of --config"));
            }
            let listener = servers.bind(address, "webhooks").await?;
            let door =
                WebhookDoor { secrets, nudges, board: Arc::clone(board), metrics: Arc::clone(metrics) };
            servers.tasks.spawn(serve_webhooks(listener, door, stopped()));
        }
        Ok(servers)
    }

    async fn bind(&mut self, address: SocketAddr, what: &str) -> Result<TcpListener, CliError> {
        let bound = TcpListener::bind(address).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (at, listener) = bound.map_err(|error| {
            CliError::new(ErrorKind::Local, format!("cannot listen on {address} for the {what}: {error}"))
        })?;
        self.about.push(format!("{what} on http://{at}"));
        Ok(listener)
    }

    /// Where they are, for the log.
    pub fn about(&self) -> String {
        self.about.join(", ")
    }

    /// Waits until they have ended; they were told to by the stop signal.
    pub async fn end(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What still hangs is a reader that does not read.
        let _ = tokio::time::timeout(END_WITHIN, all).await;
    }
}

fn secrets(configuration: &ControllerConfiguration) -> WebhookSecrets {
    let senders = &configuration.webhooks;
    let by_provider = [
        (Provider::GitHub, &senders.github),
        (Provider::GitLab, &senders.gitlab),
        (Provider::Gitea, &senders.gitea),
        (Provider::Bitbucket, &senders.bitbucket),
        (Provider::Azure, &senders.azure),
        (Provider::Generic, &senders.generic),
    ];
    let named = by_provider.into_iter().filter_map(|(provider, sender)| {
        let files = sender.as_ref()?.secret_files.iter().map(Into::into).collect();
        Some((provider, files))
    });
    WebhookSecrets(named.collect())
}
