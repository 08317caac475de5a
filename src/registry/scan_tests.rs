use super::*;
use crate::model::SyncState;
use std::sync::Arc;
use tempfile::TempDir;

struct Rig {
    folder: TempDir,
    scan: Scan,
    statuses: BTreeMap<AppKey, ApplicationStatus>,
}

impl Rig {
    fn new() -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let locate: Locate = Arc::new(|url, folder| match url {
            "." => Ok(format!("{}/repository", folder.display())),
            "./none" => Err("./none is not in a Git repository".into()),
            other => Ok(other.to_owned()),
        });
        let scan = Scan::new(folder.path().to_owned(), locate);
        Rig { folder, scan, statuses: BTreeMap::new() }
    }

    /// Writes a file; its time differs from all others'.
    fn write(&self, file: &str, text: &str, second: u64) {
        let path = self.folder.path().join(file);
        fs::write(&path, text).expect("written");
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + second);
        File::options().append(true).open(path).and_then(|file| file.set_modified(time)).expect("its time");
    }

    fn look(&mut self) -> Vec<String> {
        let news = self.scan.look(&self.statuses).expect("it can be read");
        let told = |registration| match registration {
            Registration::Gone(key) => format!("{key} is gone"),
            Registration::Listed => "listed".into(),
            Registration::Is(is) => match &is.application {
                Ok(application) => {
                    let url =
                        application.source.repo_url.replace(&self.folder.path().display().to_string(), "…");
                    format!("{} {} {} {url}", is.key, is.uid, is.generation)
                }
                Err(problems) => format!("{} {} {} {}", is.key, is.uid, is.generation, problems[0]),
            },
        };
        news.into_iter().map(told).collect()
    }
}

fn one(name: &str, url: &str) -> String {
    format!(
        "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  \
         source: {{repoURL: {url}}}\n  destination: {{ecs: {{cluster: prod}}}}\n"
    )
}

#[test]
fn files_come_change_and_go_and_what_did_not_change_is_not_told_again() {
    let mut rig = Rig::new();
    let none: [&str; 0] = [];
    assert_eq!(rig.look(), none);
    rig.write("a.yaml", &format!("{}---\n{}", one("a", "."), one("b", "https://git.example/b.git")), 1);
    rig.write("notes.txt", "no: [", 1);
    rig.write(".hidden.yaml", "no: [", 1);
    assert_eq!(rig.look(), ["a a-0 1 …/repository", "b b-1 1 https://git.example/b.git"]);
    assert_eq!(rig.look(), none);
    rig.write("a.yaml", &one("a", "https://git.example/a.git"), 2);
    assert_eq!(rig.look(), ["b is gone", "a a-0 2 https://git.example/a.git"]);
    rig.write("a.yaml", &format!("# a comment\n{}", one("a", "https://git.example/a.git")), 3);
    assert_eq!(rig.look(), ["a a-0 3 https://git.example/a.git"], "its lines are others");
    fs::remove_file(rig.folder.path().join("a.yaml")).expect("removed");
    assert_eq!(rig.look(), ["a is gone"]);
    rig.write("a.yaml", &one("a", "."), 4);
    assert_eq!(rig.look(), ["a a-2 1 …/repository"], "another one of the same name");
}

#[test]
fn a_file_that_is_wrong_stops_its_applications_and_drops_none() {
    let mut rig = Rig::new();
    rig.write("a.yaml", &format!("{}---\n{}", one("a", "."), one("b", ".")), 1);
    rig.look();
    rig.write("a.yaml", "a: [", 2);
    let told = rig.look();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("a a-0 2 a.yaml:") && told[1].starts_with("b b-1 2 a.yaml:"), "{told:?}");
    rig.write("a.yaml", &format!("{}  suspendd: true\n---\n{}", one("a", "."), one("b", ".")), 3);
    assert_eq!(
        rig.look(),
        [
            "a a-0 3 a.yaml:7: Application/a: suspendd: unknown field, did you mean \"suspend\"?",
            "b b-1 3 …/repository"
        ]
    );
    fs::remove_file(rig.folder.path().join("a.yaml")).expect("removed");
    std::os::unix::fs::symlink("nowhere", rig.folder.path().join("a.yaml")).expect("a link");
    let told = rig.look();
    assert!(told[0].starts_with("a a-0 4 a.yaml: can't be read: "), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[test]
fn a_name_in_two_files_and_a_repository_that_is_not_there_are_said() {
    let mut rig = Rig::new();
    rig.write("a.yaml", &one("a", "."), 1);
    rig.write("b.yaml", &format!("{}---\n{}", one("a", "."), one("c", "./none")), 1);
    assert_eq!(
        rig.look(),
        [
            "a a-0 1 b.yaml: Application/a is in a.yaml as well; take it out of one of them",
            "c c-1 1 b.yaml:8: Application/c: source.repoURL: ./none is not in a Git repository",
        ]
    );
}

#[test]
fn a_folder_that_cannot_be_read_changes_nothing_and_a_status_is_handed_back() {
    let mut rig = Rig::new();
    rig.write("a.yaml", &one("a", "."), 1);
    rig.look();
    let status = ApplicationStatus { sync: SyncState::Synced, ..ApplicationStatus::default() };
    rig.statuses.insert(AppKey { namespace: String::new(), name: "a".into() }, status);
    assert_eq!(rig.look(), ["a a-0 1 …/repository"]);
    let moved = rig.folder.path().with_extension("moved");
    fs::rename(rig.folder.path(), &moved).expect("moved");
    assert!(rig.scan.look(&rig.statuses).is_none());
    fs::rename(&moved, rig.folder.path()).expect("moved back");
    let none: [&str; 0] = [];
    assert_eq!(rig.look(), none);
}
