//! Repositories on disk through the reader of documents.

use cutover::config::{is_document_file, lint, load, load_application, render};
use cutover::model::{PlatformKind, SourceFile};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder `path` of this project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// All files under `folder`, with paths seen from `root`.
pub fn read_folder(root: &Path, folder: &Path) -> Vec<SourceFile> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            files.extend(read_folder(root, &path));
        } else {
            let name =
                path.strip_prefix(root).expect("it is in the folder").to_string_lossy().replace('\\', "/");
            files.push(SourceFile { path: name, bytes: fs::read(&path).expect("the file can be read") });
        }
    }
    files
}

#[test]
fn a_very_broken_repository_is_reported_whole() {
    let root = project("tests/fixtures/broken");
    let problems =
        load(&read_folder(&root, &root), Some(PlatformKind::Ecs)).expect_err("everything in it is broken");
    let lines: Vec<String> = problems.iter().map(|problem| format!("error: {problem}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_example_is_valid() {
    let root = project("examples");
    let mut seen = 0;
    for entry in fs::read_dir(&root).expect("there are examples") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            let files = read_folder(&root, &path);
            let manifests =
                load(&files, None).unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()));
            assert!(!manifests.is_empty(), "{}", path.display());
            let findings: Vec<String> = lint(&manifests).iter().map(ToString::to_string).collect();
            assert_eq!(findings, Vec::<String>::new());
            let again = SourceFile { path: "rendered.yaml".into(), bytes: render(&manifests).into_bytes() };
            assert_eq!(load(&[again], None).map(|again| again.len()), Ok(manifests.len()));
            seen += 1;
        } else if is_document_file(&path.to_string_lossy().replace(&*root.to_string_lossy(), "")) {
            let file =
                SourceFile { path: path.display().to_string(), bytes: fs::read(&path).expect("readable") };
            if String::from_utf8_lossy(&file.bytes).contains("kind: Application") {
                let application = load_application(&file).unwrap_or_else(|problems| panic!("{problems:#?}"));
                assert!(project(&application.source.path).is_dir(), "{}", application.source.path);
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "only {seen} examples were found");
}

#[test]
fn every_repository_for_kubernetes_is_valid() {
    let root = project("tests/fixtures/kubernetes");
    for name in ["plain", "operators", "argo"] {
        let files = read_folder(&root, &root.join(name));
        let manifests = load(&files, Some(PlatformKind::Kubernetes))
            .unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        assert!(manifests.objects.len() >= 50, "{name} has {} objects", manifests.objects.len());
        assert_eq!(load(&files, None).as_ref(), Ok(&manifests), "{name} tells its platform itself");
    }
}
