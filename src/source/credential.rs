//! `git credential fill`: the answer of the user's own credential helper (keychain, `gh`, AWS CodeCommit's).

use super::error::{ErrorKind, SourceError};
use super::url::{Remote, Scheme};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What came back.
pub(super) enum Answer {
    /// User and password.
    Filled(String, String),
    /// Why there is nothing.
    Nothing(&'static str),
}

/// A helper may talk to a keychain or a cloud, but it may not hold a sync up.
const HELPER_LIMIT: Duration = Duration::from_secs(20);

/// Asks for the credential of `remote`. Git is only run where a helper is configured, and it can not prompt.
///
/// # Errors
/// [`ErrorKind::Timeout`] if the helper hangs.
pub(super) fn fill(remote: &Remote, deadline: Instant) -> Result<Answer, SourceError> {
    if !helper_is_configured(&remote.host) {
        return Ok(Answer::Nothing("Git has no credential helper configured for this host"));
    }
    let scheme = if remote.scheme == Scheme::Https { "https" } else { "http" };
    let mut question = format!("protocol={scheme}\nhost={}\n", remote.authority());
    question += &format!("path={}\n", remote.path.trim_start_matches('/'));
    if let Some(user) = &remote.user {
        question += &format!("username={user}\n");
    }
    if question.chars().any(|c| c == '\0' || c == '\r') || question.lines().count() > 4 {
        return Ok(Answer::Nothing("the URL has characters that are not given to a credential helper"));
    }
    // Not in the current directory: a repository's own configuration names programs to run.
    let command = Command::new("git")
        .args(["-c", "core.askPass=", "credential", "fill"])
        .current_dir("/")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GCM_INTERACTIVE", "never")
        .env_remove("GIT_ASKPASS")
        .env_remove("SSH_ASKPASS")
        .env_remove("GIT_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = command else {
        return Ok(Answer::Nothing("Git is not installed, so its credential helpers could not be asked"));
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that leaves early closes the pipe; its exit status says the rest.
        let _ = stdin.write_all(format!("{question}\n").as_bytes());
    }
    let Some(output) = output(child, deadline.min(Instant::now() + HELPER_LIMIT)) else {
        let message = "Git's credential helper did not answer in time; try `git credential fill` by hand";
        return Err(SourceError::new(ErrorKind::Timeout, message));
    };
    let field = |name: &str| output.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    match (field("username="), field("password=")) {
        (Some(user), Some(password)) if !password.is_empty() => Ok(Answer::Filled(user, password)),
        _ => Ok(Answer::Nothing("Git's credential helper has nothing for this host")),
    }
}

/// True if the user's or the system's configuration names a helper for all hosts (`credential.helper`), or one that may
/// be for this host (`credential.<url>.helper`, whose exact rules are left to Git).
fn helper_is_configured(host: &str) -> bool {
    let Ok(config) = git2::Config::open_default() else { return false };
    let Ok(mut entries) = config.entries(Some("^credential\\..*helper$")) else { return false };
    let mut found = false;
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.name().unwrap_or_default();
        let fits = name == "credential.helper" || name.contains(host) || name.contains('*');
        found |= fits && entry.value().is_ok_and(|value| !value.is_empty());
    }
    found
}

/// What the child wrote, or nothing if it ran beyond the deadline (it is then ended).
fn output(mut child: Child, deadline: Instant) -> Option<String> {
    let stdout = child.stdout.take();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.map(|out| out.take(64 << 10).read_to_string(&mut text));
        // The receiver is gone if the deadline passed.
        let _ = send.send(if matches!(read, Some(Ok(_))) { text } else { String::new() });
    });
    let text = receive.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
    if text.is_none() {
        // Ending a child that has just ended by itself fails, and that is as good.
        let _ = child.kill();
    }
    let _ = child.wait();
    text
}
