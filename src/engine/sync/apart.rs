//! Items that can't be applied because of something that concerns them alone: their webhook or API server does not answer,
//! their kind is not served, their namespace or definition has the same trouble. The rest of the wave is applied before
//! they are waited for; what comes in later waves, and hooks, rely on them and wait.

use super::report::{ItemResult, Verdict};
use super::todo::Todo;
use super::work::Work;
use crate::engine::plan::CONCURRENCY;
use crate::engine::ports::Platform;
use crate::engine::run::Adapter;
use crate::model::Turn;
use crate::plan::{Change, PlanItem};
use futures_util::{FutureExt, StreamExt, stream};
use std::cell::RefCell;
use std::time::Duration;
use tokio::time::Instant;

/// How long it is waited for after the rest of the wave: what answers it may come with the same documents. Then the sync
/// ends and says what is left, so that drift and newer commits are not held up by somebody else's failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Items that were set apart.
#[derive(Default)]
pub(super) struct Apart<'a>(RefCell<Vec<&'a PlanItem>>);

impl<'a> Apart<'a> {
    pub fn add(&self, item: &'a PlanItem) {
        self.0.borrow_mut().push(item);
    }

    pub fn take(&self) -> Vec<&'a PlanItem> {
        self.0.take()
    }
}

impl<A: Adapter + Platform> Work<'_, A> {
    /// Writes what the item says; false if it was set apart.
    pub async fn bring_or_set_apart<'b>(
        &self,
        item: &'b PlanItem,
        apart: &Apart<'b>,
    ) -> Result<bool, ItemResult> {
        let is_brought = self.bring(item, self.end, true).await?;
        if !is_brought {
            apart.add(item);
        }
        Ok(is_brought)
    }

    /// Brings items side by side and waits for those that were not set apart.
    pub async fn each_or_set_apart<'b>(
        &self,
        items: Vec<&'b PlanItem>,
        apart: &Apart<'b>,
    ) -> Vec<ItemResult> {
        let carried_out = |item| async move {
            match self.bring_or_set_apart(item, apart).await {
                Ok(true) => Some(self.rest(item).await),
                Ok(false) => None,
                Err(result) => Some(result),
            }
        };
        let results = stream::iter(items).map(carried_out).buffered(CONCURRENCY);
        results.filter_map(std::future::ready).collect().await
    }

    /// Applies what was set apart up to `turn`, after what may stand in its way has changed: registrations of webhooks that
    /// Git changes in a later wave, or takes away.
    pub async fn set_apart(&self, todo: &Todo<'_>, turn: Turn, apart: Vec<&PlanItem>) -> Vec<ItemResult> {
        if apart.is_empty() {
            return vec![];
        }
        let is_awaited = apart.iter().any(|item| item.change != Change::Blocked);
        let mut results = vec![];
        if is_awaited {
            for item in todo.later_registrations(turn) {
                // Its own turn comes, where it is told if this was in vain.
                let _ = self.apply_item(item).await;
            }
            results.extend(self.prune(&todo.unregistered, &[]).boxed_local().await);
        }
        let until = (Instant::now() + PATIENCE).min(self.end);
        let carried_out = |item: &'_ PlanItem| {
            let item = item.clone();
            async move {
                match self.bring(&item, until, false).await {
                    Ok(_) => self.rest(&item).await,
                    Err(ItemResult { verdict: Verdict::TimedOut, document, message }) => {
                        let message = format!("{message}; everything else of its wave was applied");
                        ItemResult { verdict: Verdict::TimedOut, document, message }
                    }
                    Err(result) => result,
                }
            }
        };
        let waited = stream::iter(apart).map(carried_out).buffered(CONCURRENCY);
        results.extend(waited.collect::<Vec<_>>().await);
        results
    }
}
