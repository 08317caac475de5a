//! The demo's stage: repository, simulator, traffic, and a sync that counts what it does.

use super::repository::{APPLICATION, Repository};
use crate::aws::{Aws, Connect};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::output::{Output, clean};
use crate::cli::progress::Progress;
use crate::cli::report;
use crate::cli::source_flags::{SourceFlags, blocking};
use crate::config;
use crate::engine::{self, Deployment, StopSignal, Verdict};
use crate::model::{Application, PlatformKind};
use crate::simulator::shell::{Simulator, StartOptions, Traffic, TrafficGenerator, TrafficReport};
use crate::sites::EcsTarget;
use crate::source::{self, Auth, GitOptions};
use aws_credential_types::Credentials;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// How many times faster than real time everything goes: tasks, health checks, holds, bakes.
const TIME_SCALE: u32 = 5;
/// Requests a second, in real time.
const REQUESTS_PER_SECOND: u32 = 100;
const CONNECTIONS: usize = 8;

/// The simulated account; the production rule is on the first port, the test listener on the second.
const WORLD: &str = include_str!("../../../examples/world.yaml");
const PORTS: [u16; 2] = [8800, 8801];

/// Where it all happens.
pub struct Stage {
    output: Output,
    stop: StopSignal,
    repository: Repository,
    simulator: Simulator,
    target: EcsTarget,
    application: Application,
    url: String,
    traffic: Option<TrafficGenerator>,
    acts: u32,
}

/// One sync and what it took, by the simulator's own count.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub name: String,
    pub verdict: Verdict,
    pub reads: BTreeMap<String, usize>,
    pub writes: BTreeMap<String, usize>,
    pub tasks_started: u64,
}

impl Step {
    /// How often a writing operation was called.
    pub fn writes_of(&self, operation: &str) -> usize {
        self.writes.get(operation).copied().unwrap_or(0)
    }
}

impl Stage {
    /// Makes the repository and starts the simulator.
    ///
    /// # Errors
    /// If either can't be had.
    pub async fn set(output: Output, stop: &StopSignal) -> Result<Stage, CliError> {
        let repository = Repository::make()?;
        let options = StartOptions {
            time_scale: TIME_SCALE,
            seed: Some(with_free_ports(WORLD)),
            ..StartOptions::default()
        };
        let simulator =
            Simulator::start(options).map_err(|error| CliError::new(ErrorKind::Local, error.to_string()))?;
        let flags = SourceFlags::of_file(repository.path().join(APPLICATION));
        let application = flags.choose()?.application(None, None)?;
        let aws = Aws::connect(Connect {
            region: Some("eu-central-1".into()),
            endpoint_url: Some(simulator.endpoint().to_owned()),
            time_scale: TIME_SCALE,
            credentials: Some(Credentials::new("simulator", "simulator", None, None, "demo")),
            ..Connect::default()
        })
        .await?;
        let target = EcsTarget::new(aws, &application, "demo", TIME_SCALE);
        let url = production_url(&simulator)?;
        Ok(Stage {
            output,
            stop: stop.clone(),
            repository,
            simulator,
            target,
            application,
            url,
            traffic: None,
            acts: 0,
        })
    }

    /// Where the simulated AWS is.
    pub fn endpoint(&self) -> &str {
        self.simulator.endpoint()
    }

    /// Endpoint and pace, for people.
    pub fn place(&self) -> String {
        format!("simulated AWS on {}, {TIME_SCALE} times as fast as real time", self.simulator.endpoint())
    }

    /// Begins an act.
    ///
    /// # Errors
    /// If it can't be printed.
    pub fn heading(&mut self, title: &str) -> Result<(), CliError> {
        self.acts += 1;
        if self.output.is_json() {
            self.output.json_line(&json!({"event": "act", "number": self.acts, "title": title}));
            return Ok(());
        }
        let style = self.output.palette().heading;
        let space = if self.acts > 1 { "\n" } else { "" };
        self.output.text(&format!("{space}{style}{}. {title}{style:#}\n", self.acts))
    }

