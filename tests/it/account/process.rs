//! One process: fresh clients, one sync, the lock freed at the end.

use super::{Target, Wire};
use cutover::engine::{Deployment, Event, StopSignal, SyncReport, Trouble, Watcher, sync};
use std::cell::RefCell;

/// Runs `cutover sync` once in a new process.
///
/// # Errors
/// As [`sync`].
pub async fn sync_once(
    wire: &Wire,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<SyncReport, Trouble> {
    let target = Target::new(wire, &deployment.application.name).await;
    let report = sync(&target, deployment, watcher, stop).await;
    // As the command line does: a lock that can't be freed expires.
    let _ = target.release().await;
    report
}

/// Watches a process: keeps what it said, and asks it to stop at a chosen event.
pub struct Process<'a> {
    wire: &'a Wire,
    pub stop: StopSignal,
    stop_at: Option<&'a dyn Fn(&Event) -> bool>,
    pub said: RefCell<Vec<String>>,
}

impl<'a> Process<'a> {
    /// A process that goes to the end, or to the first event that `stop_at` holds for.
    pub fn new(wire: &'a Wire, stop_at: Option<&'a dyn Fn(&Event) -> bool>) -> Self {
        Process { wire, stop: StopSignal::default(), stop_at, said: RefCell::default() }
    }

    /// Runs it.
    pub async fn run(&self, deployment: &Deployment) -> Result<SyncReport, Trouble> {
        sync_once(self.wire, deployment, self, &self.stop).await
    }
}

impl Watcher for Process<'_> {
    fn event(&self, event: Event) {
        let at = self.wire.connector.now() as f64 / 1_000.0 % 100_000.0;
        let line = match &event {
            Event::Phase { workload, phase } => format!("{workload}: {phase}"),
            Event::Waiting { workload, text, .. } => format!("{workload}: waits for {text}"),
            Event::Wrote { workload, text, .. } => format!("{workload}: {text}"),
            Event::Applied { document: workload, text }
            | Event::Settling { document: workload, text }
            | Event::Trouble { workload, text }
            | Event::Notice { workload, text } => format!("{workload}: {text}"),
        };
        self.said.borrow_mut().push(format!("{at:9.2} {line}"));
        if self.stop_at.is_some_and(|stop_at| stop_at(&event)) {
            self.stop.set();
        }
    }
}
