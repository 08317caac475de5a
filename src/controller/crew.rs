//! Threads that run the syncs. The engine's futures stay on the thread that they began on, hence a `LocalSet` on each;
//! sockets and timers are the common runtime's.

use futures_util::future::LocalBoxFuture;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Bytes of a thread's stack, as the main thread has them: the future of a sync is large where the compiler does not
/// optimise, and is moved a few times before it is on the heap.
const STACK: usize = 8 << 20;

/// Makes a future on the thread that will run it.
pub(super) type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// Where jobs are run, any number at a time. What still runs when this value goes is dropped.
pub struct Crew {
    hands: Vec<mpsc::UnboundedSender<Job>>,
    turn: AtomicUsize,
}

impl Crew {
    /// Starts so many threads under the runtime that this is called in.
    ///
    /// # Errors
    /// If the machine has no thread left.
    pub fn start(threads: usize) -> std::io::Result<Crew> {
        let mut hands = vec![];
        for number in 0..threads.max(1) {
            let (hand, mut jobs) = mpsc::unbounded_channel::<Job>();
            let runtime = tokio::runtime::Handle::current();
            let thread = std::thread::Builder::new().name(format!("sync-{number}")).stack_size(STACK);
            thread.spawn(move || {
                let work = async {
                    while let Some(job) = jobs.recv().await {
                        tokio::task::spawn_local(job());
                    }
                };
                runtime.block_on(LocalSet::new().run_until(work));
            })?;
            hands.push(hand);
        }
        Ok(Crew { hands, turn: AtomicUsize::new(0) })
    }

    /// Runs jobs on the caller's own `LocalSet`: for tests on a paused clock.
    pub fn here() -> Crew {
        Crew { hands: vec![], turn: AtomicUsize::new(0) }
    }

    pub(super) fn put(&self, job: Job) {
        if self.hands.is_empty() {
            tokio::task::spawn_local(job());
            return;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.hands.len();
        // A thread ends with this value only.
        let _ = self.hands[turn].send(job);
    }
}
