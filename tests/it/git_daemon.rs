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
    assert!(matches!(error.kind, ErrorKind::Network | ErrorKind::NotFound), "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}
