//! `file://` and plain paths: the repository is read where it is. Of a checkout, the commit counts, not the files.

use super::error::{ErrorKind, SourceError, escaped, printable};
use super::revision::{self, Choice, Reference, References, Revision};
use super::{Commit, objects};
use git2::{ErrorCode, Repository, Status, StatusOptions};
use std::path::Path;

/// Opens the repository at exactly this path.
///
/// # Errors
/// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Local`] if it belongs to somebody else.
pub(super) fn open(path: &Path) -> Result<Repository, SourceError> {
    let shown = printable(&path.to_string_lossy(), 300);
    Repository::open(path).map_err(|error| match error.code() {
        ErrorCode::NotFound => {
            let above = Repository::discover(path).ok().and_then(|r| r.workdir().map(Path::to_owned));
            let hint = above.map_or("give the path of one".to_owned(), |top| {
                format!("the repository's top is {}; give that, and the folder as path", top.display())
            });
            SourceError::new(ErrorKind::NotFound, format!("{shown} is no Git repository; {hint}"))
        }
        ErrorCode::Owner => SourceError::new(
            ErrorKind::Local,
            format!(
                "{shown} belongs to another user, and Git does not trust such repositories; if you do, run \
                 `git config --global --add safe.directory {shown}`"
            ),
        ),
        _ => SourceError::git(format_args!("opening {shown}"), &error),
    })
}

/// Finds the commit of a revision; names what is changed in the work tree when the checked-out commit is asked for.
///
/// # Errors
/// [`ErrorKind::NotFound`], [`ErrorKind::Ambiguous`], [`ErrorKind::Corrupt`].
pub(super) fn resolve(path: &Path, revision: &Revision) -> Result<Commit, SourceError> {
    let repo = open(path)?;
    let id = find(&repo, revision).map_err(|e| e.within(printable(&path.to_string_lossy(), 300)))?;
    let mut commit = objects::describe(&repo, id)?;
    let head = repo.head().ok().and_then(|head| head.peel_to_commit().ok()).map(|c| c.id());
    if head == Some(id) {
        // The files are not used, so whatever is wrong with them is no reason to stop.
        let unknown = |e| Some(format!("uncommitted changes are not used, and could not be looked for: {e}"));
        commit.notices.extend(dirt(&repo).unwrap_or_else(unknown));
    }
    Ok(commit)
}

/// True if the commit `newer` comes after `older`, as far as both are here.
///
/// # Errors
/// Those of [`open`]; [`ErrorKind::Corrupt`].
pub(super) fn comes_after(path: &Path, newer: git2::Oid, older: git2::Oid) -> Result<bool, SourceError> {
    let repo = open(path)?;
    let wrong =
        |error: git2::Error| SourceError::git(format_args!("comparing commits {newer} and {older}"), &error);
    for commit in [newer, older] {
        match repo.find_commit(commit) {
            Ok(_) => {}
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(false),
            // What can't be read is not absent: an older commit would pass for the newest.
            Err(error) => return Err(wrong(error)),
        }
    }
    repo.graph_descendant_of(newer, older).map_err(wrong)
}

/// The commit of a revision in a local repository.
///
/// # Errors
/// [`ErrorKind::NotFound`], [`ErrorKind::Ambiguous`], [`ErrorKind::Corrupt`].
pub(super) fn find(repo: &Repository, revision: &Revision) -> Result<git2::Oid, SourceError> {
    let references = references(repo)?;
    match references.choose(revision)? {
        Choice::Reference(reference) => Ok(reference.commit),
        Choice::Commit(id) => match repo.find_commit(id) {
            Ok(_) => Ok(id),
            Err(e) if e.code() == ErrorCode::NotFound => {
                Err(SourceError::new(ErrorKind::NotFound, format!("there is no commit {id}; fetch it first")))
            }
            Err(e) => Err(SourceError::git(format_args!("reading commit {id}"), &e)),
        },
        Choice::Prefix(prefix) => {
            let found = revision::only(&prefix, revision::in_database(repo, &prefix)?)?;
            let missing = || {
                let message = format!("`{prefix}` is no branch or tag, and no commit begins with it");
                SourceError::new(ErrorKind::NotFound, message)
            };
            found.ok_or_else(missing)
        }
    }
}

/// All references of a local repository that lead to commits.
///
/// # Errors
/// [`ErrorKind::Corrupt`].
pub(super) fn references(repo: &Repository) -> Result<References, SourceError> {
    let wrong = |error: git2::Error| SourceError::git("reading the references", &error);
    let mut found = References::default();
    for reference in repo.references().map_err(wrong)? {
        let reference = reference.map_err(wrong)?;
        // A reference that leads to no commit (a tagged file, a dangling symbolic one) is nothing to deploy.
        let (Ok(name), Ok(commit)) = (reference.name(), reference.peel_to_commit()) else { continue };
        let id = reference.target().unwrap_or_else(|| commit.id());
        found.list.push(Reference { name: name.to_owned(), id, commit: commit.id() });
    }
    let head = repo.find_reference("HEAD").map_err(wrong)?;
    found.head = head.symbolic_target().ok().flatten().map(str::to_owned);
    if let Ok(commit) = head.peel_to_commit() {
        found.list.push(Reference { name: "HEAD".into(), id: commit.id(), commit: commit.id() });
    }
    Ok(found)
}

/// Changed files that are named.
const NAMED: usize = 5;

/// A sentence on what is changed in the work tree and not committed; nothing for a clean tree or a bare repository.
fn dirt(repo: &Repository) -> Result<Option<String>, SourceError> {
    let Some(folder) = repo.workdir() else { return Ok(None) };
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(false)
        .exclude_submodules(true)
        .include_ignored(false);
    let statuses =
        repo.statuses(Some(&mut options)).map_err(|e| SourceError::git("looking for changed files", &e))?;
    if statuses.is_empty() {
        return Ok(None);
    }
    let named: Vec<String> = statuses
        .iter()
        .take(NAMED)
        .map(|s| format!("{} ({})", escaped(s.path_bytes()), word(s.status())))
        .collect();
    let more = statuses.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok(Some(format!(
        "the work tree in {} has changes that are not committed and not used: {}{more}",
        folder.display(),
        named.join(", ")
    )))
}

fn word(status: Status) -> &'static str {
    let any = |flags: Status| status.intersects(flags);
    if any(Status::CONFLICTED) {
        "conflict"
    } else if any(Status::WT_NEW) {
        "untracked"
    } else if any(Status::INDEX_NEW) {
        "added"
    } else if any(Status::WT_DELETED | Status::INDEX_DELETED) {
        "deleted"
    } else {
        "modified"
    }
}
