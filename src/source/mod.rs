//! Git repositories, read from an object database: a bare mirror in the cache directory for remote ones, the
//! repository itself for local ones. Nothing is checked out, nothing in a repository is executed, and submodules,
//! symbolic links and `..` are never followed.
//!
//! Everything here blocks; async callers use `spawn_blocking`.

mod auth;
mod call;
mod credential;
mod error;
mod http;
mod http_error;
mod http_stream;
mod known_hosts;
mod limits;
mod local;
mod mirror;
mod mirror_lock;
mod mirrored;
mod objects;
mod revert;
mod revert_goal;
mod revert_publish;
mod revision;
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
pub use error::{ErrorKind, SourceError};
pub use limits::Limits;
pub use revert::Revert;
pub use tree::Tree;

use mirror::Mirror;
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
        }
    }
}

/// `$XDG_CACHE_HOME/cutover` or `~/.cache/cutover`; `None` without a home directory.
pub fn default_cache_dir() -> Option<PathBuf> {
    let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| std::env::home_dir().map(|home| home.join(".cache"))).map(|cache| cache.join("cutover"))
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

    /// The id of the folder `path` at `commit`: as long as it is the same, so is everything in the folder.
    ///
    /// # Errors
    /// Those of [`Repository::tree`] that concern the path.
    pub fn tree_id(&mut self, commit: &Commit, path: &str) -> Result<String, SourceError> {
        let path = tree_path::parse(path)?;
        let limits = self.options.limits.clone();
        self.read(commit, |repo, id| tree::id(repo, id, &path, &limits).map(|id| id.to_string()))
    }

    /// The manifest files (`*.yaml`, `*.yml`, `*.json`) below the folder `path` at `commit`, in the order of their paths.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] and [`ErrorKind::NotFound`] for the path, [`ErrorKind::Symlink`], [`ErrorKind::Content`],
    /// [`ErrorKind::Limit`] for what is found there.
    pub fn tree(&mut self, commit: &Commit, path: &str) -> Result<Tree, SourceError> {
        let path = tree_path::parse(path)?;
        let limits = self.options.limits.clone();
        self.read(commit, |repo, id| tree::read(repo, id, &path, &limits))
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
        commit: &Commit,
        work: impl Fn(&git2::Repository, git2::Oid) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let id = revision::full(&commit.id)?;
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
