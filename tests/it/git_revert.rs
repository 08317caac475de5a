//! Rolling back in Git.

use super::git_servers::{HttpRules, HttpServer, Sshd};
use super::git_support::{Fixture, git, open};
use cutover::source::{ErrorKind, GitOptions, Repository, Revert};

fn serve(fixture: &Fixture) -> HttpServer {
    HttpServer::start(fixture.folder.path(), HttpRules::default())
}

fn remote(fixture: &Fixture, server: &HttpServer) -> Repository {
    open(&server.url(), &fixture.options())
}

/// Pushes and brings the checkout along.
fn publish(fixture: &Fixture, repository: &mut Repository, revert: &Revert) -> Vec<String> {
    let notices = repository.push(revert).unwrap_or_else(|e| panic!("{e}"));
    git(&fixture.work(), &["fetch", "-q", "origin"]);
    notices
}

fn show(fixture: &Fixture, what: &str) -> String {
    git(&fixture.work(), &["show", what])
}

#[test]
fn the_newest_change_of_the_application_is_taken_back() {
    let fixture = Fixture::new();
    let bad = fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    for index in 0..150 {
        fixture.commit("other/file.txt", &format!("{index}\n"), "Elsewhere");
    }
    let tip = fixture.id("HEAD");
    let server = serve(&fixture);
    let mut repository = remote(&fixture, &server);
    let revert = repository.revert("main", None, "apps/shop").unwrap();
    assert_eq!((revert.branch.as_str(), &revert.parent), ("refs/heads/main", &tip));
    assert_eq!(revert.message, format!("Revert \"Shop: version 2\"\n\nThis reverts commit {bad}.\n"));
    for line in ["--- a/apps/shop/web.yaml", "+++ b/apps/shop/web.yaml", "-version: 2", "+version: 1"] {
        assert!(revert.diff.lines().any(|l| l == line), "{}", revert.diff);
    }
    assert_eq!(git(&fixture.bare(), &["rev-parse", "main"]), tip, "nothing is pushed yet");

    publish(&fixture, &mut repository, &revert);
    assert_eq!(git(&fixture.bare(), &["rev-parse", "main"]), revert.id);
    assert_eq!(git(&fixture.bare(), &["rev-parse", "main^"]), tip);
    assert_eq!(show(&fixture, "origin/main:apps/shop/web.yaml"), "version: 1");
    assert_eq!(show(&fixture, "origin/main:other/file.txt"), "149");
    let author = git(&fixture.bare(), &["log", "-1", "--format=%an <%ae>", "main"]);
    assert_eq!(author, "A Roller <roller@example.com>");
    git(&fixture.bare(), &["fsck", "--strict"]);
    // It is in the mirror: the next sync fetches nothing.
    assert!(!repository.resolve("main").unwrap().fetched);
    // Git would have made the same tree.
    git(&fixture.work(), &["revert", "--no-edit", &bad]);
    assert_eq!(fixture.id("HEAD^{tree}"), fixture.id("origin/main^{tree}"));
}

#[test]
fn a_second_rollback_does_not_bring_the_bad_version_back() {
    let fixture = Fixture::new();
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let server = serve(&fixture);
    let mut repository = remote(&fixture, &server);
    let revert = repository.revert("HEAD", None, "apps/shop").unwrap();
    publish(&fixture, &mut repository, &revert);
    let error = repository.revert("main", None, "apps/shop").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.to_string().contains("itself a rollback"), "{error}");
}

#[test]
fn an_application_is_returned_to_a_named_commit() {
    let fixture = Fixture::new();
    let first = fixture.id("HEAD");
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    fixture.commit("apps/shop/more.yaml", "more\n", "Shop: more");
    fixture.commit("apps/shop/web.yaml", "version: 3\n", "Shop: version 3");
    let server = serve(&fixture);
    let mut repository = remote(&fixture, &server);
    let revert = repository.revert("main", Some(&first[..8]), "apps/shop").unwrap();
    assert!(
        revert.message.starts_with(&format!("Return apps/shop to {}\n", &first[..7])),
        "{}",
        revert.message
    );
    publish(&fixture, &mut repository, &revert);
    assert_eq!(fixture.id("origin/main:apps"), fixture.id(&format!("{first}:apps")));
    let error = repository.revert("main", Some(&first), "apps/shop").unwrap_err();
    assert!(error.to_string().contains("nothing to roll back"), "{error}");
}

