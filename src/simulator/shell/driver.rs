//! Lets simulated time pass: advances the world when something is due, starts and stops what it says, sends its
//! health checks.

use super::Shared;
use super::events::Event;
use super::probe::probe;
use crate::simulator::{Millis, Probe};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const PROBES_AT_ONCE: usize = 128;
/// The longest and the shortest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Runs until it is dropped.
pub(super) async fn drive(shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(PROBES_AT_ONCE));
    let mut probes = JoinSet::new();
    loop {
        let (due, next) = step(&shared);
        for probe in due {
            probes.spawn(check(Arc::clone(&shared), Arc::clone(&slots), probe));
        }
        let pause = next.map_or(PAUSE_MAX, |next| shared.clock.until(next)).clamp(PAUSE_MIN, PAUSE_MAX);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.wake.notified() => {}
        }
        while probes.try_join_next().is_some() {}
    }
}

/// Brings world and sockets to now; says which health checks to send and when to come again.
fn step(shared: &Arc<Shared>) -> (Vec<Probe>, Option<Millis>) {
    let now = shared.clock.now();
    let mut site = shared.site();
    let mut world = shared.world();
    world.advance(now);
    site.reconcile_listeners(shared, world.listeners());
    let mut wanted = world.tasks();
    wanted.extend(world.external_tasks());
    let (crashed, look_again) = site.reconcile_tasks(shared, now, &wanted);
    for task in crashed {
        shared.events.send(Event::TaskCrashed { task });
        world.task_exited(now, task, 1);
    }
    let due = world.due_probes(now);
    let next = [world.next_event(), look_again].into_iter().flatten().min();
    (due, next)
}

async fn check(shared: Arc<Shared>, slots: Arc<Semaphore>, due: Probe) {
    let Ok(_slot) = slots.acquire().await else { return };
    let played = || due.task.and_then(|task| shared.site().task_address(task, due.port));
    let address = due.address.or_else(played);
    // In real time, however fast simulated time runs: the answer comes no sooner than this machine gives it.
    let limit = Duration::from_millis(due.timeout_ms);
    let status = match address {
        Some(address) => probe(address, due.path.as_deref(), limit).await,
        None => None,
    };
    shared.world().probe_result(shared.clock.now(), due.id, status);
    shared.wake.notify_one();
}
