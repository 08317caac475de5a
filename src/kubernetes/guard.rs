//! The check made right before each write: are we still the only writer?

use super::{Cluster, WriteGuard};
use crate::engine::Trouble;
use std::sync::{Arc, PoisonError};

impl Cluster {
    /// From now on every write of this handle and its clones is preceded by `guard`'s check; `None` ends that.
    pub fn set_guard(&self, guard: Option<Arc<dyn WriteGuard>>) {
        *self.guard.lock().unwrap_or_else(PoisonError::into_inner) = guard;
    }

    /// A handle that shares everything with this one except for the guard, which it has none of: for the lock's own
    /// writes, and for a second application in the same cluster.
    #[must_use]
    pub fn without_guard(&self) -> Cluster {
        Cluster { shared: Arc::clone(&self.shared), guard: Arc::default() }
    }

    /// Runs the guard's check, if there is a guard.
    ///
    /// # Errors
    /// The guard's own.
    pub async fn check_guard(&self) -> Result<(), Trouble> {
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match guard {
            Some(guard) => guard.check().await,
            None => Ok(()),
        }
    }
}
