//! Which files of a folder are read: `source.directory` and `.cutoverignore`.

use super::git_support::{Fixture, git, git_command, open};
use cutover::model::Directory;
use cutover::source::{ErrorKind, SourceError, Tree};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

fn read(fixture: &Fixture, path: &str, directory: &Directory) -> Result<Tree, SourceError> {
    let mut repository = open(&fixture.bare().display().to_string(), &fixture.options());
    let commit = repository.resolve("main")?;
    repository.tree_at(&commit.id, path, directory)
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.files.iter().map(|file| file.path.as_str()).collect()
}

fn directory(recurse: bool, include: &str, exclude: &str) -> Directory {
    let glob = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Directory { recurse, include: glob(include), exclude: glob(exclude) }
}

/// The example of Argo CD's documentation, under `apps/shop`.
fn argo_example() -> Fixture {
    let fixture = Fixture::new();
    git(&fixture.work(), &["rm", "-q", "-r", "apps"]);
    for path in ["config.json", "deployment.yaml", "env-use2/configmap.yaml", "env-usw2/configmap.yaml"] {
        fixture.write(&format!("apps/shop/{path}"), "a: 1\n");
    }
    fixture.commit_all("Argo's example");
    fixture
}

#[test]
fn directory_means_what_it_means_in_argo() {
    let fixture = argo_example();
    let all = ["config.json", "deployment.yaml", "env-use2/configmap.yaml", "env-usw2/configmap.yaml"];
    for (directory, want) in [
        (Directory::default(), &all[..]),
        (directory(false, "", ""), &all[..2]),
        (directory(true, "*.yaml", "{config.json,env-usw2/*}"), &all[1..3]),
        (directory(true, "env-use2/*", ""), &all[2..3]),
        (directory(false, "env-use2/*", ""), &[]),
        (directory(true, "*", "*"), &[]),
        (directory(true, "{*.json,*use2*}", ""), &["config.json", "env-use2/configmap.yaml"]),
    ] {
        let tree = read(&fixture, "apps/shop", &directory).unwrap();
        let want: Vec<String> = want.iter().map(|path| format!("apps/shop/{path}")).collect();
        assert_eq!(paths(&tree), want, "{directory:?}");
    }
    let notices = read(&fixture, "apps/shop", &directory(false, "*.yaml", "con*")).unwrap().notices;
    assert_eq!(
        notices,
        [
            "1 file is left out by spec.source.directory.exclude: con*: apps/shop/config.json",
            "2 folders are left out by spec.source.directory.recurse: false: apps/shop/env-use2/, apps/shop/env-usw2/",
        ]
    );
    let error = read(&fixture, "apps/shop", &directory(true, "", "{a")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert_eq!(error.to_string(), "spec.source.directory.exclude: the glob has a `{` without its `}`");
}

#[test]
fn an_ignore_file_leaves_out_what_it_names_and_says_so() {
    let fixture = argo_example();
    fixture.write("apps/shop/.cutoverignore", "# tools\nconfig.json\nenv-*/\n!env-use2/\n");
    fixture.write("apps/shop/env-use2/.cutoverignore", "secret*\n!secret-b.yaml");
    for name in ["secret-a.yaml", "secret-b.yaml", "notes.txt"] {
        fixture.write(&format!("apps/shop/env-use2/{name}"), "a: 1\n");
    }
    fixture.commit_all("Ignore");
    let tree = read(&fixture, "apps/shop", &Directory::default()).unwrap();
    assert_eq!(
        paths(&tree),
        [
            "apps/shop/deployment.yaml",
            "apps/shop/env-use2/configmap.yaml",
            "apps/shop/env-use2/secret-b.yaml"
        ]
    );
    assert_eq!(
        tree.notices,
        [
            "1 file and 1 folder are left out by apps/shop/.cutoverignore: apps/shop/config.json, apps/shop/env-usw2/",
            "1 file is left out by apps/shop/env-use2/.cutoverignore: apps/shop/env-use2/secret-a.yaml",
        ]
    );
    // What lies above the folder says nothing: the folder's id stands for all that is read.
    let inner = read(&fixture, "apps/shop/env-usw2", &Directory::default()).unwrap();
    assert_eq!(paths(&inner), ["apps/shop/env-usw2/configmap.yaml"]);
}

#[test]
fn what_is_left_out_costs_nothing_and_can_be_no_mistake() {
    let fixture = Fixture::new();
    let work = fixture.work();
    std::os::unix::fs::symlink("web.yaml", work.join("apps/shop/link.yaml")).unwrap();
    fixture.write("apps/shop/large.json", &"x".repeat(3 << 20));
    fixture.commit_all("Both would be errors");
    assert!(read(&fixture, "apps/shop", &Directory::default()).is_err());
    let tree = read(&fixture, "apps/shop", &directory(true, "", "{link*,large*}")).unwrap();
    assert_eq!(paths(&tree), ["apps/shop/web.yaml"]);
    fixture.write("apps/shop/.cutoverignore", "link.yaml\nlarge.json\n");
    fixture.commit_all("Ignore");
    assert_eq!(paths(&read(&fixture, "apps/shop", &Directory::default()).unwrap()), ["apps/shop/web.yaml"]);
}

#[test]
fn an_ignore_file_that_can_not_be_used_is_an_error() {
    let fixture = Fixture::new();
    for (text, want) in [
        ("ok\n[a\n", "apps/shop/.cutoverignore:2: the pattern `[a` has a `[` without its `]`"),
        (&"a\n".repeat(501), "501 patterns in apps/shop/.cutoverignore, but at most 500"),
        (&"#\n".repeat(40_000), "80000 bytes in apps/shop/.cutoverignore"),
    ] {
        fixture.commit("apps/shop/.cutoverignore", text, "Wrong");
        let error = read(&fixture, "apps/shop", &Directory::default()).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error}");
    }
    git(&fixture.work(), &["rm", "-q", "apps/shop/.cutoverignore"]);
    std::os::unix::fs::symlink("web.yaml", fixture.work().join("apps/shop/.cutoverignore")).unwrap();
    fixture.commit_all("A link");
    let error = read(&fixture, "apps/shop", &Directory::default()).unwrap_err().to_string();
    assert!(error.starts_with("apps/shop/.cutoverignore is no file"), "{error}");
}

