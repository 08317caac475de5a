//! Rolling an application back in Git: a commit on top of the branch that puts the application's folder back to what it
//! was. Made in the object database, without a checkout.
//!
//! Only the application's folder changes, even if the commit that is taken back also changed others: rolling back the
//! shop must not roll back the billing. For the same reason there are no conflicts: the commit that is taken back is
//! the newest one that changed the folder, so the folder is exactly as that commit left it.

use super::error::{ErrorKind, SourceError};
use super::mirrored::{self, Source};
use super::revert_goal::{Goal, deepening, goal_at, goal_before, shown};
use super::revert_publish::Identity;
use super::revision::{self, Choice};
use super::tree_path::{self, TreePath};
use super::{GitOptions, Place, Repository, local, objects, tree};
use git2::{DiffFormat, Oid};

/// A commit that takes an application back; nothing is published yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// The branch's full name, `refs/heads/main`.
    pub branch: String,
    /// The commit the branch is at; it must still be there when this is pushed.
    pub parent: String,
    /// The new commit's id.
    pub id: String,
    /// Its message.
    pub message: String,
    /// What it changes, as a unified diff. It may show secrets that are written in manifests.
    pub diff: String,
    /// For people.
    pub notices: Vec<String>,
    /// The root folder of the new commit, by what it takes to make it again.
    pub(super) folder: Oid,
    pub(super) path: TreePath,
    pub(super) author: Identity,
    pub(super) committer: Identity,
}

/// Bytes of a diff that are shown.
const DIFF_BYTES: usize = 1 << 20;

impl Repository {
    /// Makes the commit that takes the folder `path` on `branch` (or `HEAD`) back to what it was at the commit `to`, or,
    /// without `to`, before the newest commit that changed it (a merge counts as one commit: the branch's own line of
    /// commits is followed).
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if there is nothing to take back, if that would bring back what an earlier rollback took
    /// away, or if nobody is configured as author; and those of [`Repository::resolve`].
    pub fn revert(&mut self, branch: &str, to: Option<&str>, path: &str) -> Result<Revert, SourceError> {
        let branch = revision::parse(branch)?;
        let path = tree_path::parse(path)?;
        let to = to.map(|to| self.resolve(to)).transpose()?.map(|c| revision::full(&c.id)).transpose()?;
        let limits = self.options.limits.clone();
        match &self.place {
            Place::Local(folder) => {
                let repo = local::open(folder)?;
                let references = local::references(&repo)?;
                let (name, tip) = as_branch(references.choose(&branch)?, &references)?;
                // Nothing is written into somebody's repository before it is published.
                let odb = repo.odb().map_err(wrong)?;
                let _in_memory = odb.add_new_mempack_backend(1_000).map_err(wrong)?;
                let goal = match to {
                    Some(to) => goal_at(&repo, to, &path, &limits)?,
                    None => goal_before(&repo, tip, &path, &limits)?.ok_or_else(|| {
                        let message = "the history of this clone is cut off before the commit to take back; \
                                       run `git fetch --unshallow` in it";
                        SourceError::new(ErrorKind::Usage, message)
                    })?,
                };
                Revert::make(&repo, name, tip, path, goal, &self.options)
            }
            Place::Remote(remote, mirror) => {
                let on = Source { remote, options: &self.options, deadline: self.deadline() };
                let (revert, _) = mirrored::changing(mirror, on.deadline, |repo| {
                    let session = on.connect(repo)?;
                    let (name, tip) = as_branch(session.references.choose(&branch)?, &session.references)?;
                    let reference = session.references.get(&name).cloned();
                    let reference = reference.ok_or_else(|| not_a_branch(&name))?;
                    mirrored::fetch_reference(repo, session, &reference)?;
                    let goal = match to {
                        Some(to) => goal_at(repo, to, &path, &limits)?,
                        None => deepening(repo, &on, &name, tip, &path, &limits)?,
                    };
                    Revert::make(repo, name, tip, path.clone(), goal, &self.options)
                })?;
                Ok(revert)
            }
        }
    }
}

fn wrong(error: git2::Error) -> SourceError {
    SourceError::git("making the revert commit", &error)
}

fn not_a_branch(name: &str) -> SourceError {
    let message =
        format!("a rollback is a new commit on a branch, and `{name}` is none; name the branch to change");
    SourceError::new(ErrorKind::Usage, message)
}

/// The branch that was chosen, and where it is.
fn as_branch(choice: Choice<'_>, all: &revision::References) -> Result<(String, Oid), SourceError> {
    match choice {
        Choice::Reference(r) if r.name.starts_with("refs/heads/") => Ok((r.name.clone(), r.commit)),
        Choice::Reference(r) if r.name == "HEAD" => {
            match all.head.as_deref().and_then(|head| all.get(head)) {
                Some(head) => Ok((head.name.clone(), head.commit)),
                None => Err(not_a_branch("HEAD")),
            }
        }
        Choice::Reference(r) => Err(not_a_branch(&r.name)),
        Choice::Commit(id) => Err(not_a_branch(&id.to_string())),
        Choice::Prefix(prefix) => Err(not_a_branch(&prefix)),
    }
}

impl Revert {
    fn make(
        repo: &git2::Repository,
        branch: String,
        tip: Oid,
        path: TreePath,
        goal: Goal,
        options: &GitOptions,
    ) -> Result<Revert, SourceError> {
        let limits = &options.limits;
        if tree::id(repo, tip, &path, limits)? == goal.folder {
            let message =
                format!("{} on {branch} is already as asked; there is nothing to roll back", shown(&path));
            return Err(SourceError::new(ErrorKind::Usage, message));
        }
        let (author, committer) = Identity::both(repo, options)?;
        let mut revert = Revert {
            branch,
            parent: tip.to_string(),
            id: String::new(),
            message: goal.message,
            diff: String::new(),
            notices: goal.notices,
            folder: goal.folder,
            path,
            author,
            committer,
        };
        let id = revert.write(repo, limits)?;
        revert.id = id.to_string();
        let old = objects::commit(repo, tip)?.tree().map_err(wrong)?;
        let new = objects::commit(repo, id)?.tree().map_err(wrong)?;
        let diff = repo.diff_tree_to_tree(Some(&old), Some(&new), None).map_err(wrong)?;
        let mut text = Vec::new();
        let printed = diff.print(DiffFormat::Patch, |_, _, line| {
            if matches!(line.origin(), '+' | '-' | ' ') {
                text.push(line.origin() as u8);
            }
            text.extend_from_slice(line.content());
            text.len() < DIFF_BYTES
        });
        match printed {
            Err(_) if text.len() >= DIFF_BYTES => {
                revert
                    .notices
                    .push(format!("the diff is longer than {DIFF_BYTES} bytes; the rest is not shown"));
            }
            printed => printed.map_err(wrong)?,
        }
        revert.diff = String::from_utf8_lossy(&text).into_owned();
        Ok(revert)
    }
}
