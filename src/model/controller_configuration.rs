//! The `ControllerConfiguration`: what the operator of a controller allows Applications, and who is told what.

use super::{Pattern, RepositoryPattern, SecretRef};
use serde::Deserialize;

/// What `cutover controller --config` reads (`cutover.dev/v1alpha1`, kind `ControllerConfiguration`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ControllerConfiguration {
    /// What Applications may do, by their namespace: the first one that fits counts.
    pub permissions: Vec<Permission>,
    /// The operator's own credentials for repositories whose Application names none.
    pub repositories: Vec<RepositoryCredential>,
    /// The senders of webhooks that are believed.
    pub webhooks: Webhooks,
    /// Who is told what happens to which application.
    pub notifications: Vec<Notification>,
}

/// What Applications of some namespaces may do. What is not named is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// The Applications' own namespaces.
    pub namespaces: Vec<Pattern>,
    pub repositories: Vec<RepositoryPattern>,
    #[serde(default)]
    pub destinations: AllowedDestinations,
    /// Cluster-scoped kinds, as `Namespace` or `ClusterRole.rbac.authorization.k8s.io`.
    #[serde(default)]
    pub cluster_kinds: Vec<Pattern>,
    /// True: only as a service account of their own, never with the controller's rights.
    #[serde(default)]
    pub service_account_required: bool,
}

/// Where Applications may go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AllowedDestinations {
    /// The controller's own cluster.
    pub this_cluster: bool,
    /// Clusters that a kubeconfig leads to.
    pub other_clusters: bool,
    /// Namespaces of these clusters; `None`: the one that is called like the Application's own.
    pub namespaces: Option<Vec<Pattern>>,
    pub ecs: Vec<AllowedEcsCluster>,
    /// Load balancers and alarms of AWS that BlueGreens on Kubernetes name.
    pub load_balancers: bool,
}

impl Default for AllowedDestinations {
    fn default() -> Self {
        AllowedDestinations {
            this_cluster: true,
            other_clusters: false,
            namespaces: None,
            ecs: vec![],
            load_balancers: false,
        }
    }
}

/// ECS clusters, by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedEcsCluster {
    /// `None`: every region, also the one that an Application leaves to the AWS configuration.
    #[serde(default)]
    pub region: Option<Pattern>,
    pub cluster: Pattern,
}

/// A Secret of the controller's namespace for the repositories that fit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryCredential {
    pub url: RepositoryPattern,
    pub secret_ref: SecretRef,
}

/// Who may say that a repository has changed. A sender that is not named is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhooks {
    pub github: Option<WebhookSender>,
    pub gitlab: Option<WebhookSender>,
    pub gitea: Option<WebhookSender>,
    pub bitbucket: Option<WebhookSender>,
    pub azure: Option<WebhookSender>,
    pub generic: Option<WebhookSender>,
}

/// How a sender proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSender {
    /// Files with one shared secret each, of which any is good: so a secret can be changed without a gap.
    pub secret_files: Vec<String>,
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// For the log and the metrics.
    pub name: String,
    /// Kinds of occurrences; empty: all of them. States of commits are set in any case.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// `namespace/name` of Applications; empty: all of them.
    #[serde(default)]
    pub applications: Vec<Pattern>,
    pub to: NotificationTarget,
}

/// Where a notification goes. Secrets are files, read each time, so that a new one is seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotificationTarget {
    /// An incoming webhook of Slack, whose URL is the secret.
    #[serde(rename_all = "camelCase")]
    Slack { url_file: String },
    /// The occurrence as JSON. With a secret the body is signed (HMAC-SHA256, header `X-Cutover-Signature`).
    #[serde(rename_all = "camelCase")]
    Webhook {
        url: String,
        #[serde(default)]
        secret_file: Option<String>,
    },
    /// The state of the commit on GitHub.
    Github(CommitStatus),
    /// The state of the commit on GitLab.
    Gitlab(CommitStatus),
}

/// How the state of commits is set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitStatus {
    pub token_file: String,
    /// Where the host's API is; `None`: that of github.com or gitlab.com.
    #[serde(default, rename = "apiURL")]
    pub api_url: Option<String>,
    /// Where the state leads; `{namespace}` and `{name}` stand for the application's.
    #[serde(default, rename = "targetURL")]
    pub target_url: Option<String>,
}

impl Webhooks {
    /// The senders by their names here.
    pub fn by_name(&self) -> [(&'static str, &Option<WebhookSender>); 6] {
        let Webhooks { github, gitlab, gitea, bitbucket, azure, generic } = self;
        [
            ("github", github),
            ("gitlab", gitlab),
            ("gitea", gitea),
            ("bitbucket", bitbucket),
            ("azure", azure),
            ("generic", generic),
        ]
    }
}

impl Notification {
    /// True if it is about the application (`namespace/name`).
    pub fn is_about(&self, application: &str) -> bool {
        self.applications.is_empty() || self.applications.iter().any(|pattern| pattern.fits(application))
    }
}
