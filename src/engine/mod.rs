//! Joins the pure core and the adapters for one application: observe, decide, act, observe again.

mod clock;
mod deployment;
mod events;
mod follow;
mod history;
mod neighbours;
mod plan;
mod ports;
mod request;
mod roles;
mod run;
mod spans;
mod standing;
mod status;
mod sync;
mod write_guard;

pub use clock::{Begun, Clock};
pub use deployment::Deployment;
pub use events::{Event, Silent, Watcher};
pub use follow::follow;
pub use history::{History, LiveCommits, NoHistory};
pub use neighbours::{Elsewhere, Neighbours, NoNeighbours};
pub use plan::{declared_services, observe, plan, read_live};
pub use ports::{
    EcsDocuments, Gating, Guard, KubernetesDocuments, Obstacles, Platform, Registered, Rollout, Settled,
    Signal, Signalling, SlotsReading, TimeSource, Traffic, TrafficReading, Trouble, TroubleKind,
    WorkloadDocuments, Workloads,
};
pub use request::{Chosen, RequestVerb, Unfit, choose, handle, lock};
pub use run::{Adapter, Ports, Run, RunEnd, StopSignal};
pub(crate) use spans::{failed, traced, work_span};
pub use standing::{Standing, Subject};
pub use status::{
    Left, ObjectStatus, ServiceStatus, SlotStatus, Status, WorkloadStatus, slot_statuses, status,
};
pub use sync::{
    ItemResult, SyncReport, Synced, Verdict, carry_on, delete_all, plan_delete, sync, sync_and_look,
};
pub(crate) use write_guard::is_on_the_way_back;
pub use write_guard::{WRITE_BOUND, Without, WriteGuard, kept_alive, may_go_without};
