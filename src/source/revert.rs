//! Rolling an application back in Git: a commit on top of the branch that puts the application's folder back to what it
//! was. Made in the object database, without a checkout.
//!
//! Only the application's folder changes, even if the commit that is taken back also changed others: rolling back the
//! shop must not roll back the billing. For the same reason there are no conflicts: the commit that is taken back is
//! the newest one that changed the folder, so the folder is exactly as that commit left it.

use super::error::{ErrorKind, SourceError};
use super::limits::Limits;
use super::mirrored::{self, Source};
use super::revert_publish::Identity;
use super::revision::{self, Choice};
use super::session::Depth;
use super::tree_path::{self, TreePath};
use super::{GitOptions, Place, Repository, local, objects, tree};
use git2::{DiffFormat, FileMode, Oid};

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

/// What the folder shall be.
struct Goal {
    folder: Oid,
    message: String,
    notices: Vec<String>,
}

/// Commits that are fetched first when the newest one did not change the folder; then all.
const DEEPEN: [Depth; 2] = [Depth::Commits(100), Depth::Unshallow];

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

/// The goal of a rollback, fetching more history until it is found.
fn deepening(
    repo: &git2::Repository,
    on: &Source<'_>,
    branch: &str,
    tip: Oid,
    path: &TreePath,
    limits: &Limits,
) -> Result<Goal, SourceError> {
    if let Some(goal) = goal_before(repo, tip, path, limits)? {
        return Ok(goal);
    }
    for depth in DEEPEN {
        on.connect(repo)?.fetch(&[branch.to_owned()], depth)?;
        if let Some(goal) = goal_before(repo, tip, path, limits)? {
            return Ok(goal);
        }
    }
    let message = format!("{}: the server does not give out the history of {branch}", on.remote);
    Err(SourceError::new(ErrorKind::Network, message))
}

/// The folder as it was at `to`.
fn goal_at(repo: &git2::Repository, to: Oid, path: &TreePath, limits: &Limits) -> Result<Goal, SourceError> {
    let commit = objects::describe(repo, to)?;
    let folder = tree::id(repo, to, path, limits)?;
    let shown = shown(path);
    let message = format!(
        "Return {shown} to {}\n\nThe folder is again as it was at commit {to}\n(\"{}\").\n",
        commit.short, commit.summary
    );
    Ok(Goal { folder, message, notices: Vec::new() })
}

/// The folder before the newest commit that changed it; nothing if the history here does not reach that far.
fn goal_before(
    repo: &git2::Repository,
    tip: Oid,
    path: &TreePath,
    limits: &Limits,
) -> Result<Option<Goal>, SourceError> {
    let shown = shown(path);
    let folder_at = |id: Oid| match tree::id(repo, id, path, limits) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let now = tree::id(repo, tip, path, limits)?;
    let mut id = tip;
    let first = loop {
        let Some(parent) = objects::parents(repo, id)?.first().copied() else { break None };
        if !repo.odb().map_err(wrong)?.exists(parent) {
            return Ok(None);
        }
        match folder_at(parent)? {
            Some(folder) if folder == now => id = parent,
            before => break before.map(|folder| (parent, folder)),
        }
    };
    let culprit = objects::describe(repo, id)?;
    let usage = |why: &str| {
        let message = format!(
            "commit {} ({}) {why}; name the state to return to with --to COMMIT",
            culprit.short, culprit.summary
        );
        SourceError::new(ErrorKind::Usage, message)
    };
    let Some((parent, folder)) = first else {
        return Err(usage(&format!("is the first with {shown}, so there is nothing before it")));
    };
    if culprit.summary.starts_with("Revert \"") || culprit.summary.starts_with(&format!("Return {shown} to "))
    {
        return Err(usage(&format!(
            "is the newest change of {shown} and itself a rollback; taking it back would bring back what it took away"
        )));
    }
    let mut message = format!("Revert \"{}\"\n\nThis reverts commit {id}", culprit.summary);
    let mut notices = Vec::new();
    let parent_root = objects::commit(repo, parent)?.tree_id();
    if with_folder(repo, parent_root, path, now, limits)? == objects::commit(repo, id)?.tree_id() {
        message += ".\n";
    } else {
        message += &format!("\nin {shown} only.\n");
        notices.push(format!(
            "commit {} also changed files outside of {shown}; those stay as they are",
            culprit.short
        ));
    }
    Ok(Some(Goal { folder, message, notices }))
}

fn shown(path: &TreePath) -> String {
    if path.is_empty() { ".".into() } else { path.join("/") }
}

/// The root folder `root` with the folder `path` in it replaced.
pub(super) fn with_folder(
    repo: &git2::Repository,
    root: Oid,
    path: &[String],
    folder: Oid,
    limits: &Limits,
) -> Result<Oid, SourceError> {
    let Some((name, rest)) = path.split_first() else { return Ok(folder) };
    let tree = objects::tree(repo, root, limits)?;
    let below = match (rest, tree.get_name(name)) {
        ([], _) => folder,
        (_, Some(entry)) => with_folder(repo, entry.id(), rest, folder, limits)?,
        (_, None) => {
            let message = format!("{name} is not in the branch's newest commit");
            return Err(SourceError::new(ErrorKind::NotFound, message));
        }
    };
    let mut builder = repo.treebuilder(Some(&tree)).map_err(wrong)?;
    builder.insert(name, below, FileMode::Tree.into()).map_err(wrong)?;
    builder.write().map_err(wrong)
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
