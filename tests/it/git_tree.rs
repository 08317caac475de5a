//! What is read from a tree, and what is refused.

use super::git_support::{Fixture, git, git_command, open};
use cutover::source::{ErrorKind, GitOptions, SourceError, Tree};
use std::io::Write;
use std::process::Stdio;

fn read(fixture: &Fixture, options: &GitOptions, path: &str) -> Result<Tree, SourceError> {
    let mut repository = open(&fixture.bare().display().to_string(), options);
    let commit = repository.resolve("main")?;
    repository.tree(&commit, path)
}

/// Commits a tree with these lines for `git mktree`, whatever they are.
fn commit_tree(fixture: &Fixture, lines: &[u8]) {
    let tree = mktree(fixture, lines);
    let commit = git(&fixture.bare(), &["commit-tree", &tree, "-m", "forged"]);
    git(&fixture.bare(), &["update-ref", "refs/heads/main", &commit]);
}

fn mktree(fixture: &Fixture, lines: &[u8]) -> String {
    let mut child = git_command(&fixture.bare())
        .args(["mktree", "-z", "--missing"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn blob(fixture: &Fixture) -> String {
    fixture.id("HEAD:apps/shop/web.yaml")
}

#[test]
fn manifests_of_nested_folders_come_in_the_order_of_their_paths() {
    let fixture = Fixture::new();
    for path in ["b.yml", "a/z.yaml", "a.json", "a/deep/er/x.yaml", "README.md", "x.yaml.bak", "script.sh"] {
        fixture.write(&format!("apps/shop/{path}"), path);
    }
    fixture.commit_all("More");
    let tree = read(&fixture, &fixture.options(), "./apps/shop/").unwrap();
    let paths: Vec<_> = tree.files.iter().map(|f| f.path.strip_prefix("apps/shop/").unwrap()).collect();
    assert_eq!(paths, ["a.json", "a/deep/er/x.yaml", "a/z.yaml", "b.yml", "web.yaml"]);
    assert_eq!(tree.files[1].bytes, b"a/deep/er/x.yaml");
    assert_eq!(tree.id, fixture.id("HEAD:apps/shop"));
    assert_eq!(read(&fixture, &fixture.options(), ".").unwrap().files.len(), 5);
}

#[test]
fn paths_outside_of_the_repository_are_refused() {
    let fixture = Fixture::new();
    for path in ["..", "apps/../../x", "/etc", ".git", "apps/.GIT", "apps\0"] {
        let error = read(&fixture, &fixture.options(), path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage, "{path}: {error}");
    }
    let error = read(&fixture, &fixture.options(), "apps/none").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.to_string().starts_with("apps/none at "), "{error}");
    let error = read(&fixture, &fixture.options(), "apps/shop/web.yaml").unwrap_err();
    assert!(error.to_string().contains("is a file"), "{error}");
}

#[test]
fn a_symbolic_link_in_the_path_is_an_error_that_names_it() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("apps", fixture.work().join("link")).unwrap();
    fixture.commit_all("A link");
    for path in ["link", "link/shop"] {
        let error = read(&fixture, &fixture.options(), path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Symlink);
        assert!(error.to_string().starts_with("link at "), "{error}");
    }
}

#[test]
fn a_symbolic_link_in_place_of_a_manifest_is_an_error_and_others_are_named() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("/etc", fixture.work().join("apps/shop/more")).unwrap();
    fixture.commit_all("A link to a folder");
    let tree = read(&fixture, &fixture.options(), "apps/shop").unwrap();
    assert_eq!(tree.files.len(), 1);
    assert!(tree.notices[0].contains("apps/shop/more is not followed"), "{:?}", tree.notices);
    std::os::unix::fs::symlink("/etc/passwd", fixture.work().join("apps/shop/secret.yaml")).unwrap();
    fixture.commit_all("A link to a file");
    let error = read(&fixture, &fixture.options(), "apps").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Symlink);
    assert!(error.to_string().contains("apps/shop/secret.yaml"), "{error}");
}

#[test]
fn submodules_are_never_followed_and_named() {
    let fixture = Fixture::new();
    let id = fixture.id("HEAD");
    let cacheinfo = format!("160000,{id},apps/shop/module");
    git(&fixture.work(), &["update-index", "--add", "--cacheinfo", &cacheinfo]);
    git(&fixture.work(), &["commit", "-q", "-m", "A submodule"]);
    git(&fixture.work(), &["push", "-q", "origin", "HEAD"]);
    let tree = read(&fixture, &fixture.options(), "apps").unwrap();
    assert_eq!(tree.files.len(), 1);
    assert!(tree.notices[0].contains("submodule apps/shop/module"), "{:?}", tree.notices);
    let error = read(&fixture, &fixture.options(), "apps/shop/module").unwrap_err();
    assert!(error.to_string().contains("is a submodule"), "{error}");
}