    /// Says what happens.
    ///
    /// # Errors
    /// If it can't be printed.
    pub fn say(&self, text: &str) -> Result<(), CliError> {
        if self.output.is_json() { Ok(()) } else { self.output.text(&format!("{}\n", wrap(text))) }
    }

    /// Shows the command that people would use.
    ///
    /// # Errors
    /// If it can't be printed.
    pub fn command(&self, text: &str) -> Result<(), CliError> {
        let style = self.output.palette().heading;
        if self.output.is_json() { Ok(()) } else { self.output.text(&format!("{style}$ {text}{style:#}\n")) }
    }

    /// Commits another version of the documents.
    ///
    /// # Errors
    /// Those of [`Repository::commit_change`].
    pub fn commit_change(&self, changes: &[(&str, &str)], message: &str) -> Result<(), CliError> {
        self.repository.commit_change(changes, message)
    }

    /// Reverts the newest commit.
    ///
    /// # Errors
    /// Those of [`Repository::revert`].
    pub fn revert(&self) -> Result<(), CliError> {
        self.repository.revert()
    }

    /// Sends steady traffic through the load balancer from now on.
    ///
    /// # Errors
    /// If the URL can't be asked.
    pub fn begin_traffic(&mut self) -> Result<(), CliError> {
        let traffic =
            Traffic { url: self.url.clone(), per_second: REQUESTS_PER_SECOND, connections: CONNECTIONS };
        let generator =
            TrafficGenerator::start(&traffic).map_err(|error| CliError::new(ErrorKind::Local, error))?;
        self.traffic = Some(generator);
        self.say(&format!(
            "From now on {REQUESTS_PER_SECOND} requests a second go through the load balancer ({}).",
            self.url
        ))
    }

    /// How many requests a release has answered so far.
    pub fn requests_of(&self, release: &str) -> u64 {
        let report = self.traffic.as_ref().map(TrafficGenerator::report).unwrap_or_default();
        report.by_release().get(release).copied().unwrap_or(0)
    }

    /// Ends the traffic and says what it saw.
    pub async fn end_traffic(&mut self) -> TrafficReport {
        match self.traffic.take() {
            Some(generator) => generator.stop().await,
            None => TrafficReport::default(),
        }
    }

    /// Syncs the newest commit, and counts what that takes.
    ///
    /// # Errors
    /// If there is no plan.
    pub async fn sync(&self, name: &str, show_plan: bool) -> Result<Step, CliError> {
        self.command(&format!("cutover sync -f {APPLICATION}"))?;
        let deployment = self.deployment().await?;
        let (calls_before, tasks_before) = self.counted();
        let progress = match show_plan {
            true => Progress::new(self.output),
            false => Progress::without_plan(self.output),
        };
        let result = engine::sync(&self.target, &deployment, &progress, &self.stop).await;
        progress.finish();
        let report = result?;
        let reasons = |name: &str| self.target.target_reasons(name);
        report::print(&report, reasons, &self.target.call_counts(), &progress, self.output)?;
        let (_, tasks) = self.counted();
        let (reads, writes) = self.calls_since(calls_before);
        Ok(Step {
            name: name.to_owned(),
            verdict: report.verdict,
            reads,
            writes,
            tasks_started: tasks - tasks_before,
        })
    }

    /// Frees the application's lock, so that others need not wait.
    pub async fn release(&self) {
        if let Err(trouble) = self.target.release().await {
            self.output.note(&format!("the application's lock could not be freed: {trouble}"));
        }
    }

    /// Leaves the repository on the disk; returns where.
    pub fn keep(&mut self) -> PathBuf {
        self.repository.keep();
        self.repository.path().to_owned()
    }

