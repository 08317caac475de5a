//! git://, by `git daemon`.

use super::git_servers::git_daemon;
use super::git_support::{Fixture, git, open, read_only_file, resolve};
use cutover::source::ErrorKind;

#[test]
fn a_git_daemon_is_read_with_repeated_depth_1_fetches() {
    let fixture = Fixture::new();
    let server = git_daemon(fixture.folder.path());
    let url = format!("git://127.0.0.1:{}/repo.git", server.port);
    let mut repository = open(&url, &fixture.options());
    for version in 2..8 {
        let id = fixture.commit("apps/shop/web.yaml", &format!("version: {version}\n"), "Shop");
        let commit = repository.resolve("main").unwrap();
        assert_eq!((commit.id.as_str(), commit.fetched), (id.as_str(), true));
        assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), format!("version: {version}\n"));
        assert!(!repository.resolve("main").unwrap().fetched);
    }
    // A force-push back in time, to a commit that was never fetched.
    git(&fixture.work(), &["reset", "-q", "--hard", "HEAD~6"]);
    git(&fixture.work(), &["push", "-q", "-f", "origin", "HEAD"]);
    let commit = repository.resolve("main").unwrap();
    assert_eq!((commit.id, commit.fetched), (fixture.id("HEAD"), true));
    let commit = repository.resolve("HEAD").unwrap();
    assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 1\n");
}

#[test]
fn a_missing_repository_is_a_clear_error() {
    let fixture = Fixture::new();
    let server = git_daemon(fixture.folder.path());
    let url = format!("git://127.0.0.1:{}/none.git", server.port);
    let error = resolve(&url, &fixture.options(), "main").unwrap_err();
    assert!(error.kind == ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}

#[test]
fn an_empty_and_a_sha256_repository_are_clear_errors() {
    let fixture = Fixture::new();
    git(fixture.folder.path(), &["init", "-q", "--bare", "empty.git"]);
    git(fixture.folder.path(), &["init", "-q", "--object-format=sha256", "new"]);
    git(&fixture.folder.path().join("new"), &["commit", "-q", "--allow-empty", "-m", "x"]);
    let server = git_daemon(fixture.folder.path());
    let url = |name: &str| format!("git://127.0.0.1:{}/{name}", server.port);
    let error = resolve(&url("empty.git"), &fixture.options(), "HEAD").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.to_string().contains("no commit yet"), "{error}");
    for place in [url("new/.git"), fixture.folder.path().join("new").display().to_string()] {
        let error = cutover::source::open(&place, &fixture.options())
            .and_then(|mut r| r.resolve("HEAD"))
            .unwrap_err();
        assert!(
            error.to_string().contains("sha256") || error.to_string().contains("SHA-256"),
            "{place}: {error}"
        );
    }
}

#[test]
fn a_remote_that_is_itself_a_shallow_clone_says_so() {
    let fixture = Fixture::new();
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let url = format!("file://{}", fixture.bare().display());
    git(fixture.folder.path(), &["clone", "-q", "--bare", "--depth", "1", &url, "shallow.git"]);
    let server = git_daemon(fixture.folder.path());
    let url = format!("git://127.0.0.1:{}/shallow.git", server.port);
    let error = resolve(&url, &fixture.options(), "main").unwrap_err();
    assert!(error.to_string().contains("git fetch --unshallow"), "{error}");
}
