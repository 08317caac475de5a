//! Asks a run to stop at its next safe point.

/// A way to ask a run to stop at its next safe point.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(std::sync::Arc<(std::sync::atomic::AtomicBool, tokio::sync::Notify)>);

impl StopSignal {
    /// Asks to stop.
    pub fn set(&self) {
        self.0.0.store(true, std::sync::atomic::Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    /// True once asked.
    pub fn is_set(&self) -> bool {
        self.0.0.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Returns once asked.
    pub async fn wait(&self) {
        let asked = self.0.1.notified();
        if !self.is_set() {
            asked.await;
        }
    }
}