/// Patterns of every kind, each tried alone and in pairs, against what `git` says of a `.gitignore` with the same text. They
/// differ outside of ASCII, where `?` is a character here and a byte there, and in `c**`, whose asterisks are regular ones by
/// git's documentation and reach over folders in git.
#[test]
fn patterns_mean_what_git_says() {
    let patterns = [
        "a.yaml",
        "/a.yaml",
        "b/",
        "/b",
        "b/a.yaml",
        "*.yaml",
        "*",
        "**",
        "b/*",
        "b/**",
        "**/c",
        "**/c/a.yaml",
        "b/**/a.yaml",
        "/**/a.yaml",
        "?.yaml",
        "[ab].yaml",
        "[!a].yaml",
        "[^a-b].yaml",
        "\\*.yaml",
        "a\\.yaml",
        "a.yaml ",
        "x\\ ",
        "a.yaml\\ ",
        "/",
        "//",
        "b//",
        "c/a*",
        "b*d/",
        "*/a.yaml",
        "b/c/",
        "[b-d]/c",
        "a**l",
        "\\#.yaml",
        "\\!.yaml",
        "#.yaml",
        "[]a].yaml",
        "[a-].yaml",
    ];
    let files = [
        "a.yaml",
        "b.yaml",
        "cc.yaml",
        "*.yaml",
        "#.yaml",
        "!.yaml",
        "].yaml",
        "-.yaml",
        "b/a.yaml",
        "b/c/a.yaml",
        "b/c/d.yaml",
        "c/a.yaml",
        "d/c/a.yaml",
        "bxd/a.yaml",
        "x/a.yaml",
        "c/c.yaml",
    ];
    let fixture = Fixture::new();
    for file in files {
        fixture.write(&format!("apps/ignored/{file}"), "a: 1\n");
    }
    fixture.commit_all("Files");
    let folder = fixture.work().join("apps/ignored");
    let mut texts: Vec<String> = patterns.iter().map(|pattern| format!("{pattern}\n")).collect();
    for (at, first) in patterns.iter().enumerate() {
        let second = patterns[(at * 7 + 3) % patterns.len()];
        texts.push(format!("{first}\r\n\n!{second}\n"));
        texts.push(format!("*\n!*/\n!{first}"));
    }
    // One commit for all of them: a folder for each text.
    let blob = git(&fixture.work(), &["rev-parse", "HEAD:apps/ignored"]);
    let mut trees = String::new();
    for (at, text) in texts.iter().enumerate() {
        let id = hash(&fixture, text);
        let entries = git(&fixture.work(), &["-c", "core.quotePath=false", "ls-tree", "-z", &blob]);
        let tree = mktree(&fixture, &format!("{entries}100644 blob {id}\t.cutoverignore\0"));
        trees.push_str(&format!("040000 tree {tree}\tf{at}\0"));
    }
    let root = mktree(&fixture, &trees);
    let commit = git(&fixture.work(), &["commit-tree", &root, "-m", "All"]);
    git(&fixture.work(), &["push", "-q", "-f", "origin", &format!("{commit}:refs/heads/main")]);
    for (at, text) in texts.iter().enumerate() {
        std::fs::write(folder.join(".gitignore"), text).unwrap();
        let ignored = check_ignore(&folder, &files);
        let tree = read(&fixture, &format!("f{at}"), &Directory::default())
            .unwrap_or_else(|e| panic!("{text}: {e}"));
        let read: BTreeSet<&str> = tree.files.iter().map(|f| f.path.split_once('/').unwrap().1).collect();
        let want: BTreeSet<&str> = files.iter().copied().filter(|file| !ignored.contains(*file)).collect();
        assert_eq!(read, want, "{text}");
    }
}

fn check_ignore(folder: &std::path::Path, files: &[&str]) -> BTreeSet<String> {
    let mut child = git_command(folder)
        .args(["check-ignore", "--no-index", "-z", "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(files.join("\0").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let texts = output.split(|byte| *byte == 0).map(|path| String::from_utf8(path.to_vec()).unwrap());
    texts.filter(|path| !path.is_empty()).collect()
}

fn hash(fixture: &Fixture, text: &str) -> String {
    piped(fixture, &["hash-object", "-w", "--stdin"], text)
}

fn mktree(fixture: &Fixture, lines: &str) -> String {
    piped(fixture, &["mktree", "-z"], lines)
}

fn piped(fixture: &Fixture, arguments: &[&str], input: &str) -> String {
    let mut child = git_command(&fixture.work())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
