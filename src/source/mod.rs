//! Git repositories, read from an object database: a bare mirror in the cache directory for remote ones, the
//! repository itself for local ones. Nothing is checked out, nothing in a repository is executed, and submodules,
//! symbolic links and `..` are never followed.
//!
//! Everything here blocks; async callers use `spawn_blocking`.

mod auth;
mod call;
mod calls;
mod credential;
mod error;
mod given;
mod http;
mod http_error;
mod http_stream;
mod ignore;
mod known_hosts;
mod limits;
mod local;
mod mirror;
mod mirror_lock;
mod mirrored;
mod mirrored_many;
mod objects;
mod revert;
mod revert_goal;
mod revert_publish;
mod revision;
mod searched;
mod selection;
mod session;
mod ssh;
mod ssh_auth;
mod ssh_host_key;
mod tcp;
mod tls;
mod transport;
mod tree;
mod tree_path;
mod url;

pub use auth::{Auth, Token, TokenSource};
pub use calls::GitCalls;
pub use error::{ErrorKind, SourceError};
pub use given::Given;
pub use limits::Limits;
pub use revert::Revert;
pub use searched::Searched;
pub use tree::Tree;

use crate::model::Directory;
use mirror::Mirror;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use url::{Address, Remote};

/// How repositories are reached and what they may cost.
#[derive(Clone, Debug)]
pub struct GitOptions {
    /// Where mirrors are kept; [`default_cache_dir`] is the usual place.
    pub cache_dir: PathBuf,
    pub auth: Auth,
    /// For one operation (a `resolve`, a `tree`, a `push`), including the wait for another process.
    pub timeout: Duration,
    /// For the next bytes of a server that has started to answer.
    pub idle_timeout: Duration,
    pub limits: Limits,
    /// Name and e-mail address for the commit of a rollback; `None`: what Git itself would take.
    pub author: Option<(String, String)>,
    /// Counts what is asked of servers.
    pub calls: GitCalls,
    /// Commits that a controller has looked for in vain.
    pub searched: Searched,
}

impl GitOptions {
    /// Options with the usual limits: five minutes in all, one minute of silence.
    pub fn new(cache_dir: PathBuf, auth: Auth) -> Self {
        GitOptions {
            cache_dir,
            auth,
            timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(60),
            limits: Limits::default(),
            author: None,
            calls: GitCalls::default(),
            searched: Searched::default(),
        }
    }
}

/// `$XDG_CACHE_HOME/cutover` or `~/.cache/cutover`; `None` without a home directory.
pub fn default_cache_dir() -> Option<PathBuf> {
    let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| std::env::home_dir().map(|home| home.join(".cache"))).map(|cache| cache.join("cutover"))
}

/// True for a URL that means a repository of this machine: a path, or `file://`.
pub fn is_local(url: &str) -> bool {
    matches!(url::parse(url), Ok(Address::Local(_)))
}

/// A commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// 40 hex digits.
    pub id: String,
    /// The first seven of them.
    pub short: String,
    /// The first line of its message.
    pub summary: String,
    /// When it was written, in seconds since 1970.
    pub author_time: i64,
    /// When it was made what it is (rebased, merged), in seconds since 1970.
    pub commit_time: i64,
    /// For people: a dirty work tree, a mirror that was rebuilt.
    pub notices: Vec<String>,
    /// True if objects were fetched for it.
    pub fetched: bool,
}

/// A repository, local or remote. It holds no connection and no lock between calls.
#[derive(Clone, Debug)]
pub struct Repository {
    place: Place,
    options: GitOptions,
}

#[derive(Clone, Debug)]
enum Place {
    Local(PathBuf),
    Remote(Remote, Mirror),
}

/// Takes `url` apart and, for a local repository, checks that there is one. Remote ones are not contacted yet.
///
/// # Errors
/// [`ErrorKind::Usage`] for a URL that can't be used, [`ErrorKind::NotFound`] if there is no local repository.
pub fn open(url: &str, options: &GitOptions) -> Result<Repository, SourceError> {
    let place = match url::parse(url)? {
        Address::Local(path) => {
            local::open(&path)?;
            Place::Local(path)
        }
        Address::Remote(remote) => {
            let mirror = Mirror::of(&options.cache_dir, &remote);
            Place::Remote(remote, mirror)
        }
    };
    Ok(Repository { place, options: options.clone() })
}

impl Repository {
    /// Finds the commit that a branch, a tag, a full or abbreviated commit (7 digits or more) or `HEAD` names. Fetches
    /// only what is not in the mirror; a full commit that is there needs no connection.
    ///
    /// # Errors
    /// All kinds of [`ErrorKind`] but those of reading files.
    pub fn resolve(&mut self, target_revision: &str) -> Result<Commit, SourceError> {
        let revision = revision::parse(target_revision)?;
        match &self.place {
            Place::Local(path) => local::resolve(path, &revision),
            Place::Remote(remote, mirror) => {
                mirrored::resolve(remote, mirror, &self.options, &revision, self.deadline())
            }
        }
    }