#[test]
fn other_applications_in_the_same_commit_stay_as_they_are() {
    let fixture = Fixture::new();
    fixture.write("apps/billing/web.yaml", "version: 1\n");
    fixture.commit_all("Billing");
    fixture.write("apps/billing/web.yaml", "version: 2\n");
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Both to version 2");
    let server = serve(&fixture);
    let mut repository = remote(&fixture, &server);
    let revert = repository.revert("main", None, "apps/shop").unwrap();
    assert!(revert.message.ends_with("\nin apps/shop only.\n"), "{}", revert.message);
    assert!(revert.notices[0].contains("outside of apps/shop"), "{:?}", revert.notices);
    publish(&fixture, &mut repository, &revert);
    assert_eq!(show(&fixture, "origin/main:apps/shop/web.yaml"), "version: 1");
    assert_eq!(show(&fixture, "origin/main:apps/billing/web.yaml"), "version: 2");
}

#[test]
fn a_merge_is_taken_back_as_a_whole() {
    let fixture = Fixture::new();
    git(&fixture.work(), &["checkout", "-q", "-b", "feature"]);
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Half");
    fixture.commit("apps/shop/more.yaml", "more\n", "The other half");
    git(&fixture.work(), &["checkout", "-q", "main"]);
    fixture.commit("other/file.txt", "x\n", "Elsewhere");
    git(&fixture.work(), &["merge", "-q", "--no-ff", "-m", "Merge the feature", "feature"]);
    git(&fixture.work(), &["push", "-q", "origin", "main"]);
    let server = serve(&fixture);
    let mut repository = remote(&fixture, &server);
    let revert = repository.revert("main", None, "apps/shop").unwrap();
    assert!(revert.message.starts_with("Revert \"Merge the feature\""), "{}", revert.message);
    publish(&fixture, &mut repository, &revert);
    assert_eq!(fixture.id("origin/main:apps"), fixture.id("HEAD~1:apps"));
}

#[test]
fn nothing_before_the_first_commit_and_no_branch_are_refused() {
    let fixture = Fixture::new();
    git(&fixture.work(), &["tag", "v1"]);
    git(&fixture.work(), &["push", "-q", "origin", "v1"]);
    let server = serve(&fixture);
    let mut repository = remote(&fixture, &server);
    let error = repository.revert("main", None, "apps/shop").unwrap_err();
    assert!(error.to_string().contains("is the first with apps/shop"), "{error}");
    for revision in ["v1".to_owned(), fixture.id("HEAD")] {
        let error = repository.revert(&revision, None, "apps/shop").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage, "{error}");
        assert!(error.to_string().contains("name the branch"), "{error}");
    }
}

#[test]
fn a_branch_that_moved_is_never_overwritten() {
    let fixture = Fixture::new();
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let server = serve(&fixture);
    for url in [server.url(), fixture.bare().display().to_string()] {
        let mut repository = open(&url, &fixture.options());
        let revert = repository.revert("main", None, "apps/shop").unwrap();
        let meanwhile = fixture.commit("other/file.txt", &format!("{url}\n"), "Meanwhile");
        let error = repository.push(&revert).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Moved, "{error}");
        assert!(error.to_string().contains("run the rollback again"), "{error}");
        assert_eq!(git(&fixture.bare(), &["rev-parse", "main"]), meanwhile);
    }
}

