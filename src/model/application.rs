//! The `Application`: which repository goes where, and how.

use super::{IgnoreDifferences, Origin, Seconds, serde_duration};
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
    /// Fields of Kubernetes objects that are neither compared nor written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifferences>,
    #[serde(default)]
    pub suspend: bool,
    /// What becomes of what it brought about when the Application is deleted.
    #[serde(default, skip_serializing_if = "Deletion::is_orphan")]
    pub deletion: Deletion,
    /// The service account of the Application's own namespace that the controller acts as in its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
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
    /// Which files of the folder are read.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub directory: Directory,
    /// A Secret of the Application's own namespace with the credentials for the repository; only for the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// Which files of a folder are documents, in Argo CD's words. The globs are those of [`Glob::argo`](super::Glob::argo),
/// and are held against a file's path seen from the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Directory {
    /// Folders within the folder are read, too. Argo CD's default is false.
    pub recurse: bool,
    /// Only files that fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// No files that fit, whatever `include` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<String>,
}

impl Default for Directory {
    fn default() -> Self {
        Directory { recurse: true, include: None, exclude: None }
    }
}

fn is_usual(directory: &Directory) -> bool {
    *directory == Directory::default()
}

/// Where they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Destination {
    Ecs {
        #[serde(default)]
        region: Option<String>,
        cluster: String,
    },
    Kubernetes {
        /// Where objects that name no namespace go.
        #[serde(default = "default_namespace")]
        namespace: String,
        /// A context of the kubeconfig; without it the current one or, in a pod, the pod's own cluster.
        #[serde(default)]
        context: Option<String>,
        /// The AWS region of the load balancers that BlueGreens name.
        #[serde(default)]
        region: Option<String>,
        /// A Secret of the Application's own namespace with the kubeconfig of another cluster; only for the controller.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kubeconfig_secret_ref: Option<SecretRef>,
    },
}

/// A Secret, or one of its keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    pub name: String,
    /// Only where the Secret holds one thing: the kubeconfig. Default `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What runs the workloads of a destination, and so which documents it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformKind {
    Ecs,
    Kubernetes,
}

impl Destination {
    /// The platform that it is on.
    pub fn platform(&self) -> PlatformKind {
        match self {
            Destination::Ecs { .. } => PlatformKind::Ecs,
            Destination::Kubernetes { .. } => PlatformKind::Kubernetes,
        }
    }
}

/// Whether differences are applied or only reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    #[default]
    Enforce,
    Observe,
}

/// What the end of an Application means for what it brought about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deletion {
    /// Everything is left as it runs.
    #[default]
    Orphan,
    /// Everything that it owns is deleted first.
    Cascade,
}

impl Deletion {
    /// True for the default.
    pub fn is_orphan(&self) -> bool {
        *self == Deletion::Orphan
    }
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
    /// Wait until what was applied has come to rest. Hooks and rollouts are waited for in any case.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub wait: bool,
    /// Take fields from other managers of a Kubernetes object instead of stopping at them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force_conflicts: bool,
    /// Make the destination's namespace if it is missing. It is nobody's then: neither marked, nor changed, nor pruned.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create_namespace: bool,
}

impl Default for Sync {
    fn default() -> Self {
        Sync {
            mode: SyncMode::Enforce,
            interval: 60,
            prune: false,
            prune_limit: "30%".into(),
            timeout: 30 * 60,
            wait: true,
            force_conflicts: false,
            create_namespace: false,
        }
    }
}

fn head() -> String {
    "HEAD".into()
}

fn default_namespace() -> String {
    "default".into()
}

fn root() -> String {
    ".".into()
}

/// True for the whole id of a commit, as Git writes it.
pub fn is_commit_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
