//! The demo's Git repository: a real one, made from the examples that are built into the program.

use crate::cli::error::{CliError, ErrorKind};
use git2::{Oid, RevertOptions, Signature};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The Application file, seen from the repository's top.
pub const APPLICATION: &str = "examples/shop.yaml";
/// The documents.
const DOCUMENTS: &str = "examples/shop/web.yaml";

/// The image of the examples.
pub const VERSION_1: &str = "registry.example/shop/web:v1";
pub const VERSION_2: &str = "registry.example/shop/web:v2";
/// Its tag tells the simulator to let the load balancer's health checks pass and to fail everything else.
pub const BROKEN: &str = "registry.example/shop/web:v3-errors";
/// How long the examples give a version to come up: a slow machine needs more of it than one may want to wait for the
/// end of the broken version, which has less.
pub const DEADLINE: &str = "deadline: 15m";
pub const SHORT_DEADLINE: &str = "deadline: 45s";

const FILES: [(&str, &str); 2] = [
    (APPLICATION, include_str!("../../../examples/shop.yaml")),
    (DOCUMENTS, include_str!("../../../examples/shop/web.yaml")),
];

/// A repository with a checkout, in a temporary folder.
pub struct Repository {
    /// `None` once it is to be kept.
    folder: Option<TempDir>,
    path: PathBuf,
    git: git2::Repository,
}

impl Repository {
    /// Makes it, with the first version committed.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn make() -> Result<Repository, CliError> {
        let folder = tempfile::Builder::new().prefix("cutover-demo-").tempdir().map_err(local)?;
        let path = folder.path().to_owned();
        let mut options = git2::RepositoryInitOptions::new();
        let git = git2::Repository::init_opts(&path, options.initial_head("main").external_template(false))
            .map_err(git)?;
        // For the commits of people who play on, too.
        let mut config = git_config(&git)?;
        for (name, value) in [("user.name", "Cutover demo"), ("user.email", "demo@cutover.invalid")] {
            config.set_str(name, value).map_err(self::git)?;
        }
        let repository = Repository { folder: Some(folder), path, git };
        for (file, content) in FILES {
            let file = repository.path.join(file);
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent).map_err(local)?;
            }
            std::fs::write(file, content).map_err(local)?;
        }
        repository.commit("Version 1")?;
        Ok(repository)
    }

    /// The checkout.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts one text for another in the documents, for each of `changes`, and commits that.
    ///
    /// # Errors
    /// If one of the texts is not there.
    pub fn commit_change(&self, changes: &[(&str, &str)], message: &str) -> Result<(), CliError> {
        let file = self.path.join(DOCUMENTS);
        let mut text = std::fs::read_to_string(&file).map_err(local)?;
        for (from, to) in changes {
            if !text.contains(from) {
                return Err(CliError::new(ErrorKind::Local, format!("{DOCUMENTS} does not have {from}")));
            }
            text = text.replace(from, to);
        }
        std::fs::write(&file, text).map_err(local)?;
        self.commit(message)
    }

    /// What `git revert --no-edit HEAD` does.
    ///
    /// # Errors
    /// Those of Git.
    pub fn revert(&self) -> Result<(), CliError> {
        let head = self.git.head().and_then(|head| head.peel_to_commit()).map_err(git)?;
        let mut options = RevertOptions::new();
        self.git.revert(&head, Some(&mut options)).map_err(git)?;
        let summary = head.summary().ok().flatten().unwrap_or_default().to_owned();
        self.commit(&format!("Revert \"{summary}\"\n\nThis reverts commit {}.\n", head.id()))?;
        self.git.cleanup_state().map_err(git)
    }

    /// Leaves it on the disk when the program ends.
    pub fn keep(&mut self) {
        if let Some(folder) = self.folder.take() {
            self.path = folder.keep();
        }
    }

    /// What tasks of an image call themselves.
    pub fn release(image: &str) -> &str {
        image.rsplit(':').next().unwrap_or(image)
    }

    fn commit(&self, message: &str) -> Result<(), CliError> {
        let mut index = self.git.index().map_err(git)?;
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).map_err(git)?;
        index.write().map_err(git)?;
        let tree = index.write_tree().and_then(|id| self.git.find_tree(id)).map_err(git)?;
        let who = Signature::now("Cutover demo", "demo@cutover.invalid").map_err(git)?;
        let parent = self.git.head().ok().and_then(|head| head.peel_to_commit().ok());
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let _: Oid = self.git.commit(Some("HEAD"), &who, &who, message, &tree, &parents).map_err(git)?;
        Ok(())
    }
}

fn git_config(repository: &git2::Repository) -> Result<git2::Config, CliError> {
    repository.config().and_then(|config| config.open_level(git2::ConfigLevel::Local)).map_err(git)
}

fn git(error: git2::Error) -> CliError {
    CliError::new(ErrorKind::Git, format!("the demo's repository: {}", error.message()))
}

fn local(error: std::io::Error) -> CliError {
    CliError::new(ErrorKind::Local, format!("the demo's repository can't be written: {error}"))
        .hint("TMPDIR names another folder for temporary files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revert_brings_back_the_first_version_byte_for_byte() {
        let repository = Repository::make().expect("a repository");
        let changes = [(VERSION_1, BROKEN), (DEADLINE, SHORT_DEADLINE)];
        repository.commit_change(&changes, "Version 3").expect("a commit");
        let read = || std::fs::read_to_string(repository.path().join(DOCUMENTS)).expect("the documents");
        assert!(read().contains(BROKEN) && read().contains(SHORT_DEADLINE));
        repository.revert().expect("a revert");
        assert_eq!(read(), FILES[1].1);
        let statuses = repository.git.statuses(None).expect("the status");
        assert!(statuses.is_empty(), "something is left uncommitted");
        assert!(repository.commit_change(&[(VERSION_2, BROKEN)], "x").is_err(), "the image is not there");
    }
}
