//! The nouns of the program. Nothing in here reads, writes, waits or knows the time.

mod allowed;
mod application;
mod application_status;
mod blue_green;
mod clock;
mod controller_configuration;
mod document;
mod glob;
mod health;
mod lineage;
pub mod marks;
mod object;
mod permits;
mod repository_url;
mod settle;
mod slot;
mod turn;

pub use allowed::{Allowed, Pattern};
pub use application::{
    Application, Deletion, Destination, Directory, PlatformKind, SecretRef, Source, Sync, SyncMode,
    is_commit_id,
};
pub use application_status::{
    AppKey, ApplicationStatus, Changes, Condition, ConditionStatus, HandledRequest, HealthState,
    HistoryEntry, LastError, SlotSummary, SyncState, WorkloadSummary,
};
pub use blue_green::{
    Alb, BlueGreen, ClusterTraffic, Container, Gates, HttpGate, Listeners, SlotName, SlotNames, Step,
    TargetGroups, WorkloadRef,
};
pub use clock::{Seconds, Timestamp, human, parse_duration, parse_rfc3339, rfc3339, serde_duration};
pub use controller_configuration::{
    AllowedDestinations, AllowedEcsCluster, CommitStatus, ControllerConfiguration, Notification,
    NotificationTarget, Permission, RepositoryCredential, WebhookSender, Webhooks,
};
pub use document::{
    Kind, Manifests, Origin, Problem, Service, SourceFile, TaskDefinition, TaskDefinitionRef,
};
pub use glob::Glob;
pub use health::{Health, HealthReport};
pub use lineage::{Ancestor, Lineage};
pub use object::{FieldLines, IgnoreDifferences, Object, ObjectKey, selects};
pub use permits::{permits, permits_within};
pub use repository_url::{RepositoryPattern, host_and_path, same_repository};
pub use settle::settle_seconds;
pub use slot::{BySlot, RevisionId, Slot, Weights};
pub use turn::{HookPhase, MOVES_REQUESTS, Turn, rank};
