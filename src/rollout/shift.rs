//! The steps between no weight and all weight, and the tasks that a share needs.

use super::observation::{Desired, Observation, Workload};
use super::view::View;
use crate::model::{Seconds, Slot};

/// The share that follows `share`: the next declared step, at last 100. Where nobody `serves` on the other side there is
/// nobody to protect by small steps: straight to 100.
pub(super) fn next_share(want: &Desired, serves: bool, share: u32) -> u32 {
    if !serves {
        return 100;
    }
    want.steps.iter().map(|step| step.weight).filter(|weight| *weight > share).min().unwrap_or(100).min(100)
}

/// How long `share` is held.
pub(super) fn hold_of(want: &Desired, share: u32) -> Seconds {
    want.steps.iter().find(|step| step.weight == share).map_or(0, |step| step.hold)
}

/// The healthy targets that `slot` needs for `share` of what the other side runs now. A number that is fixed in Git holds
/// for both sides; an autoscaler's most is all that can be had.
pub(super) fn capacity(want: &Desired, seen: &Observation, slot: Slot, share: u32) -> u32 {
    if want.count.is_some() {
        return 0;
    }
    let running = match seen.slots.get(slot.other()).workload {
        Workload::Present { running, .. } => running,
        Workload::Absent | Workload::Draining => 0,
    };
    let part = (u64::from(running) * u64::from(share)).div_ceil(100);
    u32::try_from(part).unwrap_or(u32::MAX).min(want.most.unwrap_or(u32::MAX))
}

/// The number of tasks that `slot` is to have beside the other side, at least one.
pub(super) fn tasks_beside_the_other(view: View<'_>, slot: Slot) -> u32 {
    let most = view.want.most.unwrap_or(u32::MAX);
    view.want.count.unwrap_or(view.slot(slot.other()).count()).min(most).max(1)
}
