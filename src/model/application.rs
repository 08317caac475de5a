//! The `Application`: which repository goes where, and how.

use super::{Origin, Seconds, serde_duration};
use serde::{Deserialize, Serialize};

/// What to sync from where to where (`cutover.dev/v1alpha1`, kind `Application`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// `metadata.name`; set by the reader, not part of `spec`.
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    pub origin: Origin,
    pub source: Source,
    pub destination: Destination,
    #[serde(default)]
    pub sync: Sync,
    #[serde(default)]
    pub suspend: bool,
    #[serde(default)]
    pub depends_on: Vec<String>,
}

/// Where the documents are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// Branch, tag or commit (full or abbreviated).
    #[serde(default = "head")]
    pub target_revision: String,
    /// A folder in the repository, `.` for its root.
    #[serde(default = "root")]
    pub path: String,
}

/// Where they go. One destination today.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    Ecs {
        #[serde(default)]
        region: Option<String>,
        cluster: String,
    },
}

/// Whether differences are applied or only reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    #[default]
    Enforce,
    Observe,
}

/// How an application is synced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sync {
    pub mode: SyncMode,
    #[serde(with = "serde_duration")]
    pub interval: Seconds,
    pub prune: bool,
    /// The largest share of the inventory that one sync may prune, `30%`, or a number of resources.
    pub prune_limit: String,
    #[serde(with = "serde_duration")]
    pub timeout: Seconds,
}

impl Default for Sync {
    fn default() -> Self {
        Sync {
            mode: SyncMode::Enforce,
            interval: 60,
            prune: false,
            prune_limit: "30%".into(),
            timeout: 30 * 60,
        }
    }
}

fn head() -> String {
    "HEAD".into()
}

fn root() -> String {
    ".".into()
}
