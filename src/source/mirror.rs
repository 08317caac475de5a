//! A bare mirror on disk: made aside and moved into place, so that a half-written one is never used for long.
//!
//! References in a mirror are its own: `refs/known/<commit>` says that the commit and all of its tree are there, and
//! `refs/last/<name>` where a reference of the remote was last seen (with `/` escaped, so that `a` does not stand in
//! the way of `a/b`). A commit's mere presence is no proof: a fetch that was cut off may leave it.

use super::error::{ErrorKind, SourceError};
use super::mirror_lock::{MirrorLock, Mode};
use super::url::Remote;
use git2::{ErrorCode, Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where a mirror is, whether or not it is there yet.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    folder: PathBuf,
    name: String,
}

/// A mirror being made aside; its files go away with it unless it takes the mirror's place.
pub(super) struct Fresh {
    path: PathBuf,
}

/// Every fetch adds a pack. A mirror with more is made anew, which costs one fetch and takes the old objects away.
const PACKS: usize = 256;

/// Present in a mirror that has the whole history of all branches and tags.
const FULL: &str = "cutover-full-history";

impl Mirror {
    pub fn of(cache_dir: &Path, remote: &Remote) -> Self {
        Mirror { folder: cache_dir.join("git"), name: remote.file_name() }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.git", self.name))
    }

    /// Takes the mirror's lock; makes the cache directory if need be.
    ///
    /// # Errors
    /// [`ErrorKind::Local`], [`ErrorKind::Busy`].
    pub fn lock(&self, mode: Mode, deadline: Instant) -> Result<MirrorLock, SourceError> {
        private_folder(&self.folder).map_err(|e| local(&self.folder, &e))?;
        MirrorLock::take(&self.folder.join(format!("{}.lock", self.name)), mode, deadline)
    }

    /// Opens the mirror; nothing if there is none.
    ///
    /// # Errors
    /// A suspect [`ErrorKind::Corrupt`] if what is there is no repository.
    pub fn open(&self) -> Result<Option<Repository>, SourceError> {
        let path = self.path();
        if !path.exists() {
            return Ok(None);
        }
        let flags =
            RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_DOTGIT;
        let opened = Repository::open_ext(&path, flags, &[] as &[&std::ffi::OsStr]);
        let damaged = |error: git2::Error| {
            let message = format!("the mirror {} is damaged: {}", path.display(), error.message());
            SourceError::new(ErrorKind::Corrupt, message).suspect()
        };
        opened.map(Some).map_err(damaged)
    }

    /// Removes what processes that were killed have left. The exclusive lock is held.
    pub fn tidy(&self) {
        // Whatever can't be removed now is in nobody's way, or makes the next step fail with a reason.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let aside = [".new", ".old"].map(|end| format!("{}.git{end}", self.name));
            if aside.iter().any(|start| name.starts_with(start)) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let path = self.path();
        for entry in fs::read_dir(path.join("objects/pack")).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("pack_git2_") {
                let _ = fs::remove_file(entry.path());
            }
        }
        remove_lock_files(&path, 0);
    }

    /// Starts a new mirror aside.
    ///
    /// # Errors
    /// [`ErrorKind::Local`].
    pub fn fresh(&self) -> Result<(Fresh, Repository), SourceError> {
        let path = self.folder.join(format!("{}.git.new-{}", self.name, std::process::id()));
        private_folder(&path).map_err(|e| local(&path, &e))?;
        let fresh = Fresh { path };
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false);
        let repo = Repository::init_opts(&fresh.path, &options);
        let repo =
            repo.map_err(|e| SourceError::new(ErrorKind::Local, format!("{}: {}", self.name, e.message())))?;
        Ok((fresh, repo))
    }

    /// Puts a new mirror in place of the old one, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Local`].
    pub fn replace(&self, fresh: Fresh) -> Result<(), SourceError> {
        let (path, old) =
            (self.path(), self.folder.join(format!("{}.git.old-{}", self.name, std::process::id())));
        let failed = |error: io::Error| local(&path, &error);
        if path.exists() {
            fs::rename(&path, &old).map_err(failed)?;
        }
        fs::rename(&fresh.path, &path).map_err(failed)?;
        // What stays of the old one is taken away by the next process.
        let _ = fs::remove_dir_all(&old);
        Ok(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // It is not there any more if it took the mirror's place.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn local(path: &Path, error: &io::Error) -> SourceError {
    let message = format!(
        "cannot write the cache at {}: {error}; choose another cache directory (XDG_CACHE_HOME)",
        path.display()
    );
    SourceError::new(ErrorKind::Local, message)
}

/// Private repositories stay private: the folder is the user's alone.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Lock files of libgit2 outlive a killed process. Under our own lock nobody else holds them.
fn remove_lock_files(folder: &Path, depth: usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        let name = entry.file_name();
        if is_folder && depth < 4 && name != "objects" {
            remove_lock_files(&path, depth + 1);
        } else if !is_folder && name.to_string_lossy().ends_with(".lock") {
            let _ = fs::remove_file(&path);
        }
    }
}

