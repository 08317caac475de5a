//! One container of the image, by runc.

use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What buildah made.
pub struct Image {
    folder: PathBuf,
    /// `config` of the image: `User`, `Env`, `Entrypoint`, …
    pub config: Value,
}

impl Image {
    pub fn built() -> Image {
        let folder = std::env::var_os("CUTOVER_IMAGE").map(PathBuf::from);
        let folder = folder.expect("CUTOVER_IMAGE names the folder that tests/image/run makes");
        let text = std::fs::read_to_string(folder.join("image.json")).expect("the image");
        let image: Value = serde_json::from_str(&text).expect("JSON");
        Image { folder, config: image["config"].clone() }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn texts(&self, field: &str) -> Vec<String> {
        let all = self.config[field].as_array().cloned().unwrap_or_default();
        all.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
    }
}

/// What a container gets besides its image.
#[derive(Default)]
pub struct Wanted {
    pub arguments: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Where in the container, which folder, and if it may be written to.
    pub folders: Vec<(String, PathBuf, bool)>,
}

/// A container that is stopped and removed with this value.
pub struct Container {
    name: String,
    child: Child,
    bundle: TempDir,
}

impl Container {
    /// Starts it: the root read-only, no capabilities, no new privileges, the user of the image, namespaces of its own
    /// for everything but the network, and a `/tmp` in memory.
    pub fn start(image: &Image, wanted: &Wanted) -> Container {
        let bundle = tempfile::Builder::new().prefix("cutover-container-").tempdir().expect("a folder");
        let name = bundle.path().file_name().expect("a name").to_string_lossy().into_owned();
        let specification = specification(image, wanted).to_string();
        std::fs::write(bundle.path().join("config.json"), specification).expect("a file");
        let log = File::create(bundle.path().join("log")).expect("a log");
        let mut command = runc(bundle.path());
        command.args(["run", "--bundle"]).arg(bundle.path()).arg(&name).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        let child = command.spawn().expect("runc");
        Container { name, child, bundle }
    }

    /// What it has printed, both streams.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.bundle.path().join("log")).unwrap_or_default()
    }

    /// What kubelet does when a pod is deleted.
    pub fn terminate(&self) {
        let ended = runc(self.bundle.path()).args(["kill", &self.name, "TERM"]).status().expect("runc");
        assert!(ended.success(), "{}", self.log());
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `find` finds something in the log.
    pub fn until<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let log = self.log();
            if let Some(found) = find(&log) {
                return found;
            }
            let ended = self.child.try_wait().expect("a status");
            assert!(ended.is_none(), "it ended ({ended:?}) before {what}:\n{log}");
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- {}\n{}", self.name, self.log());
        }
        let _ = runc(self.bundle.path()).args(["kill", &self.name, "KILL"]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

fn runc(bundle: &Path) -> Command {
    let mut command = Command::new("runc");
    command.arg("--root").arg(bundle.join("runc"));
    command
}

/// For `runc`; its form is the OCI runtime specification's.
fn specification(image: &Image, wanted: &Wanted) -> Value {
    let mount = |kind: &str, at: &str, options: &[&str]| json!({"type": kind, "source": kind, "destination": at, "options": options});
    let mut mounts = vec![
        mount("proc", "/proc", &[]),
        mount("tmpfs", "/dev", &["nosuid", "mode=755"]),
        mount("tmpfs", "/tmp", &["nosuid", "nodev", "noexec"]),
    ];
    for (at, folder, writable) in &wanted.folders {
        let access = if *writable { "rw" } else { "ro" };
        mounts
            .push(json!({"type": "bind", "source": folder, "destination": at, "options": ["rbind", access]}));
    }
    let user = image.config["User"].as_str().unwrap_or_default();
    let (uid, gid) = user.split_once(':').expect("a user and a group");
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let arguments = [image.texts("Entrypoint"), wanted.arguments.clone()].concat();
    let environment = [image.texts("Env"), wanted.environment.clone()].concat();
    let namespaces = ["mount", "pid", "ipc", "uts"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "root": {"path": image.root(), "readonly": true},
        "process": {
            "cwd": "/",
            "args": arguments,
            "env": environment,
            "user": {"uid": number(uid), "gid": number(gid)},
            "capabilities": {},
            "noNewPrivileges": true,
        },
        "mounts": mounts,
        "linux": {"namespaces": namespaces},
    })
}
