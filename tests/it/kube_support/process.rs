//! Servers that end with this process, however it ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The shell becomes the server; beside it a shell reads a pipe that only this process holds. When the pipe ends, the
/// server is killed and the data folder goes. `PR_SET_PDEATHSIG` would not do: it fires when the *thread* ends that
/// started the server, which is some test's. Of several servers in one folder, the removal that begins last finds all
/// of them dead.
const GUARDED: &str = r#"exec 3<&0
folder=$1; shift
(read -r _ <&3; kill -9 $$; rm -rf "$folder") &
exec "$@" 3<&- </dev/null"#;

/// A server under guard.
#[derive(Debug)]
pub struct Guarded {
    pub name: &'static str,
    pub log: PathBuf,
    child: Child,
}

impl Guarded {
    /// Starts `program` in `folder`, which is removed when the server ends with this value or this process.
    pub fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        folder: &Path,
        logs: &Path,
    ) -> Result<Guarded, String> {
        let log = logs.join(format!("{name}.log"));
        let failed = |error: std::io::Error| format!("cannot start {}: {error}", program.display());
        let output = File::create(&log).map_err(failed)?;
        let child = Command::new("/bin/sh")
            .args(["-c", GUARDED, "sh"])
            .arg(folder)
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            .spawn()
            .map_err(failed)?;
        Ok(Guarded { name, log, child })
    }

    /// The server's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says why, if the server has ended.
    pub fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("{} ended: {status}", self.name)),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    /// The last lines that it wrote.
    pub fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        format!("--- the last lines of {}\n{tail}\n", self.log.display())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
