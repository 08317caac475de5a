//! One lock file per mirror. The system lets go of the lock when a process dies, however it dies.

use super::error::{ErrorKind, SourceError};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// A held lock; let go by dropping it.
#[derive(Debug)]
pub(super) struct MirrorLock {
    _file: File,
}

/// Readers share a mirror; whoever changes it is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    Change,
}

const POLL: Duration = Duration::from_millis(25);

impl MirrorLock {
    /// Takes the lock, waiting until `deadline` for others to let go.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] if others still hold it then, [`ErrorKind::Local`] if the file can't be made.
    pub fn take(path: &Path, mode: Mode, deadline: Instant) -> Result<Self, SourceError> {
        let local = |error: std::io::Error| {
            let message = format!("cannot lock {}: {error}; choose another cache directory", path.display());
            SourceError::new(ErrorKind::Local, message)
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(path)
            .map_err(local)?;
        loop {
            let taken = match mode {
                Mode::Read => file.try_lock_shared(),
                Mode::Change => file.try_lock(),
            };
            match taken {
                Ok(()) => return Ok(MirrorLock { _file: file }),
                Err(TryLockError::Error(error)) => return Err(local(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    let message = format!(
                        "another process was at work on the mirror all the time (lock {}); try again when it is done",
                        path.display()
                    );
                    return Err(SourceError::new(ErrorKind::Busy, message));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_share_and_writers_are_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let now = Instant::now();
        let one = MirrorLock::take(&path, Mode::Read, now).unwrap();
        let two = MirrorLock::take(&path, Mode::Read, now).unwrap();
        assert_eq!(MirrorLock::take(&path, Mode::Change, now).unwrap_err().kind, ErrorKind::Busy);
        drop((one, two));
        // A program that another test starts just now holds our files from its fork to its exec.
        let later = now + Duration::from_secs(120);
        let _alone = MirrorLock::take(&path, Mode::Change, later).unwrap();
        assert_eq!(MirrorLock::take(&path, Mode::Read, now).unwrap_err().kind, ErrorKind::Busy);
    }
}
