//! Applications that are files of a folder, for a controller outside of any cluster.

use super::scan::Scan;
use crate::controller::{Applications, Registration};
use crate::engine::{Trouble, TroubleKind};
use crate::model::{AppKey, ApplicationStatus};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the folder is looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// News that wait for the controller before the next look does.
const AHEAD: usize = 256;

/// Makes a relative `repoURL` one that is not, as seen from a folder; the error says why it can't be.
pub type Locate = Arc<dyn Fn(&str, &Path) -> Result<String, String> + Send + Sync>;

type Statuses = Arc<Mutex<BTreeMap<AppKey, ApplicationStatus>>>;

/// The files `*.yaml`, `*.yml` and `*.json` of a folder, each with one Application or many. Statuses are kept in memory:
/// they go with the process.
pub struct FolderApplications {
    folder: PathBuf,
    locate: Locate,
    statuses: Statuses,
}

impl FolderApplications {
    /// In this folder; not in folders within it.
    pub fn new(folder: PathBuf, locate: Locate) -> FolderApplications {
        FolderApplications { folder, locate, statuses: Statuses::default() }
    }
}

impl Applications for FolderApplications {
    /// Looks every two seconds, on a thread of its own, until nobody listens. A folder that can't be read changes
    /// nothing; one that could never be read is not taken for an empty one.
    fn watch(&self) -> mpsc::Receiver<Registration> {
        let (tell, told) = mpsc::channel(AHEAD);
        let mut scan = Scan::new(self.folder.clone(), Arc::clone(&self.locate));
        let statuses = Arc::clone(&self.statuses);
        let look = move || {
            let mut is_listed = false;
            while !tell.is_closed() {
                let known = statuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let news = scan.look(&known);
                let listed = (news.is_some() && !is_listed).then_some(Registration::Listed);
                is_listed |= listed.is_some();
                for registration in news.into_iter().flatten().chain(listed) {
                    if let Registration::Gone(key) = &registration {
                        statuses.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
                    }
                    if tell.blocking_send(registration).is_err() {
                        return;
                    }
                }
                std::thread::sleep(INTERVAL);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("applications".into()).spawn(look) {
            tracing::error!("the folder of Applications can't be watched: {error}");
        }
        told
    }

    fn write_status<'a>(
        &'a self,
        key: &'a AppKey,
        status: &'a ApplicationStatus,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            if !key.namespace.is_empty() {
                let message = format!("there is no Application {key} in the folder");
                return Err(Trouble {
                    kind: TroubleKind::Rejected,
                    doing: "writing a status".into(),
                    message,
                });
            }
            self.statuses.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), status.clone());
            Ok(())
        })
    }

    /// A file has no finalizers. One that is taken away leaves everything as it runs.
    fn guard<'a>(&'a self, _: &'a AppKey, _: &'a str, _: bool) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_is_there_is_told_at_once_and_a_folder_that_is_not_there_is_not_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec:\n  \
                    source: {repoURL: 'https://git.example/a.git'}\n  destination: {ecs: {cluster: prod}}\n";
        std::fs::write(folder.path().join("a.yaml"), text).expect("written");
        let locate: Locate = Arc::new(|url, _| Ok(url.to_owned()));
        let registry = FolderApplications::new(folder.path().to_owned(), Arc::clone(&locate));
        let mut news = registry.watch();
        assert!(matches!(news.recv().await, Some(Registration::Is(is)) if is.key.to_string() == "a"));
        assert!(matches!(news.recv().await, Some(Registration::Listed)));
        let missing = FolderApplications::new(folder.path().join("none"), locate).watch();
        drop(news);
        assert!(missing.is_empty());
    }
}
