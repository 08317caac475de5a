//! Repositories made by the real `git`, for the tests of the Git source.

use cutover::source::{Auth, Commit, GitOptions, Repository, SourceError, Token, TokenSource};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A `git` that knows nothing of this machine's settings.
pub fn git_command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "A Test")
        .env("GIT_AUTHOR_EMAIL", "test@example.com")
        .env("GIT_COMMITTER_NAME", "A Test")
        .env("GIT_COMMITTER_EMAIL", "test@example.com");
    command
}

/// Runs `git` and returns what it printed, without the last newline.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = git_command(folder).args(arguments).output();
    let output = output.expect("`git` must be installed for these tests (Debian: apt-get install git)");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A bare repository `repo.git`, as a server has it, and a checkout to fill it from.
pub struct Fixture {
    pub folder: TempDir,
}

impl Fixture {
    /// With one commit on `main`: `apps/shop/web.yaml` and `other/file.txt`.
    pub fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Fixture { folder };
        git(fixture.folder.path(), &["init", "-q", "--bare", "-b", "main", "repo.git"]);
        git(fixture.folder.path(), &["init", "-q", "-b", "main", "work"]);
        git(&fixture.work(), &["config", "user.name", "A Test"]);
        git(&fixture.work(), &["config", "user.email", "test@example.com"]);
        git(&fixture.work(), &["remote", "add", "origin", "../repo.git"]);
        fixture.write("other/file.txt", "unrelated\n");
        fixture.commit("apps/shop/web.yaml", "version: 1\n", "Shop: version 1");
        fixture
    }

    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn bare(&self) -> PathBuf {
        self.folder.path().join("repo.git")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes a file, commits everything and pushes the current branch; returns the commit's id.
    pub fn commit(&self, path: &str, text: &str, message: &str) -> String {
        self.write(path, text);
        self.commit_all(message)
    }

    /// Commits everything in the checkout and pushes the current branch; returns the commit's id.
    pub fn commit_all(&self, message: &str) -> String {
        git(&self.work(), &["add", "-A"]);
        git(&self.work(), &["commit", "-q", "-m", message]);
        git(&self.work(), &["push", "-q", "-f", "origin", "HEAD"]);
        self.id("HEAD")
    }

    /// The full id of a revision in the checkout.
    pub fn id(&self, revision: &str) -> String {
        git(&self.work(), &["rev-parse", revision])
    }

    /// Options with a cache of the fixture's own and nobody's credentials.
    pub fn options(&self) -> GitOptions {
        let mut options = GitOptions::new(self.folder.path().join("cache"), Auth::default());
        options.timeout = Duration::from_secs(300);
        options.author = Some(("A Roller".into(), "roller@example.com".into()));
        options
    }

    /// The only mirror in the cache.
    pub fn mirror(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.folder.path().join("cache/git")).unwrap();
        let mut mirrors =
            entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "git"));
        let mirror = mirrors.next().expect("a mirror");
        assert!(mirrors.next().is_none(), "one mirror");
        mirror
    }
}

/// A token as the environment variable gives it.
pub fn token(secret: &str) -> Token {
    let secret =
        TokenSource::Value { secret: secret.into(), origin: "environment variable CUTOVER_GIT_TOKEN".into() };
    Token { secret, username: Some("robot".into()), host: None }
}

pub fn open(url: &str, options: &GitOptions) -> Repository {
    cutover::source::open(url, options).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Opens and resolves in one step, as a fresh process does.
pub fn resolve(url: &str, options: &GitOptions, revision: &str) -> Result<Commit, SourceError> {
    open(url, options).resolve(revision)
}

/// The text of the only file below `path`.
pub fn read_only_file(repository: &mut Repository, commit: &Commit, path: &str) -> String {
    let tree = repository.tree(commit, path).unwrap();
    assert_eq!(tree.files.len(), 1, "{:?}", tree.files);
    String::from_utf8(tree.files[0].bytes.clone()).unwrap()
}

/// Bytes that no compression makes smaller.
pub fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}
