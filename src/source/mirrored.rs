//! Remote repositories: which commit a revision is, and its objects in the mirror.

use super::error::{ErrorKind, SourceError, printable};
use super::mirror::{self, Mirror};
use super::mirror_lock::Mode;
use super::revision::{self, Choice, Reference, Revision};
use super::session::{Depth, Session};
use super::url::Remote;
use super::{Commit, GitOptions, objects};
use git2::{Direction, ObjectType, Oid, Repository};
use std::time::Instant;

/// Finds the commit of a revision and makes sure that all of its tree is in the mirror.
pub(super) fn resolve(
    remote: &Remote,
    mirror: &Mirror,
    options: &GitOptions,
    revision: &Revision,
    deadline: Instant,
) -> Result<Commit, SourceError> {
    let on = Source { remote, options, deadline };
    let (mut commit, rebuilt) = changing(mirror, deadline, |repo| {
        let (id, fetched) = find(repo, &on, revision)?;
        describe(repo, id, fetched)
    })?;
    commit.notices.extend(rebuilt);
    Ok(commit)
}

/// A commit of the mirror whose tree is there, too.
pub(super) fn describe(repo: &Repository, id: Oid, fetched: bool) -> Result<Commit, SourceError> {
    let commit = objects::describe(repo, id)?;
    objects::size(repo, objects::commit(repo, id)?.tree_id(), ObjectType::Tree)?;
    Ok(Commit { fetched, ..commit })
}

/// True if the commit can be read without the remote.
pub(super) fn holds(mirror: &Mirror, commit: Oid, deadline: Instant) -> Result<bool, SourceError> {
    let _lock = mirror.lock(Mode::Read, deadline)?;
    let repo = mirror.open().ok().flatten();
    Ok(repo.is_some_and(|repo| mirror::is_whole(&repo, commit).unwrap_or(false)))
}

/// Reads from the mirror; a commit that is missing or damaged there is fetched again.
pub(super) fn read<T>(
    remote: &Remote,
    mirror: &Mirror,
    options: &GitOptions,
    commit: Oid,
    deadline: Instant,
    work: impl Fn(&Repository) -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    {
        let _lock = mirror.lock(Mode::Read, deadline)?;
        if let Ok(Some(repo)) = mirror.open()
            && mirror::is_whole(&repo, commit).unwrap_or(false)
        {
            match work(&repo) {
                Err(error) if error.mirror_suspect => {}
                done => return done,
            }
        }
    }
    let on = Source { remote, options, deadline };
    let (done, _) = changing(mirror, deadline, |repo| {
        find(repo, &on, &Revision::Full(commit))?;
        work(repo)
    })?;
    Ok(done)
}

/// Works on the mirror, alone. If it is missing, or what went wrong may be its fault, the work is done once more on a
/// new one, which takes the old one's place only if that went well. Returns a notice if the mirror was damaged.
pub(super) fn changing<T>(
    mirror: &Mirror,
    deadline: Instant,
    mut work: impl FnMut(&Repository) -> Result<T, SourceError>,
) -> Result<(T, Option<String>), SourceError> {
    let _lock = mirror.lock(Mode::Change, deadline)?;
    mirror.tidy();
    let damage = match mirror.open() {
        Ok(None) => None,
        Ok(Some(repo)) => match work(&repo) {
            Err(error) if error.mirror_suspect => Some(error),
            done => return done.map(|done| (done, None)),
        },
        Err(error) => Some(error),
    };
    let (fresh, repo) = mirror.fresh()?;
    let done = work(&repo)?;
    drop(repo);
    mirror.replace(fresh)?;
    Ok((done, damage.map(|why| format!("the local mirror was made anew ({why})"))))
}

/// Where to fetch from, and until when.
pub(super) struct Source<'a> {
    pub remote: &'a Remote,
    pub options: &'a GitOptions,
    pub deadline: Instant,
}

impl Source<'_> {
    pub fn connect<'r>(&self, repo: &'r Repository) -> Result<Session<'r>, SourceError> {
        Session::connect(repo, self.remote, self.options, self.deadline, Direction::Fetch)
    }
}

/// The commit of `revision`, with its tree in the mirror; and whether something was fetched.
pub(super) fn find(
    repo: &Repository,
    on: &Source<'_>,
    revision: &Revision,
) -> Result<(Oid, bool), SourceError> {
    if let Revision::Full(id) = revision
        && mirror::is_whole(repo, *id)?
    {
        return Ok((*id, false));
    }
    let session = on.connect(repo)?;
    let choice =
        session.references.choose(revision).map_err(|error| gone(repo, on.remote, revision, error))?;
    match choice {
        Choice::Reference(reference) => {
            let reference = reference.clone();
            let fetched = fetch_reference(repo, session, &reference)?;
            Ok((reference.commit, fetched))
        }
        Choice::Commit(id) => fetch_commit(repo, on, session, id).map(|()| (id, true)),
        Choice::Prefix(prefix) => {
            let known = |session: &Session<'_>| {
                let mut found = session.references.with_prefix(&prefix);
                found.extend(revision::in_database(repo, &prefix)?);
                revision::only(&prefix, found)
            };
            if let Some(id) = known(&session)? {
                if mirror::is_whole(repo, id)? {
                    return Ok((id, false));
                }
                return fetch_commit(repo, on, session, id).map(|()| (id, true));
            }
            fetch_history(repo, session)?;
            let found = revision::only(&prefix, revision::in_database(repo, &prefix)?)?;
            found.map(|id| (id, true)).ok_or_else(|| {
                let message =
                    format!("{}: `{prefix}` is no branch or tag, and no commit begins with it", on.remote);
                SourceError::new(ErrorKind::NotFound, message)
            })
        }
    }
}

