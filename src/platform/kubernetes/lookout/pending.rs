//! Who is to be told that something changed, and when: changes that come together are told once.

use crate::model::AppKey;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// How long the first change waits for others.
const BURST: Duration = Duration::from_millis(50);
/// What changes again and again is told so seldom at most.
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Pending {
    due: Mutex<HashMap<AppKey, Instant>>,
    earlier: Notify,
}

impl Pending {
    /// Notes news of an object that was news `streak` times in one go before: twice as long a wait for each.
    pub fn add(&self, key: &AppKey, streak: u8) {
        let wait = BURST.saturating_mul(1 << streak.min(10)).min(LONGEST);
        let at = Instant::now() + wait;
        let mut due = self.due();
        match due.get_mut(key) {
            Some(known) if *known <= at => return,
            Some(known) => *known = at,
            None => drop(due.insert(key.clone(), at)),
        }
        drop(due);
        self.earlier.notify_one();
    }

    /// Tells everybody when their time has come, for ever.
    pub async fn tell(&self, listener: &mpsc::UnboundedSender<AppKey>) {
        loop {
            let next = self.due().values().min().copied();
            let wait = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = self.earlier.notified() => continue,
            }
            let now = Instant::now();
            for (key, _) in self.due().extract_if(|_, at| *at <= now) {
                // Nobody listens any more at the end of the process.
                let _ = listener.send(key);
            }
        }
    }

    fn due(&self) -> MutexGuard<'_, HashMap<AppKey, Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_told_once_and_a_restless_object_ever_more_seldom() {
        let pending = Arc::new(Pending::default());
        let (sender, mut told) = mpsc::unbounded_channel();
        let teller = Arc::clone(&pending);
        let task = tokio::spawn(async move { teller.tell(&sender).await });
        let key = AppKey { namespace: "n".into(), name: "shop".into() };
        let start = Instant::now();
        for _ in 0..100 {
            pending.add(&key, 0);
        }
        assert_eq!(told.recv().await, Some(key.clone()));
        assert_eq!(start.elapsed(), Duration::from_millis(50));
        assert!(told.try_recv().is_err());
        for (streak, wait) in [(1, 100), (5, 1_600), (60, 30_000)] {
            let start = Instant::now();
            pending.add(&key, streak);
            assert_eq!(told.recv().await, Some(key.clone()));
            // tokio's timer has a resolution of a millisecond.
            assert!(start.elapsed() - Duration::from_millis(wait) <= Duration::from_millis(1));
        }
        let start = Instant::now();
        pending.add(&key, 9);
        pending.add(&key, 0);
        assert_eq!(told.recv().await, Some(key));
        assert!(start.elapsed() <= Duration::from_millis(51), "another member's change waits for nobody");
        task.abort();
    }
}