fn reference_error(error: &git2::Error) -> SourceError {
    SourceError::git("a reference of the mirror", error)
}

/// True if `commit` and its whole tree were fetched.
///
/// # Errors
/// A suspect [`ErrorKind::Corrupt`].
pub(super) fn is_whole(repo: &Repository, commit: Oid) -> Result<bool, SourceError> {
    match repo.find_reference(&format!("refs/known/{commit}")) {
        Ok(_) => Ok(true),
        Err(e) if e.code() == ErrorCode::NotFound => {
            Ok(has_full_history(repo) && repo.odb().is_ok_and(|odb| odb.exists(commit)))
        }
        Err(e) => Err(reference_error(&e)),
    }
}

/// Notes that `commit` and its whole tree are here.
///
/// # Errors
/// A suspect [`ErrorKind::Corrupt`] if the commit is not.
pub(super) fn note_whole(repo: &Repository, commit: Oid) -> Result<(), SourceError> {
    let name = format!("refs/known/{commit}");
    repo.reference(&name, commit, true, "fetched").map(drop).map_err(|e| reference_error(&e))
}

/// Notes where the remote's reference `name` is now.
///
/// # Errors
/// A suspect [`ErrorKind::Corrupt`].
pub(super) fn note_last(repo: &Repository, name: &str, commit: Oid) -> Result<(), SourceError> {
    let Some(name) = last_name(name) else { return Ok(()) };
    repo.reference(&name, commit, true, "seen").map(drop).map_err(|e| reference_error(&e))
}

/// Where the remote's reference `name` was last seen.
pub(super) fn last(repo: &Repository, name: &str) -> Option<Oid> {
    repo.refname_to_id(&last_name(name)?).ok()
}

/// True if nothing has to be noted about the remote's reference `name`: it was at `commit` when last seen.
pub(super) fn is_last(repo: &Repository, name: &str, commit: Oid) -> bool {
    last_name(name).is_none_or(|name| repo.refname_to_id(&name).ok() == Some(commit))
}

/// True if the mirror has ever been used.
pub(super) fn has_any(repo: &Repository) -> bool {
    repo.references_glob("refs/known/*").is_ok_and(|mut known| known.next().is_some())
}

/// A name as one part of a path; nothing for one that is too long to be a file's.
fn last_name(name: &str) -> Option<String> {
    let escaped = name.strip_prefix("refs/").unwrap_or(name).replace('%', "%25").replace('/', "%2F");
    let name = format!("refs/last/{escaped}");
    (escaped.len() < 240 && git2::Reference::is_valid_name(&name)).then_some(name)
}

/// True if every commit of every branch and tag was fetched.
pub(super) fn has_full_history(repo: &Repository) -> bool {
    repo.path().join(FULL).exists()
}

/// Notes that every commit of every branch and tag is here.
///
/// # Errors
/// [`ErrorKind::Local`].
pub(super) fn note_full_history(repo: &Repository) -> Result<(), SourceError> {
    fs::write(repo.path().join(FULL), "").map_err(|e| local(repo.path(), &e))
}

/// Fails, as for a damaged mirror, if it holds so many packs that it should be made anew.
///
/// # Errors
/// A suspect [`ErrorKind::Corrupt`].
pub(super) fn check_packs(repo: &Repository) -> Result<(), SourceError> {
    let packs = fs::read_dir(repo.path().join("objects/pack")).into_iter().flatten().flatten();
    let count = packs.filter(|e| e.file_name().to_string_lossy().ends_with(".pack")).count();
    if count < PACKS {
        return Ok(());
    }
    Err(SourceError::new(ErrorKind::Corrupt, format!("the mirror has {count} packs")).suspect())
}
