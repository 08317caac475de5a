//! The program as people run it: the real binary with a cleared environment and a home of its own, a real Git
//! repository made from the examples, and a simulated AWS on real sockets in this process.

use crate::git_support::git_command;
use cutover::simulator::shell::{Simulator, StartOptions};
use cutover::simulator::{CallLog, World};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How many times faster than real time the simulated AWS runs.
pub const TIME_SCALE: u32 = 20;
/// A run of the binary that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// Commits get fixed names and dates, so that their ids are always the same.
const WHO: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "A Test"),
    ("GIT_AUTHOR_EMAIL", "test@example.com"),
    ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"),
    ("GIT_COMMITTER_NAME", "A Test"),
    ("GIT_COMMITTER_EMAIL", "test@example.com"),
    ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"),
];

/// What a run of the program ended with.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Code, stdout and stderr as one text, for snapshots.
    pub fn whole(&self) -> String {
        let code = self.code.map_or_else(|| "signal".to_owned(), |code| code.to_string());
        let part = |name: &str, text: &str| match text {
            "" => String::new(),
            text => format!("--- {name}\n{text}"),
        };
        format!("exit {code}\n{}{}", part("stdout", &self.stdout), part("stderr", &self.stderr))
    }

    /// As [`Ran::whole`], without the lines that tell what is waited for just now: which of these moments a run sees
    /// depends on how busy the machine is.
    pub fn whole_but_waits(&self) -> String {
        let passes = |line: &&str| {
            line.split_once(": ")
                .is_none_or(|(_, told)| !told.starts_with("waiting for ") && !told.starts_with("waiting: "))
        };
        self.whole().split_inclusive('\n').filter(passes).collect()
    }

    /// stdout as JSON lines.
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// stdout as one JSON document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.whole()))
    }
}

/// A home, a checkout and, if wanted, an AWS.
pub struct Desk {
    folder: TempDir,
    aws: Option<(Simulator, Runtime)>,
}

impl Desk {
    /// With the examples committed; without AWS.
    pub fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().expect("a folder"), aws: None };
        for folder in ["home", "shop"] {
            std::fs::create_dir(desk.folder.path().join(folder)).expect("a folder");
        }
        desk.git(&["init", "-q", "-b", "main"]);
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        for file in ["shop.yaml", "shop/web.yaml", "worker.yaml", "worker/worker.yaml"] {
            let text = std::fs::read_to_string(examples.join(file)).expect(file);
            desk.write(&format!("examples/{file}"), &text);
        }
        desk.commit("Version 1");
        desk
    }

    /// With the examples committed, and with the examples' AWS.
    pub fn with_aws() -> Desk {
        let mut desk = Desk::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/world.yaml");
        let seed = Some(std::fs::read_to_string(world).expect("the world"));
        let options = StartOptions { time_scale: TIME_SCALE, seed, ..StartOptions::default() };
        let simulator = runtime.block_on(async { Simulator::start(options) }).expect("a simulator");
        desk.aws = Some((simulator, runtime));
        // The example's deadline is 45 seconds at this pace, which a busy machine may need. What hangs is ended by
        // [`PATIENCE`].
        desk.change(&[("deadline: 15m", "deadline: 1d")], "More time");
        desk
    }

    pub fn checkout(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    pub fn simulator(&self) -> &Simulator {
        &self.aws.as_ref().expect("a desk with AWS").0
    }

    pub fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.simulator().with_world(act)
    }

    /// The calls made by `act` that change something, by name.
    pub fn writes_during(&self, act: impl FnOnce()) -> Vec<String> {
        let count = |log: &CallLog| log.all().len();
        let before = self.with_world(|world| count(world.calls()));
        act();
        self.with_world(|world| {
            let calls = world.calls().all().iter().skip(before);
            calls.filter(|call| call.is_write).map(|call| call.operation.clone()).collect()
        })
    }

    /// Runs `git` in the checkout.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = git_command(&self.checkout()).envs(WHO).args(arguments).output();
        let output = output.expect("`git` must be installed for these tests (Debian: apt-get install git)");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.checkout().join(path)).expect(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.checkout().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Replaces texts in the shop's documents and commits that.
    pub fn change(&self, changes: &[(&str, &str)], message: &str) {
        let mut text = self.read("examples/shop/web.yaml");
        for (from, to) in changes {
            assert!(text.contains(from), "the documents do not have {from}");
            text = text.replace(from, to);
        }
        self.write("examples/shop/web.yaml", &text);
        self.commit(message);
    }

    /// The program in the checkout, with nothing of this machine's environment but the path to `git`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(arguments).current_dir(self.checkout()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path().join("home")).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.envs(WHO).env("GIT_CONFIG_NOSYSTEM", "1");
        if let Some((simulator, _)) = &self.aws {
            command.env("AWS_ENDPOINT_URL", simulator.endpoint());
            command.env("AWS_ACCESS_KEY_ID", "simulator").env("AWS_SECRET_ACCESS_KEY", "simulator");
        }
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(self.command(arguments))
    }

    /// Runs a verb that waits, at the simulator's pace.
    pub fn run_fast(&self, arguments: &[&str]) -> Ran {
        self.ran(self.fast(arguments))
    }

    /// A verb that waits, at the simulator's pace.
    pub fn fast(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.arg("--time-scale").arg(TIME_SCALE.to_string());
        command
    }

    /// Runs a command to its end.
    pub fn ran(&self, mut command: Command) -> Ran {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        self.end(child)
    }

    /// Waits for the end of a started command.
    pub fn end(&self, child: Child) -> Ran {
        let id = child.id().to_string();
        let (done, waited) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if waited.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        });
        let output = child.wait_with_output().expect("the program's output");
        drop(done);
        watchdog.join().expect("the watchdog");
        self.tidy(&output)
    }

    /// The output with what differs between two runs named instead.
    fn tidy(&self, output: &Output) -> Ran {
        let folder = self.folder.path().canonicalize().expect("the folder");
        let endpoint = self.aws.as_ref().map(|(simulator, _)| simulator.endpoint().to_owned());
        let tidy = |bytes: &[u8]| {
            let mut text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
            for folder in [folder.to_string_lossy(), self.folder.path().to_string_lossy()] {
                text = text.replace(folder.as_ref(), "[desk]");
            }
            match &endpoint {
                Some(endpoint) => text.replace(endpoint, "[aws]"),
                None => text,
            }
        };
        Ran { code: output.status.code(), stdout: tidy(&output.stdout), stderr: tidy(&output.stderr) }
    }

    /// Waits until the simulated world is in a state; the world moves on its own.
    pub fn wait_until(&self, what: &str, mut test: impl FnMut(&mut World) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !self.with_world(&mut test) {
            assert!(Instant::now() < end, "waited in vain for: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The weights of the production rule, by target group.
    pub fn weights(&self) -> Vec<(String, u32)> {
        self.with_world(|world| {
            let rule = world.rules().into_iter().find(|rule| rule.priority == Some(10));
            rule.expect("the production rule").weights
        })
    }
}

/// Reads what a started program prints until there is a line with `text`.
pub fn read_until(child: &mut Child, text: &str) {
    let lines = BufReader::new(child.stdout.as_mut().expect("a pipe")).lines();
    let mut told = lines.map_while(Result::ok).inspect(|line| println!("{line}"));
    assert!(told.any(|line| line.contains(text)), "it ended without a word of: {text}");
}

/// Sends a signal to a started program.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.expect("kill").success(), "kill -{name}");
}
