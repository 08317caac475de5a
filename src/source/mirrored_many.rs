//! Several revisions of one remote repository: one list of references, and one fetch for all branches and tags that
//! moved.

use super::error::{ErrorKind, SourceError};
use super::mirror::{self, Mirror};
use super::mirror_lock::Mode;
use super::mirrored::{Source, changing, check_commit, depth, describe, find, gone};
use super::revision::{self, Choice, Reference, References, Revision};
use super::url::Remote;
use super::{Commit, GitOptions};
use git2::Repository;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The commit of each revision, or why there is none.
pub(super) type Resolved = BTreeMap<String, Result<Commit, SourceError>>;

/// Finds the commits of all revisions and makes sure that all of their trees are in the mirror.
pub(super) fn resolve_all(
    remote: &Remote,
    mirror: &Mirror,
    options: &GitOptions,
    revisions: &BTreeMap<String, Revision>,
    deadline: Instant,
) -> Result<Resolved, SourceError> {
    let on = Source { remote, options, deadline };
    if let Some(found) = unchanged(&on, mirror, revisions)? {
        return Ok(found);
    }
    let (mut found, rebuilt) = changing(mirror, deadline, |repo| find_all(repo, &on, revisions))?;
    for commit in found.values_mut().flatten() {
        commit.notices.extend(rebuilt.clone());
    }
    Ok(found)
}

/// Everything, if all of it is in the mirror already. Only the lock of readers is taken: who reads files does not wait
/// while a slow server is asked.
fn unchanged(
    on: &Source<'_>,
    mirror: &Mirror,
    revisions: &BTreeMap<String, Revision>,
) -> Result<Option<Resolved>, SourceError> {
    let _lock = mirror.lock(Mode::Read, on.deadline)?;
    let Ok(Some(repo)) = mirror.open() else { return Ok(None) };
    let is_here = |revision: &Revision| matches!(revision, Revision::Full(id) if mirror::is_whole(&repo, *id).unwrap_or(false));
    let references = if revisions.values().all(is_here) {
        References::default()
    } else {
        match on.connect(&repo) {
            Ok(session) => session.references,
            Err(error) if error.mirror_suspect => return Ok(None),
            Err(error) => return Err(error),
        }
    };
    let mut found = Resolved::new();
    for (text, revision) in revisions {
        match in_mirror(&repo, on.remote, &references, revision) {
            Ok(None) => match on.options.searched.in_vain(on, text, &references) {
                Some(error) => drop(found.insert(text.clone(), Err(error))),
                None => return Ok(None),
            },
            Err(error) if error.mirror_suspect => return Ok(None),
            Ok(Some(commit)) => drop(found.insert(text.clone(), Ok(commit))),
            Err(error) => drop(found.insert(text.clone(), Err(error))),
        }
    }
    Ok(Some(found))
}

/// The commit of a revision if nothing has to be fetched or noted for it.
fn in_mirror(
    repo: &Repository,
    remote: &Remote,
    references: &References,
    revision: &Revision,
) -> Result<Option<Commit>, SourceError> {
    let id = match references.choose(revision).map_err(|error| gone(repo, remote, revision, error))? {
        Choice::Reference(reference) if mirror::is_last(repo, &reference.name, reference.commit) => {
            Some(reference.commit)
        }
        Choice::Reference(_) => None,
        Choice::Commit(id) => Some(id),
        Choice::Prefix(prefix) => {
            let mut known = references.with_prefix(&prefix);
            known.extend(revision::in_database(repo, &prefix)?);
            revision::only(&prefix, known)?
        }
    };
    match id {
        Some(id) if mirror::is_whole(repo, id)? => describe(repo, id, false).map(Some),
        _ => Ok(None),
    }
}

/// Finds all revisions with one connection, but for commits that no reference is at: each of those has one of its own.
fn find_all(
    repo: &Repository,
    on: &Source<'_>,
    revisions: &BTreeMap<String, Revision>,
) -> Result<Resolved, SourceError> {
    let is_new = !mirror::has_any(repo);
    let session = on.connect(repo)?;
    let references = session.references.clone();
    let mut by_reference: BTreeMap<&String, &Reference> = BTreeMap::new();
    let mut found = Resolved::new();
    for (text, revision) in revisions {
        match references.choose(revision) {
            Ok(Choice::Reference(reference)) => drop(by_reference.insert(text, reference)),
            Ok(Choice::Commit(id)) => {
                if let Some(reference) = references.to(id) {
                    by_reference.insert(text, reference);
                }
            }
            Ok(Choice::Prefix(_)) => {}
            Err(error) => drop(found.insert(text.clone(), Err(gone(repo, on.remote, revision, error)))),
        }
    }
    let mut wanted: BTreeSet<&String> = BTreeSet::new();
    for reference in by_reference.values() {
        if !mirror::is_whole(repo, reference.commit)? {
            wanted.insert(&reference.name);
        }
    }
    if wanted.is_empty() {
        drop(session);
    } else {
        mirror::check_packs(repo)?;
        let names: Vec<String> = wanted.iter().map(|name| (*name).clone()).collect();
        session.fetch(&names, depth(repo))?;
    }
    // The rest comes last: looking for a commit that no reference is at may take all the time there is.
    let rest =
        revisions.iter().filter(|(text, _)| !by_reference.contains_key(text) && !found.contains_key(*text));
    let rest: Vec<_> = rest.collect();
    let arrived = by_reference
        .iter()
        .map(|(text, reference)| (*text, arrived(repo, reference, wanted.contains(&reference.name))));
    let searched =
        rest.into_iter().map(|(text, revision)| (text, search(repo, on, &references, text, revision)));
    for (text, commit) in arrived.chain(searched) {
        match commit {
            // The mirror may be what is wrong, so it is made anew; but if it is new, the revision is.
            Err(error) if error.mirror_suspect && !is_new => return Err(error),
            commit => drop(found.insert(text.clone(), commit)),
        }
    }
    Ok(found)
}

/// A commit that no reference is at; at worst the whole history is read for it, once for the same references.
fn search(
    repo: &Repository,
    on: &Source<'_>,
    references: &References,
    text: &str,
    revision: &Revision,
) -> Result<Commit, SourceError> {
    let searched = &on.options.searched;
    if let Some(error) = searched.in_vain(on, text, references) {
        return Err(error);
    }
    let found = find(repo, on, revision).and_then(|(id, fetched)| describe(repo, id, fetched));
    match &found {
        Err(error) if error.kind == ErrorKind::NotFound && mirror::has_full_history(repo) => {
            searched.note(on, text, references, error);
        }
        _ => {}
    }
    found
}

/// The commit of a reference that was fetched or has been here.
fn arrived(repo: &Repository, reference: &Reference, fetched: bool) -> Result<Commit, SourceError> {
    if fetched {
        check_commit(repo, reference.commit, &reference.name)?;
        mirror::note_whole(repo, reference.commit)?;
    }
    mirror::note_last(repo, &reference.name, reference.commit)?;
    describe(repo, reference.commit, fetched)
}