/// Adds what the mirror remembers of a branch or tag that is no more.
pub(super) fn gone(
    repo: &Repository,
    remote: &Remote,
    revision: &Revision,
    error: SourceError,
) -> SourceError {
    let Revision::Name(name) = revision else { return error };
    let was = [("branch", "refs/heads/"), ("tag", "refs/tags/"), ("reference", "")]
        .into_iter()
        .find_map(|(kind, prefix)| mirror::last(repo, &format!("{prefix}{name}")).map(|id| (kind, id)));
    match was {
        Some((kind, id)) if error.kind == ErrorKind::NotFound => {
            let summary =
                objects::describe(repo, id).map(|c| format!(" ({})", c.summary)).unwrap_or_default();
            let name = printable(name, 100);
            let message = format!(
                "{kind} {name} no longer exists on {remote}; it was at {id}{summary} when last seen. Push it again, \
                 or name another targetRevision"
            );
            SourceError::new(ErrorKind::NotFound, message)
        }
        _ => error.within(remote),
    }
}

/// Fetches one reference, if it is not here yet; says whether it did.
pub(super) fn fetch_reference(
    repo: &Repository,
    session: Session<'_>,
    reference: &Reference,
) -> Result<bool, SourceError> {
    let fetch = !mirror::is_whole(repo, reference.commit)?;
    if fetch {
        mirror::check_packs(repo)?;
        session.fetch(std::slice::from_ref(&reference.name), depth(repo))?;
        check_commit(repo, reference.commit, &reference.name)?;
        mirror::note_whole(repo, reference.commit)?;
    }
    mirror::note_last(repo, &reference.name, reference.commit)?;
    Ok(fetch)
}

/// One commit is enough, except in a mirror with full history: a fetch of depth 1 would cut it off again.
pub(super) fn depth(repo: &Repository) -> Depth {
    if mirror::has_full_history(repo) { Depth::Complete } else { Depth::Commits(1) }
}

/// A tag may lead to something else than a commit.
pub(super) fn check_commit(repo: &Repository, id: Oid, name: &str) -> Result<(), SourceError> {
    let odb = repo.odb().map_err(|e| SourceError::git("the mirror", &e))?;
    match odb.read_header(id) {
        Ok((_, ObjectType::Commit)) => Ok(()),
        Ok((_, kind)) => {
            let message = format!("{name} leads to a {kind}, not to a commit");
            Err(SourceError::new(ErrorKind::Usage, message))
        }
        Err(e) => Err(SourceError::git(format_args!("reading {name} after the fetch"), &e)),
    }
}

/// Fetches one commit: by a reference that is at it, else by its id, else with the whole history, since not all servers
/// give out commits by id.
fn fetch_commit(
    repo: &Repository,
    on: &Source<'_>,
    session: Session<'_>,
    id: Oid,
) -> Result<(), SourceError> {
    if let Some(reference) = session.references.to(id).cloned() {
        return fetch_reference(repo, session, &reference).map(drop);
    }
    mirror::check_packs(repo)?;
    let call = session.call.clone();
    let fetched = session.fetch(&[id.to_string()], depth(repo));
    let here = |repo: &Repository| repo.odb().is_ok_and(|odb| odb.exists(id));
    match fetched {
        Ok(()) if here(repo) => {}
        Err(error) if matches!(error.kind, ErrorKind::Timeout | ErrorKind::Limit | ErrorKind::Auth) => {
            return Err(error);
        }
        _ => {
            // The server refused, each in its own words, or closed the connection.
            call.remaining()?;
            fetch_history(repo, on.connect(repo)?)?;
            if !here(repo) {
                let message =
                    format!("{} has no commit {id} on any branch or tag; check targetRevision", on.remote);
                return Err(SourceError::new(ErrorKind::NotFound, message));
            }
        }
    }
    check_commit(repo, id, "targetRevision")?;
    mirror::note_whole(repo, id)
}

/// Fetches all commits of all branches and tags.
fn fetch_history(repo: &Repository, session: Session<'_>) -> Result<(), SourceError> {
    let wants = ["+refs/heads/*:refs/heads/*".to_owned(), "+refs/tags/*:refs/tags/*".to_owned()];
    let depth = if repo.is_shallow() { Depth::Unshallow } else { Depth::Complete };
    session.fetch(&wants, depth)?;
    mirror::note_full_history(repo)
}
