//! How a Kubernetes object fares, in Argo CD's words.

use serde::Serialize;

/// In ascending order of badness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    #[default]
    Healthy,
    /// Told to stand still: a suspended Job, a paused Deployment.
    Suspended,
    Progressing,
    /// Its status does not tell.
    Unknown,
    Missing,
    Degraded,
}

/// A verdict with its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthReport {
    pub health: Health,
    /// What is awaited or wrong; empty when there is nothing to say.
    pub message: String,
    /// True if waiting will not heal it: an image that does not exist, a Job past its backoff limit.
    #[serde(skip)]
    pub is_final: bool,
}
