//! kubectl on the same objects. It lies beside the servers.

use super::objects::Set;
use crate::kube_support::{Space, User};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The objects as files, and a home for what kubectl keeps.
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    folder: TempDir,
}

impl Kubectl {
    pub fn new(set: &Set, space: &Space) -> Option<Kubectl> {
        let program = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS")?).join("kubectl");
        let folder = tempfile::tempdir().expect("a folder");
        let files = folder.path().join("files");
        std::fs::create_dir(&files).expect("a folder");
        set.write(&files, &space.name);
        let kubeconfig = space.cluster.kubeconfig(User::Admin);
        program.is_file().then(|| Kubectl { program, kubeconfig, namespace: space.name.clone(), folder })
    }

    /// `kubectl apply --server-side --prune` with an ApplySet.
    pub fn apply(&self) -> Duration {
        self.run(&["apply", "--server-side", "--prune", "--applyset=bench", "-f"])
    }

    /// `kubectl diff`, which finds none. As another manager: it knows nothing of ApplySets, and as the one that applied
    /// it would take away their label.
    pub fn diff(&self) -> Duration {
        self.run(&["diff", "--server-side", "--field-manager=bench", "-f"])
    }

    fn run(&self, arguments: &[&str]) -> Duration {
        let begun = Instant::now();
        let output = Command::new(&self.program)
            .args(arguments)
            .arg(self.folder.path().join("files"))
            .args(["-n", &self.namespace, "--kubeconfig"])
            .arg(&self.kubeconfig)
            .env("HOME", self.folder.path())
            .env("KUBECTL_APPLYSET", "true")
            .stdin(Stdio::null())
            .output()
            .expect("kubectl");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(600).collect::<String>();
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {} {}",
            text(&output.stdout),
            text(&output.stderr)
        );
        begun.elapsed()
    }
}

/// Milliseconds, or a dash where there is no kubectl.
pub fn millis(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".into(), |time| time.as_millis().to_string())
}
