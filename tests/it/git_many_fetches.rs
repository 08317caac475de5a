//! Long lives: a mirror that is fetched into again and again negotiates over more commits than fit in one message.
//! HTTP stands for the stateless form of the protocol, the daemon for the other, which ssh shares.

use super::git_servers::{HttpRules, HttpServer, git_daemon};
use super::git_support::{Fixture, git, open, read_only_file};
use cutover::source::GitOptions;

/// Fetches many versions, some after a force-push, and then an old commit by its id.
fn live_long(fixture: &Fixture, url: &str, options: &GitOptions) {
    let mut repository = open(url, options);
    let first = fixture.id("HEAD");
    for version in 2..46 {
        if version % 10 == 0 {
            git(&fixture.work(), &["reset", "-q", "--hard", "HEAD~5"]);
        }
        let text = format!("version: {version} {url}\n");
        let id = fixture.commit("apps/shop/web.yaml", &text, "Shop");
        let commit = repository.resolve("main").unwrap_or_else(|e| panic!("{version}: {e}"));
        assert_eq!(
            (commit.id.as_str(), commit.fetched, commit.notices.len()),
            (id.as_str(), true, 0),
            "{commit:?}"
        );
        assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), text);
    }
    // This server gives out no commits by id, so the whole history is fetched into a mirror full of cuts.
    let old = fixture.id("HEAD~3");
    let between = git(&fixture.work(), &["log", "--format=%H", "--reverse"]);
    let between = between.lines().nth(1).unwrap();
    for id in [first.as_str(), between, &old] {
        let commit = repository.resolve(id).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert_eq!((commit.id.as_str(), commit.notices.len()), (id, 0));
        repository.tree(&commit, ".").unwrap();
    }
    let id = fixture.commit("apps/shop/web.yaml", "version: last\n", "Shop");
    let commit = repository.resolve("main").unwrap();
    assert_eq!((commit.id, commit.notices.len()), (id, 0));
}

#[test]
fn http_survives_many_fetches() {
    let fixture = Fixture::new();
    let server = HttpServer::start(fixture.folder.path(), HttpRules::default());
    live_long(&fixture, &server.url(), &fixture.options());
    git(&fixture.mirror(), &["fsck", "--no-dangling"]);
}

#[test]
fn a_git_daemon_survives_many_fetches() {
    let fixture = Fixture::new();
    let server = git_daemon(fixture.folder.path());
    live_long(&fixture, &format!("git://127.0.0.1:{}/repo.git", server.port), &fixture.options());
    git(&fixture.mirror(), &["fsck", "--no-dangling"]);
}