    /// As [`Repository::resolve`] for several revisions, with one list of references and one fetch for all branches and
    /// tags that moved. The inner errors concern one revision.
    ///
    /// # Errors
    /// If the repository can't be asked.
    pub fn resolve_all(
        &mut self,
        revisions: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<Commit, SourceError>>, SourceError> {
        let (mut parsed, mut found) = (BTreeMap::new(), BTreeMap::new());
        for text in revisions {
            match revision::parse(text) {
                Ok(revision) => drop(parsed.insert(text.clone(), revision)),
                Err(error) => drop(found.insert(text.clone(), Err(error))),
            }
        }
        match &self.place {
            Place::Local(path) => {
                local::open(path)?;
                let each =
                    parsed.iter().map(|(text, revision)| (text.clone(), local::resolve(path, revision)));
                found.extend(each);
            }
            Place::Remote(..) if parsed.is_empty() => {}
            Place::Remote(remote, mirror) => {
                let deadline = self.deadline();
                found.extend(mirrored_many::resolve_all(remote, mirror, &self.options, &parsed, deadline)?);
            }
        }
        Ok(found)
    }

    /// True if the commit can be read without asking anybody.
    ///
    /// # Errors
    /// [`ErrorKind::Local`], [`ErrorKind::Busy`].
    pub fn holds(&self, commit: &str) -> Result<bool, SourceError> {
        match &self.place {
            Place::Local(_) => Ok(true),
            Place::Remote(_, mirror) => mirrored::holds(mirror, revision::full(commit)?, self.deadline()),
        }
    }

    /// The id of the folder `path` at `commit`: as long as it is the same, so is everything in the folder.
    ///
    /// # Errors
    /// Those of [`Repository::tree`] that concern the path.
    pub fn tree_id(&mut self, commit: &Commit, path: &str) -> Result<String, SourceError> {
        let paths = BTreeSet::from([path.to_owned()]);
        self.tree_ids(&commit.id, &paths)?.remove(path).unwrap_or_else(|| Ok(String::new()))
    }

    /// As [`Repository::tree_id`] for several folders at the commit with this full id: each folder on the way is read
    /// once. The inner errors concern one path.
    ///
    /// # Errors
    /// If the repository can't be read.
    pub fn tree_ids(
        &mut self,
        commit: &str,
        paths: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<String, SourceError>>, SourceError> {
        self.read(commit, |repo, id| {
            let mut folders = tree::Folders::new(repo, id, &self.options.limits)?;
            let mut found = BTreeMap::new();
            for path in paths {
                match tree_path::parse(path).and_then(|path| folders.id(&path)) {
                    Err(error) if error.mirror_suspect => return Err(error),
                    id => drop(found.insert(path.clone(), id.map(|id| id.to_string()))),
                }
            }
            Ok(found)
        })
    }

    /// All manifest files (`*.yaml`, `*.yml`, `*.json`) below the folder `path` at `commit`, in the order of their paths, but
    /// for those that a `.cutoverignore` leaves out.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] and [`ErrorKind::NotFound`] for the path, [`ErrorKind::Symlink`], [`ErrorKind::Content`],
    /// [`ErrorKind::Limit`] for what is found there.
    pub fn tree(&mut self, commit: &Commit, path: &str) -> Result<Tree, SourceError> {
        self.tree_at(&commit.id, path, &Directory::default())
    }

    /// As [`Repository::tree`], at the commit with this full id and of those files only that `directory` takes.
    ///
    /// # Errors
    /// Those of [`Repository::tree`], and [`ErrorKind::Usage`] for a glob that is none.
    pub fn tree_at(&mut self, commit: &str, path: &str, directory: &Directory) -> Result<Tree, SourceError> {
        let path = tree_path::parse(path)?;
        self.read(commit, |repo, id| tree::read(repo, id, &path, directory, &self.options.limits))
    }

    /// True if the commit `newer` comes after `older` in the same history. False where that is not known from here: a commit
    /// that is not in a local repository, and all of a mirror, which holds no history.
    ///
    /// # Errors
    /// If the repository can't be read.
    pub fn comes_after(&self, newer: &str, older: &str) -> Result<bool, SourceError> {
        let (newer, older) = (revision::full(newer)?, revision::full(older)?);
        match &self.place {
            Place::Local(path) => local::comes_after(path, newer, older),
            Place::Remote(..) => Ok(false),
        }
    }

    /// The repository's URL, for people: without secrets.
    pub fn shown_url(&self) -> String {
        match &self.place {
            Place::Local(path) => Address::Local(path.clone()).to_string(),
            Place::Remote(remote, _) => remote.to_string(),
        }
    }

    fn read<T>(
        &self,
        commit: &str,
        work: impl Fn(&git2::Repository, git2::Oid) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let id = revision::full(commit)?;
        match &self.place {
            Place::Local(path) => work(&local::open(path)?, id),
            Place::Remote(remote, mirror) => {
                mirrored::read(remote, mirror, &self.options, id, self.deadline(), |repo| work(repo, id))
            }
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.timeout
    }
}
