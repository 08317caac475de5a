//! The controller's process, and what it uses.

use super::figures::Figures;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(1_800);

/// Sends webhooks as `generic` with this.
const SECRET: &str = "not-a-real-secret";

pub struct Controller {
    child: Child,
    metrics: u16,
    webhooks: u16,
    log: PathBuf,
    pub begun: Instant,
}

impl Controller {
    /// Starts one with these flags and this environment; home, configuration and log are in the folder.
    pub fn start(folder: &Path, flags: &[&str], environment: &[(&str, String)]) -> Controller {
        let (metrics, webhooks) = (free_port(), free_port());
        let (secret, config, log) =
            (folder.join("secret"), folder.join("config.yaml"), folder.join("controller.log"));
        std::fs::write(&secret, SECRET).expect("a file");
        let configuration = format!(
            "apiVersion: cutover.dev/v1alpha1\nkind: ControllerConfiguration\nmetadata: {{name: bench}}\n\
             spec: {{webhooks: {{generic: {{secretFiles: ['{}']}}}}}}\n",
            secret.display()
        );
        std::fs::write(&config, configuration).expect("a file");
        let file = File::options().create(true).append(true).open(&log).expect("a log");
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_cutover"))
            .arg("controller")
            .args(flags)
            .arg("--config")
            .arg(&config)
            .args(["--web", "off", "--log-format", "text", "--listen"])
            .arg(format!("127.0.0.1:{metrics}"))
            .arg("--webhooks")
            .arg(format!("127.0.0.1:{webhooks}"))
            .env_clear()
            .env("HOME", folder.join("home"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            // To see what the allocator keeps.
            .envs(std::env::vars().filter(|(name, _)| name.starts_with("MALLOC_")))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file"))
            .stderr(file)
            .spawn()
            .expect("the program");
        Controller { child, metrics, webhooks, log, begun }
    }

    /// What it tells now; nothing while it does not listen yet.
    pub fn figures(&self) -> Figures {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics);
        let read = || ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        tokio::task::block_in_place(read).map(|text| Figures::read(&text)).unwrap_or_default()
    }

    /// Waits until what it tells passes; asks every `pause`.
    pub async fn until(&self, what: &str, pause: Duration, test: impl Fn(&Figures) -> bool) -> Figures {
        let begun = Instant::now();
        loop {
            let figures = self.figures();
            if test(&figures) {
                return figures;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}; see {}", self.log.display());
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits until nothing is due, nothing is under way and nothing more is asked of `system`.
    pub async fn until_quiet(&self, system: &str) -> Figures {
        let mut before = self.figures();
        loop {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let now = self.figures();
            let is_idle =
                now.sum("cutover_queue_depth", &[]) == 0.0 && now.sum("cutover_syncs_running", &[]) == 0.0;
            if is_idle && now.requests(system) == before.requests(system) {
                return now;
            }
            before = now;
        }
    }

    /// Tells it that somebody pushed.
    pub fn nudge(&self, repository: &str) {
        let url = format!("http://127.0.0.1:{}/generic", self.webhooks);
        let body = format!("{{\"repository\":\"{repository}\"}}");
        let post =
            || ureq::post(&url).header("authorization", format!("Bearer {SECRET}")).send(body.as_bytes());
        tokio::task::block_in_place(post).expect("the webhook is taken");
    }

    /// Seconds of processor time so far.
    pub fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat[stat.rfind(')').expect("a command")..].split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
        (ticks(12) + ticks(13)) / 100.0
    }

    /// Megabytes in memory.
    pub fn memory(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
    }

    /// Threads, those that wait for work included.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads").count()
    }

    /// Open file descriptors.
    pub fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("its files").count()
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("it runs")
    }

    /// Ends it as Kubernetes does; gives how long that took.
    pub fn end(mut self) -> Duration {
        let begun = Instant::now();
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.expect("kill").success());
        let ended = tokio::task::block_in_place(|| self.child.wait()).expect("its end");
        assert!(ended.success(), "{ended}; see {}", self.log.display());
        begun.elapsed()
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}

/// A port that nobody listens on. Another program may take it before it is used.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}
