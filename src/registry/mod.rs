//! Where Applications are registered: as custom resources of a cluster, or as files of a folder.

mod cluster;
mod events;
mod folder;
mod object;
mod request;
mod scan;
mod seen;

pub use cluster::{ClusterApplications, applications};
pub use events::KubernetesEvents;
pub use folder::{FolderApplications, Locate};
pub use request::request_text;