#[test]
fn every_cap_is_an_error_with_number_and_cap() {
    let fixture = Fixture::new();
    fixture.write("apps/shop/a/b/c.yaml", "0123456789");
    fixture.commit_all("More");
    let with = |change: fn(&mut cutover::source::Limits)| {
        let mut options = fixture.options();
        change(&mut options.limits);
        read(&fixture, &options, "apps/shop")
    };
    for (name, text, change) in [
        ("files", "2 manifest files", (|l| l.files = 1) as fn(&mut cutover::source::Limits)),
        ("file_bytes", "11 bytes in apps/shop/web.yaml, but at most 10", |l| l.file_bytes = 10),
        ("total_bytes", "21 bytes in the manifest files", |l| l.total_bytes = 20),
        ("depth", "2 folders deep in apps/shop/a/b, but at most 1", |l| l.depth = 1),
        ("entries", "4 files and folders in apps/shop, but at most 3", |l| l.entries = 3),
        ("tree_bytes", "bytes in folder", |l| l.tree_bytes = 10),
    ] {
        let error = with(change).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{name}");
        assert!(error.to_string().contains(text), "{name}: {error}");
    }
    assert!(with(|l| (l.files, l.file_bytes, l.total_bytes, l.depth, l.entries) = (2, 11, 21, 2, 4)).is_ok());
}

#[test]
fn a_file_name_that_is_not_utf8_is_an_error_that_names_it() {
    let fixture = Fixture::new();
    let line = [b"100644 blob ", blob(&fixture).as_bytes(), b"\tw\xffb.yaml\0"].concat();
    commit_tree(&fixture, &line);
    let error = read(&fixture, &fixture.options(), ".").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Content);
    assert!(error.to_string().contains("`w\\xffb.yaml` is not UTF-8"), "{error}");
}

#[test]
fn forged_names_are_refused() {
    let fixture = Fixture::new();
    for name in ["..", ".git", ".GIT", "a\nb.yaml"] {
        let line = format!("100644 blob {}\t{name}\0", blob(&fixture));
        let forged = mktree_raw(&fixture, name);
        let commit = git(&fixture.bare(), &["commit-tree", &forged, "-m", "forged"]);
        git(&fixture.bare(), &["update-ref", "refs/heads/main", &commit]);
        let error = read(&fixture, &fixture.options(), ".").unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Content | ErrorKind::Corrupt), "{line:?}: {error}");
    }
}

/// A tree object with one entry, written byte by byte: `git mktree` refuses some names.
fn mktree_raw(fixture: &Fixture, name: &str) -> String {
    let id = git2::Oid::from_str(&blob(fixture)).unwrap();
    let object = [format!("100644 {name}\0").as_bytes(), id.as_bytes()].concat();
    let repository = git2::Repository::open(fixture.bare()).unwrap();
    repository.odb().unwrap().write(git2::ObjectType::Tree, &object).unwrap().to_string()
}

#[test]
fn a_tree_that_nests_without_end_is_stopped() {
    let fixture = Fixture::new();
    let mut tree = mktree(&fixture, format!("100644 blob {}\tx.yaml\0", blob(&fixture)).as_bytes());
    for _ in 0..200 {
        tree = mktree(&fixture, format!("040000 tree {tree}\td\0").as_bytes());
    }
    let commit = git(&fixture.bare(), &["commit-tree", &tree, "-m", "deep"]);
    git(&fixture.bare(), &["update-ref", "refs/heads/main", &commit]);
    let error = read(&fixture, &fixture.options(), ".").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    // Ten folders in ten folders in ten folders … from ten objects: as many entries as anyone wants.
    let mut tree = mktree(&fixture, format!("100644 blob {}\tx.yaml\0", blob(&fixture)).as_bytes());
    for _ in 0..10 {
        let lines: String = (0..10).map(|i| format!("040000 tree {tree}\td{i}\0")).collect();
        tree = mktree(&fixture, lines.as_bytes());
    }
    let commit = git(&fixture.bare(), &["commit-tree", &tree, "-m", "wide"]);
    git(&fixture.bare(), &["update-ref", "refs/heads/main", &commit]);
    let error = read(&fixture, &fixture.options(), ".").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
}