    /// The commands to play on.
    pub fn instructions(&self, path: &Path) -> String {
        let style = self.output.palette().heading;
        let program =
            std::env::current_exe().map_or_else(|_| "cutover".into(), |path| path.display().to_string());
        let mut text = format!("\n{style}Play on{style:#}, in another terminal:\n\n");
        for line in [
            format!("cd {}", path.display()),
            format!("export AWS_ENDPOINT_URL={} AWS_REGION=eu-central-1", self.simulator.endpoint()),
            "export AWS_ACCESS_KEY_ID=simulator AWS_SECRET_ACCESS_KEY=simulator".into(),
            format!("alias cutover={program}"),
            format!("cutover status -f {APPLICATION}"),
            "sed -i.old 's/web:v1/web:v4/' examples/shop/web.yaml && git commit -am 'Version 4'".into(),
            format!("cutover plan -f {APPLICATION}"),
            format!("cutover sync -f {APPLICATION} --time-scale {TIME_SCALE}"),
            format!("curl {}", self.url),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {}", clean(&line));
        }
        text.push_str("\nCtrl-C ends the simulator; the repository stays where it is.\n");
        text
    }

    async fn deployment(&self) -> Result<Deployment, CliError> {
        let source = self.application.source.clone();
        // A local repository is read where it is; nothing is ever put into the cache.
        let options = GitOptions::new(self.repository.path().join(".git"), Auth::default());
        let (commit, manifests) = blocking(move || {
            let mut repository = source::open(&source.repo_url, &options)?;
            let commit = repository.resolve(&source.target_revision)?;
            let tree = repository.tree(&commit, &source.path)?;
            let manifests = config::load(&tree.files, Some(PlatformKind::Ecs))
                .map_err(|problems| CliError::documents(problems, "the demo is broken"))?;
            Ok((commit.id, manifests))
        })
        .await?;
        Ok(Deployment { application: self.application.clone(), commit, manifests })
    }

    /// Calls answered and tasks started so far.
    fn counted(&self) -> (usize, u64) {
        self.simulator.with_world(|world| (world.calls().all().len(), world.tasks_started_total()))
    }

    /// Reads and writes by name since the call number `start`.
    fn calls_since(&self, start: usize) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
        self.simulator.with_world(|world| {
            let (mut reads, mut writes) = (BTreeMap::new(), BTreeMap::new());
            for call in world.calls().all().iter().skip(start) {
                let counts = if call.is_write { &mut writes } else { &mut reads };
                *counts.entry(call.operation.clone()).or_default() += 1;
            }
            (reads, writes)
        })
    }
}

/// The URL of the production listener: the first one of the world.
fn production_url(simulator: &Simulator) -> Result<String, CliError> {
    let listener = simulator.with_world(|world| world.listeners().into_iter().next());
    let address = listener.and_then(|listener| simulator.listener_address(&listener.arn));
    let address = address.ok_or_else(|| {
        CliError::new(ErrorKind::Local, "the simulated load balancer can't listen anywhere")
    })?;
    Ok(format!("http://{address}/"))
}

/// The world with its listeners on ports that can be had.
fn with_free_ports(world: &str) -> String {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    if PORTS.iter().all(free) {
        return world.to_owned();
    }
    // Held at the same time, so that they are two.
    let taken: Vec<TcpListener> =
        PORTS.iter().filter_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()).collect();
    let mut world = world.to_owned();
    for (port, socket) in PORTS.iter().zip(&taken) {
        if let Ok(address) = socket.local_addr() {
            world = world.replace(&format!("Port: {port}\n"), &format!("Port: {}\n", address.port()));
        }
    }
    world
}

/// Text in lines of at most 100 characters.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 100 {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_names_the_ports_that_are_replaced() {
        for port in PORTS {
            assert_eq!(WORLD.matches(&format!("Port: {port}\n")).count(), 1, "{port}");
        }
    }

    #[test]
    fn long_text_is_wrapped() {
        let text = wrap(&"word ".repeat(50));
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        assert_eq!(text.split_whitespace().count(), 50);
    }
}
