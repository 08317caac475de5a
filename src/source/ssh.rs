//! ssh:// and the scp form, by russh on a small runtime of its own that only turns while libgit2 reads or writes.

use super::call::Call;
use super::error::{ErrorKind, SourceError, printable};
use super::given::Given;
use super::known_hosts::KnownHosts;
use super::ssh_host_key::{Checker, Problem};
use super::{ssh_auth, tcp};
use git2::transport::SmartSubtransportStream;
use russh::client::{self, Handle, Msg};
use russh::keys::Algorithm;
use russh::{Channel, ChannelMsg};
use std::future::Future;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Connects, checks the host's key, authenticates and starts `program` on the repository.
pub(super) fn connect(
    call: &Arc<Call>,
    program: &str,
) -> Result<Box<dyn SmartSubtransportStream>, SourceError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local =
        |e: io::Error| SourceError::new(ErrorKind::Local, format!("cannot start the SSH client: {e}"));
    let runtime = runtime.map_err(local)?;
    let known = match &call.auth.given {
        Some(Given { origin: Some(origin), known_hosts: Some(lines), .. }) => {
            KnownHosts::from_bytes(lines, origin)
        }
        _ => KnownHosts::read(&call.auth.known_hosts)?,
    };
    let socket = tcp::connect(call)?;
    socket.set_nonblocking(true).map_err(local)?;
    let limit = call.read_limit()?;
    let (handle, channel) = within(&runtime, limit, call, async {
        let socket = tokio::net::TcpStream::from_std(socket).map_err(local)?;
        let config =
            client::Config { preferred: preferred(call, &known), nodelay: true, ..Default::default() };
        let checker = Checker::new(call.clone(), known);
        let connected = client::connect_stream(Arc::new(config), socket, checker).await;
        let mut handle = connected.map_err(|problem| match problem {
            Problem::HostKey(error) => error,
            Problem::Ssh(error) => broken(call, &error),
        })?;
        ssh_auth::authenticate(call, &mut handle).await?;
        let channel = handle.channel_open_session().await.map_err(|e| broken(call, &e))?;
        let command = format!("{program} {}", quoted(&call.remote.path));
        channel.exec(true, command).await.map_err(|e| broken(call, &e))?;
        Ok((handle, channel))
    })?;
    let call = call.clone();
    Ok(Box::new(Stream {
        runtime,
        _handle: handle,
        channel,
        call,
        ahead: Default::default(),
        said: Vec::new(),
        started: false,
    }))
}

/// As a POSIX shell needs it; the path has no control characters.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn within<T>(
    runtime: &Runtime,
    limit: Duration,
    call: &Call,
    work: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, SourceError> {
    let timed = runtime.block_on(async { tokio::time::timeout(limit, work).await });
    timed.unwrap_or_else(|_| Err(call.timed_out()))
}

pub(super) fn broken(call: &Call, error: &russh::Error) -> SourceError {
    let why = printable(&error.to_string(), 200);
    SourceError::new(
        ErrorKind::Network,
        format!("the SSH connection to {} broke: {why}; try again", call.remote),
    )
}

/// Russh's algorithms, with the kinds of host key first that are recorded for the host (a server with several keys
/// would otherwise show one that is not), and without ssh-rsa's SHA-1.
fn preferred(call: &Call, known: &KnownHosts) -> russh::Preferred {
    let recorded = known.algorithms(&call.remote.host, call.remote.port());
    let is_rsa = |a: &Algorithm| matches!(a, Algorithm::Rsa { .. });
    let is_recorded = |a: &Algorithm| recorded.iter().any(|r| r == a || is_rsa(r) && is_rsa(a));
    let all = russh::Preferred::DEFAULT.key;
    let mut keys: Vec<Algorithm> =
        all.iter().filter(|a| **a != Algorithm::Rsa { hash: None }).cloned().collect();
    keys.sort_by_key(|a| !is_recorded(a));
    russh::Preferred { key: keys.into(), ..russh::Preferred::DEFAULT }
}

struct Stream {
    runtime: Runtime,
    /// The session ends with its handle.
    _handle: Handle<Checker>,
    channel: Channel<Msg>,
    call: Arc<Call>,
    /// Bytes that came and were not read yet.
    ahead: bytes::Bytes,
    /// What the server says on its error output.
    said: Vec<u8>,
    /// True once the program has answered anything.
    started: bool,
}

impl Stream {
    /// The next bytes of the program; nothing when it ended.
    fn next(&mut self) -> Result<bytes::Bytes, SourceError> {
        loop {
            let limit = self.call.read_limit()?;
            let channel = &mut self.channel;
            let message = within(&self.runtime, limit, &self.call, async { Ok(channel.wait().await) })?;
            match message {
                Some(ChannelMsg::Data { data }) if !data.is_empty() => {
                    self.started = true;
                    return Ok(data);
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let room = 4_000_usize.saturating_sub(self.said.len()).min(data.len());
                    self.said.extend_from_slice(&data[..room]);
                }
                Some(ChannelMsg::ExitStatus { exit_status }) if exit_status != 0 => {
                    return Err(self.refused(&format!("exit status {exit_status}")));
                }
                Some(ChannelMsg::Failure) => return Err(self.refused("it does not run Git for this user")),
                Some(ChannelMsg::Close) | None => return Ok(bytes::Bytes::new()),
                Some(_) => {}
            }
        }
    }

    /// The server ended Git, usually because the repository is not there or not for this user.
    fn refused(&self, why: &str) -> SourceError {
        let said = printable(&String::from_utf8_lossy(&self.said), 300);
        let said = if said.is_empty() { why.to_owned() } else { said };
        if self.started {
            let message = format!("Git on {} ended too early: {said}; try again", self.call.remote);
            return SourceError::new(ErrorKind::Network, message);
        }
        let lower = said.to_lowercase();
        let missing = ["not found", "does not exist", "not appear to be a git", "no such"];
        let kind =
            if missing.iter().any(|m| lower.contains(m)) { ErrorKind::NotFound } else { ErrorKind::Auth };
        let message =
            format!("{} refuses: {said}; check the repoURL and that this key may see it", self.call.remote);
        SourceError::new(kind, message)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            self.ahead = self.next().map_err(|e| self.call.fail(e))?;
            self.call.count(self.ahead.len()).map_err(|e| self.call.fail(e))?;
        }
        let count = self.ahead.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.ahead.split_to(count));
        Ok(count)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whatever is said after the list of references asks for a pack (or takes leave).
        self.call.begin_pack();
        let limit = self.call.read_limit().map_err(|e| self.call.fail(e))?;
        let (channel, call) = (&self.channel, &self.call);
        let sent = within(&self.runtime, limit, call, async {
            channel.data_bytes(bytes.to_vec()).await.map_err(|e| broken(call, &e))
        });
        sent.map_err(|e| self.call.fail(e))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_is_one_word_for_the_servers_shell() {
        assert_eq!(quoted("/srv/a b"), "'/srv/a b'");
        assert_eq!(quoted("x';rm -rf $HOME;'"), r"'x'\'';rm -rf $HOME;'\'''");
    }
}
