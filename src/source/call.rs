//! One operation against a remote: its deadline, its byte budget, and the first thing that went wrong in it. Libgit2
//! carries only an error's text, so transports leave the whole error here and the caller picks it up.

use super::GitOptions;
use super::error::{ErrorKind, SourceError};
use super::limits::Limits;
use super::url::Remote;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct Call {
    pub remote: Remote,
    pub auth: super::Auth,
    pub limits: Limits,
    pub calls: super::GitCalls,
    pub deadline: Instant,
    timeout: Duration,
    idle: Duration,
    received: AtomicU64,
    in_pack: AtomicBool,
    problem: Mutex<Option<SourceError>>,
}

/// A connection has to stand within this time, or the deadline's.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

impl Call {
    pub fn new(remote: &Remote, options: &GitOptions, deadline: Instant) -> Self {
        Call {
            remote: remote.clone(),
            auth: options.auth.clone(),
            limits: options.limits.clone(),
            calls: options.calls.clone(),
            deadline,
            timeout: options.timeout,
            idle: options.idle_timeout,
            received: AtomicU64::new(0),
            in_pack: AtomicBool::new(false),
            problem: Mutex::new(None),
        }
    }

    /// The time left for all that remains to be done.
    pub fn remaining(&self) -> Result<Duration, SourceError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.timed_out()) } else { Ok(left) }
    }

    /// The time to wait for the next bytes.
    pub fn read_limit(&self) -> Result<Duration, SourceError> {
        Ok(self.remaining()?.min(self.idle))
    }

    /// The time to wait for a connection.
    pub fn connect_limit(&self) -> Result<Duration, SourceError> {
        Ok(self.remaining()?.min(CONNECT_LIMIT))
    }

    /// The error for a wait that was too long: which of the two limits it was is seen from the clock.
    pub fn timed_out(&self) -> SourceError {
        let kind = ErrorKind::Timeout;
        if Instant::now() >= self.deadline {
            let seconds = self.timeout.as_secs_f32();
            return SourceError::new(
                kind,
                format!(
                    "{} did not finish within {seconds} s; give it more time, or try again later",
                    self.remote
                ),
            );
        }
        let seconds = self.idle.as_secs_f32();
        SourceError::new(
            kind,
            format!("{} stopped answering (nothing came for {seconds} s); try again later", self.remote),
        )
    }

    /// From here on bytes count as the pack's, not as the reference list's.
    pub fn begin_pack(&self) {
        if !self.in_pack.swap(true, Ordering::Relaxed) {
            self.received.store(0, Ordering::Relaxed);
        }
    }

    /// Counts bytes that came in.
    pub fn count(&self, bytes: usize) -> Result<(), SourceError> {
        let total = self.received.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let (cap, what) = if self.in_pack.load(Ordering::Relaxed) {
            (self.limits.transfer_bytes, "bytes for one fetch")
        } else {
            (self.limits.advertisement_bytes, "bytes of reference names")
        };
        if total <= cap {
            return Ok(());
        }
        let message =
            format!("{} sent more than {cap} {what}, which is the cap; the fetch was stopped", self.remote);
        Err(SourceError::new(ErrorKind::Limit, message))
    }

    /// Keeps the first problem, for the caller; returns what libgit2 gets.
    pub fn fail(&self, error: SourceError) -> io::Error {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        // Git2 turns the text into a C string, so it must not be one from outside.
        io::Error::other("the transport failed")
    }

    /// As [`Call::fail`], for callbacks that answer with an error of libgit2.
    pub fn fail_git(&self, error: SourceError) -> git2::Error {
        let error = self.fail(error);
        git2::Error::new(git2::ErrorCode::GenericError, git2::ErrorClass::Net, error.to_string())
    }

    /// The problem that was kept, if there was one.
    pub fn take_problem(&self) -> Option<SourceError> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
