//! Git for the controller: which identity reads a repository, where that identity's mirrors are, and who may read a
//! repository of this machine.

use crate::controller::{Documents, Found, Repositories, RepositoryKey, SourceTrouble, Tally};
use crate::model::{RepositoryPattern, Source, Timestamp};
use crate::source::{self, Auth, Commit, ErrorKind, GitCalls, GitOptions, Repository, SourceError};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Reads a Secret, given its namespace and its name; called where blocking is allowed.
pub type ReadSecret =
    dyn Fn(&str, &str) -> Result<BTreeMap<String, Vec<u8>>, SourceTrouble> + Send + std::marker::Sync;

/// Whose Applications these are.
pub enum Trust {
    /// Files of this machine: what its owner can read is read as the owner, local repositories too.
    Owner,
    /// Objects in a cluster, which may be written by people who may not read everything that the operator may.
    Cluster {
        read_secret: Box<ReadSecret>,
        /// The operator's own credentials.
        own: Vec<OperatorSecret>,
        /// Where the operator's Secrets are: the controller's namespace.
        namespace: String,
    },
}

/// A Secret that is used for all repositories that fit, unless their Application names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorSecret {
    pub repositories: RepositoryPattern,
    pub secret: String,
}

/// The repositories of all Applications. Every identity has mirrors of its own, so that nobody is shown what only
/// another one may read.
pub struct GitRepositories {
    options: GitOptions,
    trust: Trust,
}

impl GitRepositories {
    /// With the cache, limits, known hosts and authorities of `options`; of its credentials only those in files, and
    /// only for their owner. No agent and no credential helper is ever asked.
    pub fn new(mut options: GitOptions, trust: Trust) -> GitRepositories {
        options.auth.ssh_agent = None;
        options.auth.credential_helper = false;
        GitRepositories { options, trust }
    }

    /// Counts what is asked of servers.
    pub fn calls(&self) -> GitCalls {
        self.options.calls.clone()
    }

    /// Opens the repository as `auth`; nothing is asked yet.
    fn open(&self, key: &RepositoryKey, auth: Auth) -> Result<Repository, SourceTrouble> {
        let mut options = GitOptions { auth, ..self.options.clone() };
        if let Some((namespace, name)) = &key.secret {
            let digest = Sha256::digest(format!("{namespace}/{name}").as_bytes());
            let folder: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            options.cache_dir = options.cache_dir.join("secrets").join(folder);
        }
        let refused = matches!(self.trust, Trust::Cluster { .. }) && source::is_local(&key.url);
        if refused {
            return Err(SourceTrouble {
                message: "a repository must be reached by https, ssh, http or git; the controller's own files are no \
                          repository for an Application"
                    .into(),
                is_transient: false,
            });
        }
        source::open(&key.url, &options).map_err(trouble)
    }

    /// Who reads the repository, as the Secrets say at this moment.
    fn auth(&self, key: &RepositoryKey) -> Result<Auth, SourceTrouble> {
        let base = &self.options.auth;
        let (read_secret, namespace, name) = match (&self.trust, &key.secret) {
            (Trust::Owner, None) => return Ok(base.clone()),
            (Trust::Owner, Some((_, name))) => {
                return Err(SourceTrouble {
                    message: format!(
                        "spec.source.secretRef names the Secret {name}, and there is no cluster to read it from; for \
                         Applications in a folder give --git-token-file or --ssh-key"
                    ),
                    is_transient: false,
                });
            }
            (Trust::Cluster { read_secret, .. }, Some((namespace, name))) => (read_secret, namespace, name),
            (Trust::Cluster { read_secret, own, namespace }, None) => {
                match own.iter().find(|own| own.repositories.fits(&key.url)) {
                    Some(own) => (read_secret, namespace, &own.secret),
                    None => return Ok(Auth::nobody(base)),
                }
            }
        };
        let data = read_secret(namespace, name)?;
        Auth::from_secret(base, &format!("Secret {namespace}/{name}"), &data).map_err(trouble)
    }

    /// Reads what is at a commit. Neither a Secret nor the remote is asked while the mirror has it.
    fn read<T>(
        &self,
        key: &RepositoryKey,
        commit: &str,
        work: impl Fn(&mut Repository) -> Result<T, SourceError>,
    ) -> Result<T, SourceTrouble> {
        let mut repository = self.open(key, Auth::nobody(&self.options.auth))?;
        if repository.holds(commit).map_err(trouble)? {
            match work(&mut repository) {
                // The mirror was damaged after all, and the remote wants to know who asks.
                Err(error)
                    if matches!(error.kind, ErrorKind::Auth | ErrorKind::HostKey | ErrorKind::NotFound) => {}
                done => return done.map_err(trouble),
            }
        }
        work(&mut self.open(key, self.auth(key)?)?).map_err(trouble)
    }
}

impl Repositories for GitRepositories {
    fn look(
        &self,
        repository: &RepositoryKey,
        revisions: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<Found, SourceTrouble>>, SourceTrouble> {
        let mut opened = self.open(repository, self.auth(repository)?)?;
        let commits = opened.resolve_all(revisions).map_err(trouble)?;
        Ok(commits
            .into_iter()
            .map(|(revision, commit)| (revision, commit.map(found).map_err(trouble)))
            .collect())
    }

    fn tree_ids(
        &self,
        repository: &RepositoryKey,
        commit: &str,
        paths: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<String, SourceTrouble>>, SourceTrouble> {
        let ids = self.read(repository, commit, |opened| opened.tree_ids(commit, paths))?;
        Ok(ids.into_iter().map(|(path, id)| (path, id.map_err(trouble))).collect())
    }

    fn documents(
        &self,
        repository: &RepositoryKey,
        commit: &str,
        source: &Source,
    ) -> Result<Documents, SourceTrouble> {
        let read = |opened: &mut Repository| opened.tree_at(commit, &source.path, &source.directory);
        let tree = self.read(repository, commit, read)?;
        Ok(Documents { files: tree.files, notices: tree.notices })
    }
}

impl Tally for GitRepositories {
    fn tally(&self) -> Vec<(&'static str, String, u64)> {
        let calls = self.calls();
        vec![("git", "ls-remote".into(), calls.listed()), ("git", "fetch".into(), calls.fetched())]
    }
}

fn found(commit: Commit) -> Found {
    let time = Timestamp(u64::try_from(commit.commit_time).unwrap_or_default());
    Found { commit: commit.id, summary: commit.summary, time }
}

fn trouble(error: SourceError) -> SourceTrouble {
    let is_transient = match error.kind {
        ErrorKind::Timeout
        | ErrorKind::Network
        | ErrorKind::Busy
        | ErrorKind::Moved
        | ErrorKind::Corrupt
        | ErrorKind::Local => true,
        ErrorKind::Usage
        | ErrorKind::Auth
        | ErrorKind::HostKey
        | ErrorKind::NotFound
        | ErrorKind::Ambiguous
        | ErrorKind::Limit
        | ErrorKind::Symlink
        | ErrorKind::Content
        | ErrorKind::Rejected => false,
    };
    SourceTrouble { message: error.to_string(), is_transient }
}
