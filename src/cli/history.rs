//! Git as a run asks it again: the documents of earlier commits, and whether its own are still those to be brought about.

use super::error::CliError;
use super::source_flags::{SourceFlags, blocking, load};
use crate::engine::{History, LiveCommits, StopSignal, Trouble, TroubleKind};
use crate::model::{Application, Destination, Manifests, Source, is_commit_id};
use crate::source::{self, GitOptions};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::{Instant, timeout_at};

/// The source of one run.
pub struct GitHistory {
    source: Source,
    destination: Destination,
    options: GitOptions,
    /// True if the revision was named on the command line: an older commit is meant then.
    is_meant: bool,
    round: Mutex<Option<Round>>,
}

/// One sync of one commit.
struct Round {
    commit: String,
    stop: StopSignal,
    /// When the time given to the run is over.
    end: Instant,
    /// What the revision names now, if that is another commit.
    moved: Option<String>,
}

impl GitHistory {
    /// The source of an application that the flags name.
    ///
    /// # Errors
    /// If Git can't be asked at all.
    pub fn of(flags: &SourceFlags, application: &Application) -> Result<GitHistory, CliError> {
        Ok(GitHistory {
            source: application.source.clone(),
            destination: application.destination.clone(),
            options: flags.git.options()?,
            is_meant: flags.revision.is_some(),
            round: Mutex::default(),
        })
    }

    /// From now on it is asked whether `commit` is still wanted; `stop` is set if it is not.
    pub fn begin(&self, commit: &str, stop: &StopSignal, end: Instant) {
        *self.round() = Some(Round { commit: commit.to_owned(), stop: stop.clone(), end, moved: None });
    }

    /// The commit that has taken the place of the one that the sync began with.
    pub fn moved(&self) -> Option<String> {
        self.round().as_ref().and_then(|round| round.moved.clone())
    }

    fn round(&self) -> MutexGuard<'_, Option<Round>> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn resolve(&self) -> Result<String, Trouble> {
        let (source, options) = (self.source.clone(), self.options.clone());
        let resolved = blocking(move || {
            Ok(source::open(&source.repo_url, &options)?.resolve(&source.target_revision)?.id)
        });
        resolved.await.map_err(|error| self.unasked(&error.message))
    }

    /// The first of the live slots that was brought to a commit after `commit`.
    async fn newer_than(
        &self,
        commit: &str,
        live: Vec<(String, String)>,
    ) -> Result<Option<(String, String)>, Trouble> {
        let (source, options, commit) = (self.source.clone(), self.options.clone(), commit.to_owned());
        let found = blocking(move || {
            let repository = source::open(&source.repo_url, &options)?;
            for (slot, of) in live.into_iter().filter(|(_, of)| is_commit_id(of)) {
                if repository.comes_after(&of, &commit)? {
                    return Ok(Some((slot, of)));
                }
            }
            Ok(None)
        });
        found.await.map_err(|error| self.unasked(&error.message))
    }

    fn unasked(&self, why: &str) -> Trouble {
        Trouble {
            kind: TroubleKind::Transient,
            doing: format!(
                "asking Git once more for {}, now that this run has the lock",
                self.source.target_revision
            ),
            message: why.to_owned(),
        }
    }
}

impl History for GitHistory {
    fn documents<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, Result<Manifests, String>> {
        Box::pin(async move {
            let (source, options, commit) = (self.source.clone(), self.options.clone(), commit.to_owned());
            let destination = self.destination.clone();
            let read = blocking(move || {
                let mut repository = source::open(&source.repo_url, &options)?;
                let tree = repository.tree_at(&commit, &source.path, &source.directory)?;
                load(&tree.files, Some(&destination), "nothing was read")
            });
            read.await.map_err(|error| match error.problems.first() {
                Some(problem) => problem.to_string(),
                None => error.message,
            })
        })
    }

    fn is_asked_again(&self) -> bool {
        self.round().is_some() && !is_commit_id(&self.source.target_revision)
    }

    fn confirm<'a>(&'a self, live: LiveCommits<'a>) -> LocalBoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let round = self.round().as_ref().map(|round| (round.commit.clone(), round.end));
            let Some((commit, end)) = round else { return Ok(()) };
            let late = |_| Err(self.unasked("there was no answer in the time given"));
            let now = timeout_at(end, self.resolve()).await.unwrap_or_else(late)?;
            if now != commit {
                if let Some(round) = self.round().as_mut() {
                    round.moved = Some(now);
                    round.stop.set();
                }
                return Err(Trouble {
                    kind: TroubleKind::LookAgain,
                    doing: "asking Git once more".into(),
                    message: "another commit is to be brought about".into(),
                });
            }
            // What a server's branch names now is what is wanted; a checkout may be older than what others have brought about.
            if self.is_meant || !source::is_local(&self.source.repo_url) {
                return Ok(());
            }
            match self.newer_than(&commit, live.await?).await? {
                None => Ok(()),
                Some((slot, newer)) => Err(Trouble {
                    kind: TroubleKind::Rejected,
                    doing: format!("comparing commit {commit} with what is live"),
                    message: format!(
                        "{slot} was last brought to commit {newer}, which comes after it in the same history, and an older \
                         commit does not take the place of a newer one by itself: sync the newer one, revert in Git what is \
                         not wanted, or say `--revision {commit}` if the older one is meant"
                    ),
                }),
            }
        })
    }
}
