//! Rolling deployments: within minimumHealthyPercent and maximumPercent new tasks come and old ones go.

use super::deployment::Rollout;
use super::service::config;
use super::staff::{start_tasks, stop_tasks};
use super::view::{Health, View, views};
use crate::simulator::TaskId;
use crate::simulator::queue::ServiceId;
use crate::simulator::state::State;

/// Starts and stops what may be started and stopped now.
pub(super) fn place(state: &mut State, id: ServiceId) {
    let Some(service) = state.services.get(&id) else { return };
    let Some(primary) = service.deployments.first() else { return };
    let desired = service.desired;
    let percent = |name: &str, default: u64| config(&service.spec, name).as_u64().unwrap_or(default) as usize;
    let most = desired * percent("maximumPercent", 200) / 100;
    let least = (desired * percent("minimumHealthyPercent", 100)).div_ceil(100);
    let failed = primary.rollout == Rollout::Failed;
    let views = views(state, id);
    let mine = views.iter().filter(|view| view.primary).count();
    let stopped = surplus(&views, desired, least, failed);
    let room = most.saturating_sub(views.len());
    stop_tasks(state, id, &stopped);
    start_tasks(state, id, desired.saturating_sub(mine).min(room));
}

/// The tasks to stop: those of the PRIMARY deployment beyond the desired count, and old ones as far as enough healthy
/// tasks remain. A failed deployment takes nothing away from the old one.
fn surplus(views: &[View], desired: usize, least: usize, failed: bool) -> Vec<TaskId> {
    let healthy = |view: &View| view.running && view.health == Health::Good;
    let mut good = views.iter().filter(|view| healthy(view)).count();
    let (mut mine, mut old): (Vec<&View>, Vec<&View>) = views.iter().partition(|view| view.primary);
    // Those that are not healthy go first; of the others the newest.
    mine.sort_by_key(|view| (healthy(view), std::cmp::Reverse(view.id)));
    old.sort_by_key(|view| (healthy(view), view.id));
    let mut stopped = vec![];
    for view in mine.iter().take(mine.len().saturating_sub(desired)) {
        good -= usize::from(healthy(view));
        stopped.push(view.id);
    }
    let old_to_keep = if failed { desired.saturating_sub(mine.len()) } else { 0 };
    for view in old.iter().take(old.len().saturating_sub(old_to_keep)) {
        if !healthy(view) || good > least {
            good -= usize::from(healthy(view));
            stopped.push(view.id);
        }
    }
    stopped
}
