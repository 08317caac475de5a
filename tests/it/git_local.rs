//! Local repositories: `file://` and plain paths.

use super::git_support::{Fixture, git, open, read_only_file, resolve};
use cutover::source::ErrorKind;

fn url(path: &std::path::Path) -> String {
    format!("file://{}", path.display())
}

#[test]
fn a_checkouts_commit_is_used_and_its_dirt_is_named() {
    let fixture = Fixture::new();
    fixture.write("apps/shop/web.yaml", "version: dirty\n");
    fixture.write("apps/shop/new.yaml", "untracked\n");
    std::fs::remove_file(fixture.work().join("other/file.txt")).unwrap();
    for url in [fixture.work().display().to_string(), url(&fixture.work())] {
        let mut repository = open(&url, &fixture.options());
        let commit = repository.resolve("HEAD").unwrap();
        assert_eq!(commit.id, fixture.id("HEAD"));
        assert_eq!((commit.summary.as_str(), commit.fetched), ("Shop: version 1", false));
        assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 1\n");
        let notice = commit.notices.join("\n");
        for part in [
            "not committed and not used",
            "web.yaml (modified)",
            "new.yaml (untracked)",
            "file.txt (deleted)",
        ] {
            assert!(notice.contains(part), "{notice}");
        }
    }
    assert!(!fixture.folder.path().join("cache").exists(), "a local repository needs no mirror");
}

#[test]
fn only_some_of_many_changed_files_are_named() {
    let fixture = Fixture::new();
    for index in 0..30 {
        fixture.write(&format!("apps/shop/new{index}.yaml"), "x\n");
    }
    let commit = resolve(&url(&fixture.work()), &fixture.options(), "main").unwrap();
    assert!(commit.notices[0].contains("and 25 more"), "{:?}", commit.notices);
}

#[test]
fn a_clean_checkout_and_a_bare_repository_have_no_notice() {
    let fixture = Fixture::new();
    for path in [fixture.work(), fixture.bare()] {
        let commit = resolve(&url(&path), &fixture.options(), "HEAD").unwrap();
        assert_eq!(commit.notices, Vec::<String>::new());
    }
}

#[test]
fn branches_tags_and_commits_are_resolved() {
    let fixture = Fixture::new();
    let first = fixture.id("HEAD");
    git(&fixture.work(), &["tag", "light"]);
    git(&fixture.work(), &["tag", "-a", "annotated", "-m", "a tag"]);
    git(&fixture.work(), &["tag", "-a", "nested", "annotated", "-m", "a tag of a tag"]);
    let second = fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let options = fixture.options();
    for (revision, want) in [
        ("HEAD", &second),
        ("main", &second),
        ("refs/heads/main", &second),
        ("light", &first),
        ("annotated", &first),
        ("nested", &first),
        ("refs/tags/annotated", &first),
        (first.as_str(), &first),
        (&first[..7], &first),
        (&first[..12].to_uppercase(), &first),
    ] {
        let commit = resolve(&url(&fixture.work()), &options, revision).unwrap();
        assert_eq!(&commit.id, want, "{revision}");
    }
    let error = resolve(&url(&fixture.work()), &options, "mian").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.to_string().contains("did you mean `main`?"), "{error}");
    let error = resolve(&url(&fixture.work()), &options, &"0".repeat(40)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
}

#[test]
fn a_path_that_is_no_repository_says_what_to_give_instead() {
    let fixture = Fixture::new();
    let error = cutover::source::open(&url(fixture.folder.path()), &fixture.options()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    let inside = fixture.work().join("apps");
    let error = cutover::source::open(&url(&inside), &fixture.options()).unwrap_err();
    assert!(error.to_string().contains(&fixture.work().display().to_string()), "{error}");
}

#[test]
fn an_empty_repository_says_that_it_has_no_commit() {
    let fixture = Fixture::new();
    git(fixture.folder.path(), &["init", "-q", "empty"]);
    let error = resolve(&url(&fixture.folder.path().join("empty")), &fixture.options(), "HEAD").unwrap_err();
    assert!(error.to_string().contains("no commit yet"), "{error}");
}

#[test]
fn reading_a_folder_touches_nothing_outside_of_it() {
    let fixture = Fixture::new();
    let unrelated = fixture.id("HEAD:other");
    let file = fixture.id("HEAD:other/file.txt");
    for id in [&unrelated, &file] {
        std::fs::remove_file(fixture.work().join(format!(".git/objects/{}/{}", &id[..2], &id[2..]))).unwrap();
    }
    let mut repository = open(&url(&fixture.work()), &fixture.options());
    let commit = repository.resolve(&fixture.id("HEAD")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 1\n");
    assert_eq!(repository.tree_id(&commit, "apps").unwrap(), fixture.id("HEAD:apps"));
    let error = repository.tree(&commit, ".").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
}

#[test]
fn the_folders_id_changes_with_the_folder_only() {
    let fixture = Fixture::new();
    let mut repository = open(&url(&fixture.bare()), &fixture.options());
    let id = |repository: &mut cutover::source::Repository| {
        let commit = repository.resolve("main").unwrap();
        repository.tree_id(&commit, "apps/shop").unwrap()
    };
    let before = id(&mut repository);
    fixture.commit("other/file.txt", "changed\n", "Elsewhere");
    assert_eq!(id(&mut repository), before);
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Here");
    assert_ne!(id(&mut repository), before);
}
