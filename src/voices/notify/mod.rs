//! Notifications: each target has a bounded queue and a thread, so that a slow one holds up neither a rollout nor another
//! target.

mod commit_status;
mod delivery;
mod messages;
mod queue;
mod repeats;
mod target;
mod worker;

use crate::controller::{Occurrence, Tally, Voice};
use crate::model::Notification;
use queue::Queue;
use repeats::Repeats;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use target::Target;

/// Tells people and hosts what happened, as a ControllerConfiguration says.
pub struct Notifier {
    desks: Vec<Desk>,
    began: Instant,
}

/// One target, with what waits for it.
struct Desk {
    notification: Notification,
    target: Target,
    repeats: Mutex<Repeats>,
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

/// What became of the messages for one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The notification's name.
    pub name: String,
    pub sent: u64,
    /// Refused by the target, or tried too often.
    pub failed: u64,
    /// Dropped because too many waited.
    pub dropped: u64,
}

impl Notifier {
    /// Starts a thread for each notification. Nothing is contacted yet.
    ///
    /// # Errors
    /// A sentence if a thread can't be started.
    pub fn start(notifications: &[Notification]) -> Result<Notifier, String> {
        let mut desks = vec![];
        for notification in notifications {
            let queue = Arc::new(Queue::default());
            let target = Target::of(&notification.to);
            let (work, sender) = (Arc::clone(&queue), target.clone());
            let name = notification.name.clone();
            // It logs where its maker does.
            let log = tracing::dispatcher::get_default(Clone::clone);
            let run = move || tracing::dispatcher::with_default(&log, || worker::run(&name, &sender, &work));
            let thread = std::thread::Builder::new()
                .name(format!("notify {}", notification.name))
                .spawn(run)
                .map_err(|error| format!("no thread for notification {}: {error}", notification.name))?;
            desks.push(Desk {
                notification: notification.clone(),
                target,
                repeats: Mutex::default(),
                queue,
                thread,
            });
        }
        Ok(Notifier { desks, began: Instant::now() })
    }

    /// How each target fares.
    pub fn counts(&self) -> Vec<Counts> {
        self.desks
            .iter()
            .map(|desk| Counts { name: desk.notification.name.clone(), ..desk.queue.counts() })
            .collect()
    }

    /// Tries everything that waits once more, for `patience` in all; nothing is taken afterwards. Blocks for that long at
    /// most: a request under way that takes longer goes down with the process.
    pub fn stop(&self, patience: Duration) {
        let end = Instant::now() + patience;
        self.desks.iter().for_each(|desk| desk.queue.close(end));
        while self.desks.iter().any(|desk| !desk.thread.is_finished()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        // A thread in the middle of a request ends after it.
        self.desks.iter().for_each(|desk| desk.queue.close(Instant::now()));
    }
}

impl Tally for Notifier {
    fn tally(&self) -> Vec<(&'static str, String, u64)> {
        let counts = self.counts();
        let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).sum();
        vec![
            ("notifications", "sent".into(), sum(|counts| counts.sent)),
            ("notifications", "failed".into(), sum(|counts| counts.failed)),
            ("notifications", "dropped".into(), sum(|counts| counts.dropped)),
        ]
    }
}

impl Voice for Notifier {
    fn tell(&self, occurrence: &Occurrence) {
        for desk in &self.desks {
            if !desk.notification.is_about(&occurrence.application.to_string()) {
                continue;
            }
            let kinds = &desk.notification.kinds;
            let is_wanted = kinds.is_empty() || kinds.contains(&format!("{:?}", occurrence.kind));
            let Some(subject) = desk.target.subject(occurrence, is_wanted) else { continue };
            let mut repeats = desk.repeats.lock().unwrap_or_else(PoisonError::into_inner);
            if repeats.is_new(&subject, self.began.elapsed()) {
                desk.queue.push(subject, occurrence.clone());
            }
        }
    }
}
