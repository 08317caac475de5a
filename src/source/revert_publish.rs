//! Publishing a rollback: a push that only ever adds its one commit to the branch, or nothing.

use super::error::{ErrorKind, SourceError, printable};
use super::mirror_lock::Mode;
use super::revert::Revert;
use super::revert_goal::with_folder;
use super::revision;
use super::session::Session;
use super::transport::with_call;
use super::{GitOptions, Place, Repository, local, mirror, objects};
use git2::{Direction, ErrorCode, Oid, PushOptions, RemoteCallbacks, Signature, Time};
use std::cell::RefCell;

/// Who made a commit, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    name: String,
    email: String,
    /// Seconds since 1970, and minutes east of Greenwich.
    time: (i64, i32),
}

impl Identity {
    /// Author and committer: from the options, `GIT_AUTHOR_*` and `GIT_COMMITTER_*`, or Git's configuration.
    pub fn both(repo: &git2::Repository, options: &GitOptions) -> Result<(Identity, Identity), SourceError> {
        if let Some((name, email)) = &options.author {
            let unusable = |e: git2::Error| {
                let message = format!("the rollback's author can't be written in a commit: {}", e.message());
                SourceError::new(ErrorKind::Usage, message)
            };
            let author = Identity::of(&Signature::now(name, email).map_err(unusable)?);
            return Ok((author.clone(), author));
        }
        let missing = |_| {
            let message = "Git does not know who makes the revert commit; run `git config --global user.name …` and \
                           `git config --global user.email …`, or set GIT_AUTHOR_NAME, GIT_AUTHOR_EMAIL, \
                           GIT_COMMITTER_NAME and GIT_COMMITTER_EMAIL";
            SourceError::new(ErrorKind::Usage, message)
        };
        let author = repo.author_from_env().map_err(missing)?;
        let committer = repo.committer_from_env().map_err(missing)?;
        Ok((Identity::of(&author), Identity::of(&committer)))
    }

    fn of(signature: &Signature<'_>) -> Self {
        Identity {
            name: String::from_utf8_lossy(signature.name_bytes()).into_owned(),
            email: String::from_utf8_lossy(signature.email_bytes()).into_owned(),
            time: (signature.when().seconds(), signature.when().offset_minutes()),
        }
    }

    fn signature(&self) -> Result<Signature<'static>, SourceError> {
        let time = Time::new(self.time.0, self.time.1);
        Signature::new(&self.name, &self.email, &time)
            .map_err(|e| SourceError::git("the commit's author", &e))
    }
}

impl Revert {
    /// Writes the commit and its folders; the same each time.
    pub(super) fn write(&self, repo: &git2::Repository, limits: &super::Limits) -> Result<Oid, SourceError> {
        let wrong = |error: git2::Error| SourceError::git("writing the revert commit", &error);
        let parent = objects::commit(repo, revision::full(&self.parent)?)?;
        let root = with_folder(repo, parent.tree_id(), &self.path, self.folder, limits)?;
        let root = repo.find_tree(root).map_err(wrong)?;
        let (author, committer) = (self.author.signature()?, self.committer.signature()?);
        repo.commit(None, &author, &committer, &self.message, &root, &[&parent]).map_err(wrong)
    }

    fn short_branch(&self) -> &str {
        self.branch.strip_prefix("refs/heads/").unwrap_or(&self.branch)
    }

    fn moved(&self, place: &str) -> SourceError {
        let message = format!(
            "{} on {place} is not at {} any more, so nothing was changed; run the rollback again",
            self.short_branch(),
            self.parent
        );
        SourceError::new(ErrorKind::Moved, message)
    }
}

impl Repository {
    /// Publishes a rollback: the branch moves from the commit it was made on to the new one, or not at all. Returns
    /// notices for people.
    ///
    /// # Errors
    /// [`ErrorKind::Moved`] if the branch is somewhere else by now, [`ErrorKind::Rejected`] if the server refuses, and
    /// those of connecting.
    pub fn push(&mut self, revert: &Revert) -> Result<Vec<String>, SourceError> {
        match &self.place {
            Place::Local(path) => publish_locally(&local::open(path)?, revert, &self.options),
            Place::Remote(remote, mirror) => {
                let (deadline, options) = (self.deadline(), &self.options);
                let _lock = mirror.lock(Mode::Change, deadline)?;
                let parent = revision::full(&revert.parent)?;
                let repo = mirror.open()?.filter(|repo| mirror::is_whole(repo, parent).unwrap_or(false));
                // The mirror may have been made anew since, by another process.
                let repo = repo.ok_or_else(|| revert.moved("the local mirror"))?;
                let commit = revert.write(&repo, &options.limits)?;
                let session = Session::connect(&repo, remote, options, deadline, Direction::Push)?;
                let said = push(&repo, session, revert, commit)?;
                // It is pushed; a mirror that can't note that will fetch once more.
                let noted = mirror::note_whole(&repo, commit);
                let _ = noted.and_then(|()| mirror::note_last(&repo, &revert.branch, commit));
                Ok(said)
            }
        }
    }
}

