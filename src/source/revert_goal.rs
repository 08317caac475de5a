//! What a rollback shall bring an application's folder back to, found in the branch's history.

use super::error::{ErrorKind, SourceError};
use super::limits::Limits;
use super::mirrored::Source;
use super::session::Depth;
use super::tree_path::TreePath;
use super::{objects, tree};
use git2::{FileMode, Oid};

/// What the folder shall be.
pub(super) struct Goal {
    pub folder: Oid,
    pub message: String,
    pub notices: Vec<String>,
}

/// Commits that are fetched first when the newest one did not change the folder; then all.
const DEEPEN: [Depth; 2] = [Depth::Commits(100), Depth::Unshallow];

/// The goal of a rollback, fetching more history until it is found.
pub(super) fn deepening(
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
pub(super) fn goal_at(
    repo: &git2::Repository,
    to: Oid,
    path: &TreePath,
    limits: &Limits,
) -> Result<Goal, SourceError> {
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
pub(super) fn goal_before(
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

/// The path, for people.
pub(super) fn shown(path: &TreePath) -> String {
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

fn wrong(error: git2::Error) -> SourceError {
    SourceError::git("making the revert commit", &error)
}
