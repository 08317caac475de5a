//! Takes the lock before the first write, and reads everything again under it.

use super::place::document;
use super::read;
use super::report::ItemResult;
use super::todo::Todo;
use super::work::Work;
use crate::engine::ports::{Platform, TroubleKind};
use crate::engine::run::Adapter;
use crate::plan::{Live, Plan};
use std::time::Duration;

impl<A: Adapter + Platform> Work<'_, A> {
    /// Takes the lock if the plan is certain to write, and reads everything as the only writer: another run may have
    /// done meanwhile what the plan says. `None` if nothing was to be read again: rollouts look again by themselves
    /// whenever one of them takes the lock, and a run that only watches takes none.
    ///
    /// # Errors
    /// What came of the sync, if the lock was not got.
    pub async fn read_as_only_writer(
        &self,
        plan: &Plan,
        live: &Live,
    ) -> Result<Option<(Live, Plan)>, ItemResult> {
        if !Todo::new(self.deployment, plan, live).is_certain_to_write() {
            return Ok(None);
        }
        let document = document(&self.deployment.application);
        let taken =
            self.patiently(&document, Duration::ZERO, async || match self.adapter.check_lease().await {
                Ok(()) => Ok(Some(false)),
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => Ok(Some(true)),
                Err(trouble) => Err(trouble),
            });
        let end = |(verdict, message)| ItemResult { document: document.clone(), verdict, message };
        if !taken.await.map_err(end)? {
            return Ok(None);
        }
        let again = async || read(self.adapter, self.deployment).await.map(Some);
        self.patiently(&document, Duration::ZERO, again).await.map(Some).map_err(end)
    }
}
