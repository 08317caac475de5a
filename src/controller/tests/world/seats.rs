//! Seats that are given and taken by hand.

use super::Sandbox;
use crate::controller::Seats;
use crate::engine::{Trouble, TroubleKind, WriteGuard};
use crate::model::AppKey;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Weak};
use tokio::sync::watch;

impl Seats for Sandbox {
    fn holds(&self, key: &AppKey) -> bool {
        self.inner().held.as_ref().is_none_or(|held| held.contains(key))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.seats.subscribe()
    }

    fn fence(&self, key: &AppKey) -> Arc<dyn WriteGuard> {
        let mut inner = self.inner();
        if let Some(fence) = inner.fences.get(key).and_then(Weak::upgrade) {
            return fence;
        }
        let fence = Arc::new(Fence { sandbox: self.clone(), key: key.clone() });
        inner.fences.insert(key.clone(), Arc::downgrade(&fence));
        fence
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut inner = self.inner();
            if !inner.syncing.is_empty() {
                inner.faults.push("a seat was left while a sync ran".into());
            }
        })
    }
}

/// Passes as long as the application is held without a break.
pub struct Fence {
    sandbox: Sandbox,
    key: AppKey,
}

impl WriteGuard for Fence {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        let current = self.sandbox.inner().fences.get(&self.key).and_then(Weak::upgrade);
        let is_current = current.is_some_and(|current| std::ptr::eq(&raw const *current, self));
        let passes = is_current && self.sandbox.holds(&self.key);
        Box::pin(async move {
            let message = "the seat is gone".to_owned();
            passes.then_some(()).ok_or(Trouble {
                kind: TroubleKind::Rejected,
                doing: "writing".into(),
                message,
            })
        })
    }
}
