//! The check made right before each write: are we still the only writer?

use super::{Aws, WriteGuard};
use crate::engine::Trouble;
use std::sync::{Arc, PoisonError};

impl Aws {
    /// From now on every write of this handle and its clones is preceded by `guard`'s check; `None` ends that.
    pub fn set_guard(&self, guard: Option<Arc<dyn WriteGuard>>) {
        *self.guard.lock().unwrap_or_else(PoisonError::into_inner) = guard;
    }

    /// A handle that shares everything with this one except for guard and fence, which it has none of: for the lock's own
    /// writes, and for a second application in the same account.
    #[must_use]
    pub fn without_guard(&self) -> Aws {
        Aws { shared: Arc::clone(&self.shared), guard: Arc::default(), fence: None }
    }

    /// A handle of its own, whose writes are preceded by the check of `fence`, whatever guard it has besides.
    #[must_use]
    pub fn fenced(&self, fence: Option<Arc<dyn WriteGuard>>) -> Aws {
        Aws { fence, ..self.without_guard() }
    }

    /// What this handle was fenced with.
    pub fn fence(&self) -> Option<Arc<dyn WriteGuard>> {
        self.fence.clone()
    }

    /// Runs the checks of fence and guard, where there are such.
    ///
    /// # Errors
    /// Their own.
    pub async fn check_guard(&self) -> Result<(), Trouble> {
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for check in self.fence.iter().chain(&guard) {
            check.check().await?;
        }
        Ok(())
    }
}