/// Moves the branch of a local repository, if it is still where the rollback was made.
fn publish_locally(
    repo: &git2::Repository,
    revert: &Revert,
    options: &GitOptions,
) -> Result<Vec<String>, SourceError> {
    let place = printable(&repo.path().to_string_lossy(), 300);
    let tip = revision::full(&revert.parent)?;
    let commit = revert.write(repo, &options.limits)?;
    let moved = repo.reference_matching(&revert.branch, commit, true, tip, "cutover: roll back");
    moved.map_err(|error| match error.code() {
        ErrorCode::Modified | ErrorCode::NotFound | ErrorCode::Locked => revert.moved(&place),
        _ => SourceError::git(format_args!("moving {} in {place}", revert.short_branch()), &error),
    })?;
    let head = repo.find_reference("HEAD").ok();
    let head = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
    let checked_out = repo.workdir().filter(|_| head == Some(revert.branch.as_str()));
    Ok(checked_out.map(|folder| {
        let path = if revert.path.is_empty() { ".".to_owned() } else { revert.path.join("/") };
        format!(
            "{} is checked out in {}: its commit moved and its files did not. To bring them along (this drops what \
             is not committed there), run `git -C {} restore --source=HEAD --staged --worktree -- {path}`",
            revert.short_branch(),
            folder.display(),
            folder.display(),
        )
    }).into_iter().collect())
}

/// Pushes `commit` to the branch of the connected remote; returns what the server says.
fn push(
    repo: &git2::Repository,
    mut session: Session<'_>,
    revert: &Revert,
    commit: Oid,
) -> Result<Vec<String>, SourceError> {
    let remote_name = session.call.remote.to_string();
    let tip = revision::full(&revert.parent)?;
    if session.references.get(&revert.branch).map(|r| r.commit) != Some(tip) {
        return Err(revert.moved(&remote_name));
    }
    let source = "refs/cutover/rollback";
    let wrong = |error: git2::Error| SourceError::git("preparing the push", &error);
    repo.reference(source, commit, true, "rollback").map_err(wrong)?;
    let refused: RefCell<Option<String>> = RefCell::new(None);
    let said: RefCell<Vec<u8>> = RefCell::new(Vec::new());
    let mut callbacks = RemoteCallbacks::new();
    callbacks.push_update_reference(|_, status| {
        *refused.borrow_mut() = status.map(str::to_owned);
        Ok(())
    });
    callbacks.sideband_progress(|text| {
        let mut said = said.borrow_mut();
        let room = 4_000_usize.saturating_sub(said.len()).min(text.len());
        said.extend_from_slice(&text[..room]);
        true
    });
    let mut options = PushOptions::new();
    options.remote_callbacks(callbacks).packbuilder_parallelism(1);
    let spec = format!("{source}:{}", revert.branch);
    let remote = &mut session.remote;
    let pushed = with_call(&session.call, "pushing to", || remote.push(&[spec], Some(&mut options)));
    drop(options);
    let said = printable(&String::from_utf8_lossy(&said.into_inner()), 1_000);
    if let Some(why) = refused.into_inner() {
        // The list of references and the push are two requests; somebody may have come in between.
        let raced =
            ["fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref"];
        if raced.iter().any(|word| why.contains(word)) {
            return Err(revert.moved(&remote_name));
        }
        let why = printable(&why, 200);
        let said = if said.is_empty() { said } else { format!(". It says: {said}") };
        let message = format!(
            "{remote_name} refuses the push to {} ({why}){said}. If the branch is protected, push commit {} to \
             another branch by hand, or revert on the host's web page",
            revert.short_branch(),
            revert.id
        );
        return Err(SourceError::new(ErrorKind::Rejected, message));
    }
    pushed.map_err(|error| match error.kind {
        ErrorKind::Network | ErrorKind::Timeout => {
            error.within("the push may or may not have arrived, so look at the branch before trying again")
        }
        _ => error,
    })?;
    Ok(if said.is_empty() { Vec::new() } else { vec![format!("{remote_name} says: {said}")] })
}
