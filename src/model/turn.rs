//! The order of a sync.

use serde::Serialize;

/// When in a sync something's turn comes. All of one wave has come to rest before the next one begins; within a wave,
/// namespaces are there before anything else and CustomResourceDefinitions are established before what follows. The
/// rest of a wave is applied rank after rank and waited for together, since a workload may need what comes after it.
/// Within a turn everything goes side by side. ECS needs one only, the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    pub phase: HookPhase,
    /// `cutover.dev/wave`, lower ones first.
    pub wave: i32,
    /// Within a wave, as [`rank`] says: namespaces (0), CustomResourceDefinitions (1), what others refer to (2), workloads
    /// (3), all else (4), what may refuse others (5), what moves requests off slots that leave Git (6).
    pub rank: u8,
}

impl Turn {
    /// True for the order of a platform that has none.
    pub fn is_default(&self) -> bool {
        *self == Turn::default()
    }

    /// True if nothing of `next`, which follows, has to wait until this turn has come to rest.
    pub fn is_awaited_with(&self, next: Turn) -> bool {
        (self.phase, self.wave) == (next.phase, next.wave)
            && self.rank > CUSTOM_RESOURCE_DEFINITIONS
            && (next.rank < MOVES_REQUESTS || self.rank == next.rank)
    }
}

/// The last rank that what follows it relies on.
const CUSTOM_RESOURCE_DEFINITIONS: u8 = 1;

/// The rank of what moves requests to something that has to stand before: all else of its wave has come to rest by then.
/// No kind has it, a plan gives it.
pub const MOVES_REQUESTS: u8 = 6;

/// The order of kinds within a wave.
pub fn rank(group: &str, kind: &str) -> u8 {
    match (group, kind) {
        ("", "Namespace") => 0,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => 1,
        (
            "",
            "ServiceAccount"
            | "ConfigMap"
            | "Secret"
            | "PersistentVolume"
            | "PersistentVolumeClaim"
            | "ResourceQuota"
            | "LimitRange"
            | "Service"
            | "Endpoints",
        )
        | ("rbac.authorization.k8s.io" | "storage.k8s.io" | "scheduling.k8s.io" | "discovery.k8s.io", _)
        | ("networking.k8s.io", "NetworkPolicy" | "IngressClass")
        | ("node.k8s.io", "RuntimeClass") => 2,
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("", "Pod" | "ReplicationController")
        | ("batch", "Job" | "CronJob")
        | ("policy", "PodDisruptionBudget") => 3,
        // They may refuse what comes after them until what they call is up.
        ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => 5,
        _ => 4,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_and_definitions_are_waited_for_within_a_wave() {
        let turn = |wave, rank| Turn { phase: HookPhase::Sync, wave, rank };
        for (first, next, together) in [
            (turn(0, 0), turn(0, 1), false),
            (turn(0, 1), turn(0, 2), false),
            (turn(0, 2), turn(0, 3), true),
            (turn(0, 3), turn(0, 4), true),
            (turn(0, 4), turn(1, 2), false),
            (turn(0, 5), turn(0, MOVES_REQUESTS), false),
        ] {
            assert_eq!(first.is_awaited_with(next), together, "{first:?} {next:?}");
        }
        let hook = Turn { phase: HookPhase::PreSync, wave: 0, rank: 3 };
        assert!(!hook.is_awaited_with(turn(0, 3)));
    }
}
