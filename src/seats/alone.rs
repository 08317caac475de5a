//! The seats of a controller that has no other beside it.

use crate::controller::Seats;
use crate::engine::{Trouble, WriteGuard};
use crate::model::AppKey;
use futures_util::future::BoxFuture;
use std::future::ready;
use std::sync::Arc;
use tokio::sync::watch;

/// Works for every application. Should there be a second process nevertheless, only the applications' own locks keep the
/// two apart.
#[derive(Debug, Default)]
pub struct Alone {
    changes: watch::Sender<u64>,
    fence: Arc<Open>,
}

#[derive(Debug, Default)]
struct Open;

impl WriteGuard for Open {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        Box::pin(ready(Ok(())))
    }
}

impl Seats for Alone {
    fn holds(&self, _: &AppKey) -> bool {
        true
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn fence(&self, _: &AppKey) -> Arc<dyn WriteGuard> {
        Arc::<Open>::clone(&self.fence)
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}
