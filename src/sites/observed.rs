//! Which rollouts were looked at while this run was the only writer.

use crate::engine::{Rollout, Trouble, TroubleKind};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The BlueGreens whose last observation was begun while this run had the lock.
#[derive(Default)]
pub struct Observed(Mutex<BTreeSet<String>>);

impl Observed {
    /// Notes that an observation begins, and whether the lock is held.
    pub fn note(&self, rollout: &Rollout, locked: bool) {
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = &rollout.blue_green.name;
        if locked {
            observed.insert(name.clone())
        } else {
            observed.remove(name)
        };
    }

    /// Passes if the rollout was observed under the lock: with several rollouts, one takes the lock for all, and what
    /// the others decide on may be older than that.
    ///
    /// # Errors
    /// [`TroubleKind::LookAgain`] if it was not.
    pub fn check(&self, rollout: &Rollout) -> Result<(), Trouble> {
        let observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if observed.contains(&rollout.blue_green.name) {
            return Ok(());
        }
        Err(Trouble {
            kind: TroubleKind::LookAgain,
            doing: format!("writing to BlueGreen/{}", rollout.blue_green.name),
            message: "it was observed before this run had the lock".into(),
        })
    }
}
