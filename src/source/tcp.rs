//! Plain TCP: connecting within a limit, and the git:// protocol on top.

use super::call::Call;
use super::error::{ErrorKind, SourceError};
use git2::transport::SmartSubtransportStream;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

/// Connects to the remote's host and port: every address it has is tried, all within the connect limit.
pub(super) fn connect(call: &Call) -> Result<TcpStream, SourceError> {
    let limit = Instant::now() + call.connect_limit()?;
    let place = format!("{}:{}", call.remote.host, call.remote.port());
    let network =
        |why: String| SourceError::new(ErrorKind::Network, format!("cannot connect to {place}: {why}"));
    // The system's resolver knows no time limit, so it is left behind in its thread when it takes too long.
    let (send, receive) = mpsc::channel();
    let name = (call.remote.host.clone(), call.remote.port());
    std::thread::spawn(move || send.send(name.to_socket_addrs().map(Iterator::collect::<Vec<_>>)));
    let addresses = receive
        .recv_timeout(limit.saturating_duration_since(Instant::now()))
        .map_err(|_| network("its name was not resolved in time".into()))?
        .map_err(|error| network(format!("{error}; check the repoURL's host")))?;
    let mut last = "its name has no address".to_owned();
    for address in addresses {
        let left = limit.saturating_duration_since(Instant::now());
        if left.is_zero() {
            last = "no answer in time".into();
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
    }
    Err(network(last))
}

/// Asks a git daemon for `program` on the remote's path.
pub(super) fn open(call: &Arc<Call>, program: &str) -> Result<Box<dyn SmartSubtransportStream>, SourceError> {
    let mut socket = connect(call)?;
    let remote = &call.remote;
    let line = format!("{program} {}\0host={}\0", remote.path, remote.authority());
    let request = format!("{:04x}{line}", line.len() + 4);
    let broken = |error: io::Error| SourceError::new(ErrorKind::Network, format!("{remote}: {error}"));
    socket.set_write_timeout(Some(call.read_limit()?)).map_err(broken)?;
    socket.write_all(request.as_bytes()).map_err(broken)?;
    Ok(Box::new(Stream { socket, call: call.clone() }))
}

struct Stream {
    socket: TcpStream,
    call: Arc<Call>,
}

impl Stream {
    fn broken(&self, error: &io::Error) -> io::Error {
        let timed_out = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        self.call.fail(if timed_out {
            self.call.timed_out()
        } else {
            let message = format!("the connection to {} broke: {error}; try again", self.call.remote);
            SourceError::new(ErrorKind::Network, message)
        })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = loop {
            let limit = self.call.read_limit().map_err(|e| self.call.fail(e))?;
            self.socket.set_read_timeout(Some(limit))?;
            match self.socket.read(buffer) {
                // Linux ends a read with a time limit at any signal to the process, also at one whose handler lets
                // other calls go on, and when the process was stopped and continued (signal(7)).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done.map_err(|error| self.broken(&error))?,
            }
        };
        self.call.count(count).map_err(|e| self.call.fail(e))?;
        Ok(count)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whatever is said after the list of references asks for a pack (or takes leave).
        self.call.begin_pack();
        let limit = self.call.read_limit().map_err(|e| self.call.fail(e))?;
        self.socket.set_write_timeout(Some(limit))?;
        self.socket.write_all(bytes).map_err(|error| self.broken(&error))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
