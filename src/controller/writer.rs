//! Writes statuses where people read them: whenever one changed, at most once a second for each application, and only
//! while this process works for it.

use super::board::{Board, Entry};
use super::ports::{Applications, Seats};
use super::queue::Queue;
use crate::model::{AppKey, ApplicationStatus};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Between two writes of one status.
const SPACE: Duration = Duration::from_secs(1);
/// How long a first change waits for what comes along with it.
const GATHER: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_secs(5);
/// Writes under way at once.
const AT_ONCE: usize = 16;

/// What was written last, and when.
type Written = HashMap<AppKey, (ApplicationStatus, Instant)>;

/// Writes until `end` is told (or dropped), then what is still unwritten once more, and returns.
pub(super) async fn write_statuses(
    board: Arc<Board>,
    applications: Arc<dyn Applications>,
    seats: Arc<dyn Seats>,
    end: oneshot::Receiver<()>,
) {
    let mut changes = board.changes();
    let mut queue: Queue<AppKey> = Queue::default();
    let mut written: Written = HashMap::new();
    let mut writing = FuturesUnordered::new();
    let mut end = end.fuse();
    let mut is_ending = false;
    loop {
        let now = Instant::now();
        while writing.len() < AT_ONCE {
            let Some(key) = queue.next(if is_ending { now + RETRY * 2 } else { now }) else { break };
            let entry = board.entry(&key).filter(|_| seats.holds(&key));
            match entry {
                Some(entry) if is_news(&entry, written.get(&key)) => {
                    let applications = Arc::clone(&applications);
                    let fence = seats.fence(&key);
                    writing.push(async move {
                        // A process that was stopped for long must not write what it knew then over what is so now.
                        let done = match fence.check().await {
                            Ok(()) => applications.write_status(&key, &entry.status).await,
                            closed => closed,
                        };
                        (key, entry, done)
                    });
                }
                Some(_) => queue.ended(&key),
                None => {
                    // Whoever works for it now writes; what we wrote is not what is there any more.
                    written.remove(&key);
                    queue.remove(&key);
                }
            }
        }
        if is_ending && writing.is_empty() {
            return;
        }
        let wake = queue.wake_at().filter(|_| writing.len() < AT_ONCE);
        tokio::select! {
            Some((key, entry, done)) = writing.next() => {
                queue.ended(&key);
                match done {
                    Ok(()) => {
                        written.insert(key.clone(), (entry.status.clone(), now));
                        note(&board, &mut queue, &written, &key);
                    }
                    // Nobody may write it, or it is refused as it is: a newer one may fare better.
                    Err(trouble) if !trouble.kind.is_passing() => {
                        let revision = entry.status.revision.as_str();
                        tracing::warn!(
                            application = %key, revision, phase = "reporting",
                            "its status can't be written: {trouble}"
                        );
                    }
                    Err(_) if is_ending => {}
                    Err(trouble) => {
                        let revision = entry.status.revision.as_str();
                        tracing::info!(
                            application = %key, revision, phase = "reporting",
                            "its status is written later: {trouble}"
                        );
                        queue.want(&key, now + RETRY);
                    }
                }
            }
            changed = changes.recv(), if !is_ending => match changed {
                Ok(key) => note(&board, &mut queue, &written, &key),
                Err(RecvError::Lagged(_)) => {
                    for entry in board.snapshot() {
                        note(&board, &mut queue, &written, &entry.key);
                    }
                }
                Err(RecvError::Closed) => is_ending = true,
            },
            () = async { tokio::time::sleep_until(wake.unwrap_or(now)).await }, if wake.is_some() => {}
            _ = &mut end, if !is_ending => is_ending = true,
        }
    }
}

/// Makes a status due, if it is not what was written: soon, together with what changes right after it.
fn note(board: &Board, queue: &mut Queue<AppKey>, written: &Written, key: &AppKey) {
    let last = written.get(key);
    if board.entry(key).is_some_and(|entry| is_news(&entry, last)) {
        let soon = Instant::now() + GATHER;
        queue.want(key, last.map_or(soon, |(_, at)| soon.max(*at + SPACE)));
    }
}

/// True if the status is neither what we wrote last nor what is known to be there.
fn is_news(entry: &Entry, last: Option<&(ApplicationStatus, Instant)>) -> bool {
    entry.status != entry.stored && last.is_none_or(|(status, _)| *status != entry.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Registration;
    use crate::engine::TroubleKind;
    use crate::engine::{Trouble, WriteGuard};
    use futures_util::future::BoxFuture;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::{mpsc, watch};

    /// Notes what is written, by a process whose seat is still its own while its fence may have closed.
    #[derive(Clone, Default)]
    struct Ledger(Arc<(Mutex<Vec<String>>, AtomicBool)>);

    impl Applications for Ledger {
        fn watch(&self) -> mpsc::Receiver<Registration> {
            mpsc::channel(1).1
        }

        fn write_status<'a>(
            &'a self,
            key: &'a AppKey,
            status: &'a ApplicationStatus,
        ) -> BoxFuture<'a, Result<(), Trouble>> {
            self.0.0.lock().unwrap().push(format!("{key} {}", status.waiting_for));
            Box::pin(async { Ok(()) })
        }

        fn guard<'a>(&'a self, _: &'a AppKey, _: &'a str, _: bool) -> BoxFuture<'a, Result<(), Trouble>> {
            Box::pin(async { Ok(()) })
        }
    }

    impl Seats for Ledger {
        fn holds(&self, _: &AppKey) -> bool {
            true
        }

        fn changes(&self) -> watch::Receiver<u64> {
            watch::channel(0).1
        }

        fn fence(&self, _: &AppKey) -> Arc<dyn WriteGuard> {
            Arc::new(self.clone())
        }

        fn leave(&self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }

    impl WriteGuard for Ledger {
        fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
            let (kind, doing, message) = (TroubleKind::Rejected, "writing".into(), "too late".into());
            let is_open = self.0.1.load(Ordering::Relaxed);
            Box::pin(async move { is_open.then_some(()).ok_or(Trouble { kind, doing, message }) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_status_is_written_behind_a_closed_fence() {
        let (board, ledger) = (Arc::<Board>::default(), Ledger::default());
        let key = AppKey { namespace: "shop".into(), name: "web".into() };
        let wait_for = |what: &str| board.change(&key, |entry| entry.status.waiting_for = what.into());
        let (end, ended) = oneshot::channel();
        let applications: Arc<dyn Applications> = Arc::new(ledger.clone());
        let writer = write_statuses(Arc::clone(&board), applications, Arc::new(ledger.clone()), ended);
        let story = async {
            for (is_open, what) in [(true, "the first"), (false, "the second"), (true, "the third")] {
                ledger.0.1.store(is_open, Ordering::Relaxed);
                wait_for(what);
                tokio::time::sleep(SPACE * 2).await;
            }
            ledger.0.1.store(false, Ordering::Relaxed);
            wait_for("the end");
            end.send(()).expect("it writes");
        };
        // What is there when the writer begins is told by no change.
        tokio::join!(writer, async {
            tokio::task::yield_now().await;
            story.await;
        });
        assert_eq!(*ledger.0.0.lock().unwrap(), ["shop/web the first", "shop/web the third"]);
    }
}
