//! The order of a sync.

use serde::Serialize;

/// When in a sync something's turn comes. All of one turn is carried out and has come to rest before the next one begins;
/// within a turn everything goes side by side. ECS needs one only, the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    pub phase: HookPhase,
    /// `cutover.dev/wave`, lower ones first.
    pub wave: i32,
    /// Within a wave: namespaces, then CustomResourceDefinitions, then what others refer to, then workloads.
    pub rank: u8,
}

impl Turn {
    /// True for the order of a platform that has none.
    pub fn is_default(&self) -> bool {
        *self == Turn::default()
    }
}

/// Whether something is a hook, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HookPhase {
    PreSync,
    /// No hook.
    #[default]
    Sync,
    PostSync,
    /// Only after the sync failed.
    SyncFail,
}
