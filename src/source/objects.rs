//! Objects by id, checked for type and size before they are unpacked.

use super::error::{ErrorKind, SourceError};
use super::limits::{self, Limits};
use git2::{ObjectType, Oid, Repository};

/// No commit's message is larger.
const COMMIT_BYTES: u64 = 4 << 20;

/// The size of an object of the given type, in bytes.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if it is missing, unreadable or of another type.
pub(super) fn size(repo: &Repository, id: Oid, kind: ObjectType) -> Result<u64, SourceError> {
    let wrong = |error: &git2::Error| SourceError::git(format_args!("reading {kind} {id}"), error);
    let odb = repo.odb().map_err(|e| wrong(&e))?;
    let (size, found) = odb.read_header(id).map_err(|e| wrong(&e))?;
    if found != kind {
        let message = format!("object {id} should be a {kind} and is a {found}");
        return Err(SourceError::new(ErrorKind::Corrupt, message).suspect());
    }
    Ok(size as u64)
}

/// A commit.
///
/// # Errors
/// [`ErrorKind::Corrupt`], [`ErrorKind::Limit`].
pub(super) fn commit(repo: &Repository, id: Oid) -> Result<git2::Commit<'_>, SourceError> {
    limits::check(size(repo, id, ObjectType::Commit)?, COMMIT_BYTES, format_args!("bytes in commit {id}"))?;
    repo.find_commit(id).map_err(|e| SourceError::git(format_args!("reading commit {id}"), &e))
}

/// A tree.
///
/// # Errors
/// [`ErrorKind::Corrupt`], [`ErrorKind::Limit`].
pub(super) fn tree<'r>(
    repo: &'r Repository,
    id: Oid,
    limits: &Limits,
) -> Result<git2::Tree<'r>, SourceError> {
    limits::check(
        size(repo, id, ObjectType::Tree)?,
        limits.tree_bytes,
        format_args!("bytes in folder {id}"),
    )?;
    repo.find_tree(id).map_err(|e| SourceError::git(format_args!("reading folder {id}"), &e))
}

/// The parents that a commit names, whether or not they are there: libgit2 leaves out those beyond a shallow boundary.
///
/// # Errors
/// [`ErrorKind::Corrupt`].
pub(super) fn parents(repo: &Repository, id: Oid) -> Result<Vec<Oid>, SourceError> {
    let commit = commit(repo, id)?;
    let header = commit.raw_header_bytes();
    let header = String::from_utf8_lossy(header);
    Ok(header
        .lines()
        .filter_map(|line| line.strip_prefix("parent "))
        .filter_map(|id| Oid::from_str(id).ok())
        .collect())
}

/// A commit as the program shows it.
///
/// # Errors
/// [`ErrorKind::Corrupt`], [`ErrorKind::Limit`].
pub(super) fn describe(repo: &Repository, id: Oid) -> Result<super::Commit, SourceError> {
    let commit = commit(repo, id)?;
    let summary = String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned();
    let full = id.to_string();
    Ok(super::Commit {
        short: full[..7].to_owned(),
        id: full,
        summary: super::error::printable(&summary, 200),
        author_time: commit.author().when().seconds(),
        commit_time: commit.time().seconds(),
        notices: Vec::new(),
        fetched: false,
    })
}
