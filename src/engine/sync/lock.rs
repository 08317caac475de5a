//! Takes the lock before the first write, and reads everything again under it.

use super::place::document;
use super::report::ItemResult;
use super::todo::Todo;
use super::work::{Look, Work};
use super::{Reading, read};
use crate::engine::ports::Platform;
use crate::engine::run::Adapter;
use std::time::Duration;

impl<A: Adapter + Platform> Work<'_, A> {
    /// Takes the lock if the plan is certain to write, and reads everything as the only writer: another run may have
    /// done meanwhile what the plan says. `None` if nothing was to be read again: rollouts look again by themselves
    /// whenever one of them takes the lock, and a run that only watches takes none.
    ///
    /// # Errors
    /// What came of the sync, if the lock was not got.
    pub async fn read_as_only_writer(&self, reading: &Reading) -> Result<Option<Reading>, ItemResult> {
        let Reading { live, plan, alone } = reading;
        if *alone || !Todo::new(self.deployment, plan, live).is_certain_to_write() {
            return Ok(None);
        }
        let document = document(&self.deployment.application);
        let end = |(verdict, message)| ItemResult { document: document.clone(), verdict, message };
        let taken = async || self.adapter.check_lease().await.map(Look::Is);
        self.patiently(&document, Duration::ZERO, taken).await.map_err(end)?;
        let again = async || read(self.adapter, self.deployment).await.map(Look::Is);
        self.patiently(&document, Duration::ZERO, again).await.map(Some).map_err(end)
    }
}
