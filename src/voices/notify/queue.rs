//! What waits for one target: bounded, the oldest is dropped first.

use super::Counts;
use super::target::Subject;
use crate::controller::Occurrence;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Messages that wait at most.
const WAITING: usize = 256;

/// One message that has to be sent.
#[derive(Clone, Debug)]
pub struct Message {
    pub subject: Subject,
    pub occurrence: Occurrence,
    /// Different for each message, the same for each attempt.
    pub number: u64,
}

/// The queue of one target.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    numbers: u64,
    counts: Counts,
    /// Set when the process ends: what is sent until then is sent.
    closed_from: Option<Instant>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; never waits.
    pub fn push(&self, subject: Subject, occurrence: Occurrence) {
        let mut state = self.state();
        if state.waiting.len() >= WAITING {
            state.waiting.pop_front();
            state.counts.dropped += 1;
        }
        state.numbers += 1;
        let number = state.numbers;
        state.waiting.push_back(Message { subject, occurrence, number });
        drop(state);
        self.changed.notify_all();
    }

    /// The next message, waited for; nothing when the queue is closed and empty, or its time is over.
    pub fn next(&self) -> Option<Message> {
        let mut state = self.state();
        loop {
            if state.closed_from.is_some_and(|from| Instant::now() >= from) {
                return None;
            }
            if let Some(message) = state.waiting.pop_front() {
                return Some(message);
            }
            if state.closed_from.is_some() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// True if a newer message about the same waits.
    pub fn has_newer(&self, subject: &Subject) -> bool {
        self.state().waiting.iter().any(|message| message.subject.about == subject.about)
    }

    /// Waits before an attempt is repeated; false if the process ends, when there is no time for that.
    pub fn pause(&self, length: Duration) -> bool {
        let state = self.state();
        let is_open = |state: &mut State| state.closed_from.is_none();
        let waited = self.changed.wait_timeout_while(state, length, is_open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed_from.is_none()
    }

    /// Notes what became of a message.
    pub fn note(&self, is_sent: bool) {
        let counts = &mut self.state().counts;
        *(if is_sent { &mut counts.sent } else { &mut counts.failed }) += 1;
    }

    /// The counts; without the name.
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// Ends the queue: nothing is sent after `from`.
    pub fn close(&self, from: Instant) {
        let mut state = self.state();
        let sooner = state.closed_from.map_or(from, |before| before.min(from));
        state.closed_from = Some(sooner);
        drop(state);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::OccurrenceKind;
    use crate::model::{AppKey, Timestamp};

    #[test]
    fn the_oldest_is_dropped_and_counted_and_nobody_waits() {
        let queue = Queue::default();
        for number in 0..WAITING as u64 + 3 {
            let occurrence = Occurrence {
                application: AppKey::default(),
                uid: String::new(),
                kind: OccurrenceKind::Synced,
                workload: String::new(),
                revision: String::new(),
                repository: String::new(),
                text: number.to_string(),
                time: Timestamp(number),
            };
            queue.push(Subject { about: number.to_string(), news: String::new() }, occurrence);
        }
        assert_eq!(queue.next().map(|message| message.occurrence.text), Some("3".into()));
        assert_eq!(queue.counts().dropped, 3);
        assert!(queue.pause(Duration::ZERO));
        queue.close(Instant::now() + Duration::from_secs(3600));
        assert!(!queue.pause(Duration::from_secs(3600)));
        assert!(queue.next().is_some(), "what waits is still sent");
        queue.close(Instant::now());
        assert!(queue.next().is_none());
    }
}
