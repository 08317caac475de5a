//! One look after the other at a folder of Application files, and what is news in it.

use super::folder::Locate;
use super::object::is_same;
use crate::config::{self, ApplicationFile};
use crate::controller::{Registered, Registration};
use crate::model::{AppKey, Application, ApplicationStatus, Lineage, Origin, Problem, SourceFile, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// An Application is some lines; this is far more.
const FILE_LIMIT: u64 = 1 << 20;
const FILES_LIMIT: usize = 5_000;

type Judged = Result<Application, Vec<Problem>>;

/// A file as it was last read.
struct Known {
    stamp: Stamp,
    read: ApplicationFile,
    /// What it held when it could last be read as a whole, and since.
    names: BTreeSet<String>,
}

/// What tells that a file was written to, without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

/// What is known of a folder.
pub(super) struct Scan {
    folder: PathBuf,
    locate: Locate,
    files: BTreeMap<String, Known>,
    registered: BTreeMap<String, Registered>,
    /// Counts what was registered anew, so that no two have one uid.
    made: u64,
    /// The trouble with the folder that was told last.
    trouble: Option<String>,
}

impl Scan {
    pub fn new(folder: PathBuf, locate: Locate) -> Scan {
        let (files, registered) = (BTreeMap::new(), BTreeMap::new());
        Scan { folder, locate, files, registered, made: 0, trouble: None }
    }

    /// Looks once. `None` if the folder could not be read: then nothing is known to have changed.
    pub fn look(&mut self, statuses: &BTreeMap<AppKey, ApplicationStatus>) -> Option<Vec<Registration>> {
        let found = match self.list() {
            Ok(found) => found,
            Err(trouble) => {
                if self.trouble.as_ref() != Some(&trouble) {
                    tracing::error!(
                        "the folder of Applications can't be read, and nothing new is known of them: {trouble}"
                    );
                    self.trouble = Some(trouble);
                }
                return None;
            }
        };
        self.trouble = None;
        self.files.retain(|file, _| found.contains_key(file));
        for (file, stamp) in found {
            if self.files.get(&file).is_none_or(|known| known.stamp != stamp) {
                self.read(file, stamp);
            }
        }
        Some(self.news(statuses))
    }

    /// The files that may hold Applications. Links are followed: that is how a ConfigMap is mounted.
    fn list(&self) -> Result<BTreeMap<String, Stamp>, String> {
        let shown = self.folder.display();
        let wrong = |error: std::io::Error| format!("{shown}: {error}");
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.folder).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name().to_string_lossy().into_owned();
            if !config::is_document_file(&name) {
                continue;
            }
            let meta = match fs::metadata(self.folder.join(&name)) {
                Ok(meta) if meta.is_file() => meta,
                Ok(_) => continue,
                // It went between the two calls, or is a link to nothing: reading it says which.
                Err(_) if found.len() < FILES_LIMIT => {
                    found.insert(name, Stamp { length: 0, modified: None });
                    continue;
                }
                Err(error) => return Err(wrong(error)),
            };
            found.insert(name, Stamp { length: meta.len(), modified: meta.modified().ok() });
            if found.len() > FILES_LIMIT {
                return Err(format!("{shown} has more than {FILES_LIMIT} files"));
            }
        }
        Ok(found)
    }

    fn read(&mut self, file: String, stamp: Stamp) {
        let path = self.folder.join(&file);
        let mut read = match bytes_of(&path) {
            Ok(bytes) => config::applications_in(&SourceFile { path: file.clone(), bytes }),
            Err(why) => ApplicationFile { applications: vec![], problems: vec![whole(&file, why)] },
        };
        for (_, application) in &mut read.applications {
            self.settle(application);
        }
        let mut names: BTreeSet<String> = read.applications.iter().map(|(name, _)| name.clone()).collect();
        if !read.problems.is_empty() {
            names.extend(self.files.remove(&file).map(|known| known.names).unwrap_or_default());
        }
        let wrong = read.applications.iter().filter_map(|(_, application)| application.as_ref().err());
        for problem in read.problems.iter().chain(wrong.flatten()).take(20) {
            tracing::error!("{}: {problem}", self.folder.display());
        }
        self.files.insert(file, Known { stamp, read, names });
    }

    /// A relative repository is seen from the folder.
    fn settle(&self, application: &mut Judged) {
        let Ok(valid) = application else { return };
        match (self.locate)(&valid.source.repo_url, &self.folder) {
            Ok(url) => valid.source.repo_url = url,
            Err(why) => {
                *application = Err(vec![Problem {
                    origin: valid.origin.clone(),
                    document: format!("Application/{}", valid.name),
                    field: "source.repoURL".into(),
                    message: why,
                }]);
            }
        }
    }

    /// What the files say now, by name. Of a file that is wrong as a whole none is taken, and none is taken for gone.
    fn wanted(&self) -> BTreeMap<String, Judged> {
        let mut wanted: BTreeMap<String, Judged> = BTreeMap::new();
        let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
        for (file, known) in &self.files {
            for name in &known.names {
                let own = known.read.applications.iter().find(|(own, _)| own == name);
                let application = match own {
                    Some((_, application)) if known.read.problems.is_empty() => application.clone(),
                    _ => Err(known.read.problems.clone()),
                };
                let application = match owner.get(name.as_str()) {
                    None => application,
                    Some(other) => {
                        let why =
                            format!("Application/{name} is in {other} as well; take it out of one of them");
                        Err(vec![whole(file, why)])
                    }
                };
                owner.insert(name, file);
                wanted.insert(name.clone(), application);
            }
        }
        wanted
    }

    fn news(&mut self, statuses: &BTreeMap<AppKey, ApplicationStatus>) -> Vec<Registration> {
        let mut wanted = self.wanted();
        let gone = self.registered.keys().filter(|name| !wanted.contains_key(*name)).cloned();
        let gone: Vec<String> = gone.collect();
        let mut news = vec![];
        for name in gone {
            news.extend(self.registered.remove(&name).map(|gone| Registration::Gone(gone.key)));
        }
        while let Some((name, application)) = wanted.pop_first() {
            let key = AppKey { namespace: String::new(), name: name.clone() };
            let known = self.registered.get(&name);
            let mut now = Registered {
                uid: known.map_or_else(|| format!("{name}-{}", self.made), |known| known.uid.clone()),
                generation: known.map_or(1, |known| known.generation),
                // None is older than another one: a file's age says nothing about that.
                created: Timestamp::default(),
                application,
                is_suspended: false,
                request: None,
                no_request: None,
                lineage: Ok(Lineage::default()),
                status: statuses.get(&key).cloned().unwrap_or_default(),
                is_going: false,
                is_guarded: false,
                key,
            };
            match known {
                None => self.made += 1,
                Some(known) if known.application != now.application => now.generation += 1,
                Some(known) if is_same(known, &now) => continue,
                Some(_) => {}
            }
            self.registered.insert(name, now.clone());
            news.push(Registration::Is(Box::new(now)));
        }
        news
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let wrong = |error: std::io::Error| format!("can't be read: {error}");
    File::open(path).map_err(wrong)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err("is larger than 1 MiB".into());
    }
    Ok(bytes)
}

/// A problem with a file as a whole.
fn whole(file: &str, message: String) -> Problem {
    let origin = Origin { file: file.to_owned(), line: 0 };
    Problem { origin, document: String::new(), field: String::new(), message }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
