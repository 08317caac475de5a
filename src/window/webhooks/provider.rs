//! Who sends webhooks, and how each of them writes one.

use axum::http::HeaderMap;

/// A kind of Git server, or anything else that can send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    GitHub,
    GitLab,
    /// Forgejo too.
    Gitea,
    /// Cloud and Data Center.
    Bitbucket,
    /// Azure DevOps.
    Azure,
    Generic,
}

impl Provider {
    /// All of them, in a fixed order.
    pub const ALL: [Provider; 6] = [
        Provider::GitHub,
        Provider::GitLab,
        Provider::Gitea,
        Provider::Bitbucket,
        Provider::Azure,
        Provider::Generic,
    ];

    /// The path it posts to, without the slash; its label in metrics and its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Provider::GitHub => "github",
            Provider::GitLab => "gitlab",
            Provider::Gitea => "gitea",
            Provider::Bitbucket => "bitbucket",
            Provider::Azure => "azure",
            Provider::Generic => "generic",
        }
    }

    /// The provider of a name.
    pub fn of_name(name: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.name() == name)
    }

    /// True if a delivery tells of a push, as far as its headers say. People often subscribe to everything, and a
    /// comment on an issue is no reason to ask the Git server for its references.
    pub(super) fn tells_of_a_push(self, headers: &HeaderMap) -> bool {
        let event = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match self {
            Provider::GitHub => matches!(event("x-github-event"), Some("push" | "create")),
            Provider::GitLab => {
                matches!(event("x-gitlab-event"), Some("Push Hook" | "Tag Push Hook" | "System Hook"))
            }
            Provider::Gitea => {
                let event = event("x-gitea-event").or(event("x-forgejo-event")).or(event("x-github-event"));
                matches!(event, Some("push" | "create"))
            }
            Provider::Bitbucket => {
                // A mirror of Data Center has caught up, in the last case.
                let pushes = ["repo:push", "repo:refs_changed", "mirror:repo_synchronized"];
                event("x-event-key").is_some_and(|event| pushes.contains(&event))
            }
            // Azure DevOps says in the body what happened; what names no repository is ignored.
            Provider::Azure | Provider::Generic => true,
        }
    }
}
