//! What is due and when. Pure: time is passed in.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

/// Keys with the time at which each is due. Whatever is due longest comes first, so that nobody is starved; one that is
/// being worked on is not given out a second time.
pub(super) struct Queue<K> {
    due: BTreeSet<(Instant, K)>,
    jobs: HashMap<K, Job>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Job {
    due: Option<Instant>,
    is_running: bool,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Queue { due: BTreeSet::new(), jobs: HashMap::new() }
    }
}

impl<K: Clone + Ord + Hash> Queue<K> {
    /// Makes it due at `at`, or leaves it as it is if it is due earlier.
    pub fn want(&mut self, key: &K, at: Instant) {
        let job = self.jobs.entry(key.clone()).or_default();
        if job.due.is_none_or(|due| at < due) {
            self.set_due(key, Some(at));
        }
    }

    fn set_due(&mut self, key: &K, due: Option<Instant>) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        if let Some(before) = job.due.take() {
            self.due.remove(&(before, key.clone()));
        }
        job.due = due;
        if let (Some(due), false) = (due, job.is_running) {
            self.due.insert((due, key.clone()));
        }
    }

    /// The one that is due longest, which from now on is being worked on.
    pub fn next(&mut self, now: Instant) -> Option<K> {
        let (due, _) = self.due.first()?;
        if *due > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        if let Some(job) = self.jobs.get_mut(&key) {
            *job = Job { due: None, is_running: true };
        }
        Some(key)
    }

    /// Says that the work on it has ended. It is due again if it was wanted meanwhile.
    pub fn ended(&mut self, key: &K) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        job.is_running = false;
        if let Some(due) = job.due {
            self.due.insert((due, key.clone()));
        }
    }

    /// True if it was wanted by `now` and is not being worked on, or was wanted while it was.
    pub fn is_due(&self, key: &K, now: Instant) -> bool {
        self.jobs.get(key).and_then(|job| job.due).is_some_and(|due| due <= now)
    }

    /// Forgets when it is due; work on it goes on.
    pub fn drop_due(&mut self, key: &K) {
        self.set_due(key, None);
    }

    /// Forgets it.
    pub fn remove(&mut self, key: &K) {
        self.set_due(key, None);
        self.jobs.remove(key);
    }

    /// When the next one is due.
    pub fn wake_at(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// How many are due and wait, and how long the first of them has.
    pub fn waiting(&self, now: Instant) -> (usize, Duration) {
        let waiting = self.due.iter().take_while(|(due, _)| *due <= now).count();
        let oldest = self.due.first().map_or(Duration::ZERO, |(due, _)| now.saturating_duration_since(*due));
        (waiting, oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_due_longest_comes_first_and_nothing_comes_early() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.want(&"b", after(start, 2));
        queue.want(&"a", after(start, 3));
        queue.want(&"c", after(start, 9));
        assert_eq!(queue.next(after(start, 1)), None);
        assert_eq!(queue.wake_at(), Some(after(start, 2)));
        assert_eq!(queue.waiting(after(start, 5)), (2, Duration::from_secs(3)));
        assert_eq!(queue.next(after(start, 5)), Some("b"));
        assert_eq!(queue.next(after(start, 5)), Some("a"));
        assert_eq!(queue.next(after(start, 5)), None);
    }

    #[test]
    fn an_earlier_wish_counts_and_a_later_one_does_not() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.want(&"a", after(start, 9));
        queue.want(&"a", after(start, 4));
        queue.want(&"a", after(start, 6));
        assert_eq!((queue.wake_at(), queue.due.len()), (Some(after(start, 4)), 1));
        queue.drop_due(&"a");
        assert_eq!(queue.wake_at(), None);
    }

    #[test]
    fn what_is_wanted_while_it_is_worked_on_comes_once_more_afterwards_and_never_twice_at_a_time() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.want(&"a", start);
        assert_eq!(queue.next(start), Some("a"));
        queue.want(&"a", start);
        assert_eq!(queue.next(start), None, "it was given out twice");
        assert!(queue.is_due(&"a", start));
        queue.ended(&"a");
        assert_eq!(queue.next(start), Some("a"));
        queue.ended(&"a");
        assert_eq!(queue.next(after(start, 99)), None);
        queue.remove(&"a");
        queue.ended(&"a");
        assert_eq!(queue.wake_at(), None);
    }
}