#[test]
fn a_push_that_the_server_refuses_says_why() {
    let fixture = Fixture::new();
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let hook = fixture.bare().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho 'the branch is protected' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let server = serve(&fixture);
    let mut repository = remote(&fixture, &server);
    let revert = repository.revert("main", None, "apps/shop").unwrap();
    let error = repository.push(&revert).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected, "{error}");
    assert!(error.to_string().contains("the branch is protected"), "{error}");
    assert_eq!(git(&fixture.bare(), &["rev-parse", "main"]), fixture.id("HEAD"));
}

#[test]
fn a_rollback_is_pushed_over_ssh() {
    let fixture = Fixture::new();
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let sshd = Sshd::start(fixture.folder.path());
    let mut options = fixture.options();
    let known = fixture.folder.path().join("known_hosts");
    std::fs::write(&known, sshd.known_host()).unwrap();
    options.auth.known_hosts = vec![known];
    options.auth.ssh_keys = vec![sshd.folder.join("id")];
    let url = format!("ssh://{}@127.0.0.1:{}{}", sshd.user, sshd.port, fixture.bare().display());
    let mut repository = open(&url, &options);
    let revert = repository.revert("main", None, "apps/shop").unwrap();
    publish(&fixture, &mut repository, &revert);
    assert_eq!(show(&fixture, "origin/main:apps/shop/web.yaml"), "version: 1");
}

#[test]
fn in_a_checkout_the_branch_moves_and_the_files_are_left_to_their_owner() {
    let fixture = Fixture::new();
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let objects = || git(&fixture.work(), &["count-objects", "-v"]);
    let before = objects();
    let mut repository = open(&fixture.work().display().to_string(), &fixture.options());
    let revert = repository.revert("HEAD", None, "apps/shop").unwrap();
    assert_eq!(objects(), before, "a dry run writes nothing into the repository");
    let notices = repository.push(&revert).unwrap();
    assert_eq!(fixture.id("HEAD"), revert.id);
    let text = || std::fs::read_to_string(fixture.work().join("apps/shop/web.yaml")).unwrap();
    assert_eq!(text(), "version: 2\n");
    // The way out works as it stands.
    let start = notices[0].find('`').unwrap() + 1;
    let command = notices[0][start..].split('`').next().unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    git(&fixture.work(), &words);
    assert_eq!(text(), "version: 1\n");
    assert_eq!(git(&fixture.work(), &["status", "--porcelain"]), "");
}

#[test]
fn a_clone_without_history_says_how_to_get_it() {
    let fixture = Fixture::new();
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let url = format!("file://{}", fixture.bare().display());
    git(fixture.folder.path(), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let path = fixture.folder.path().join("shallow").display().to_string();
    let error = open(&path, &fixture.options()).revert("main", None, "apps/shop").unwrap_err();
    assert!(error.to_string().contains("git fetch --unshallow"), "{error}");
}

#[test]
fn without_an_author_the_error_says_how_to_name_one() {
    // Git's configuration is the process's own, so this runs in a process of its own.
    if let Ok(path) = std::env::var("TEST_REVERT_PATH") {
        let options = GitOptions::new(std::env::temp_dir(), cutover::source::Auth::default());
        match open(&path, &options).revert("main", None, "apps/shop") {
            Ok(revert) => println!("made {}", revert.id),
            Err(error) => println!("failed: {error}"),
        }
        return;
    }
    let fixture = Fixture::new();
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let run = |names: &[(&str, &str)]| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "git_revert::without_an_author_the_error_says_how_to_name_one",
            "--nocapture",
        ]);
        for name in
            ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"]
        {
            command.env_remove(name);
        }
        command.env("HOME", fixture.folder.path()).env_remove("XDG_CONFIG_HOME");
        command.env("TEST_REVERT_PATH", fixture.bare()).envs(names.iter().copied());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let output = run(&[]);
    assert!(output.contains("failed: ") && output.contains("git config --global user.name"), "{output}");
    let names = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    let output = run(&names.map(|name| (name, "x@example.com")));
    assert!(output.contains("made "), "{output}");
}
