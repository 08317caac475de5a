//! How many locks this process has on one cluster at a time.

use super::Aws;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Each lock is a tag on its cluster, and AWS allows a resource 50 tags (Amazon ECS Developer Guide, "Tag restrictions").
/// Ten are left for those that the cluster's owner has put there and for the locks of other processes.
pub const LOCKS_ON_A_CLUSTER: usize = 40;

/// The places of all clusters of an account and region, by the cluster's name.
#[derive(Debug, Default)]
pub(super) struct LockPlaces(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Aws {
    /// The places for locks on the cluster of this name or ARN. First come, first served; never closed.
    pub fn lock_places(&self, cluster: &str) -> Arc<Semaphore> {
        // An ARN ends with the name.
        let name = cluster.rsplit('/').next().unwrap_or(cluster);
        let mut all = self.shared.lock_places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places =
            all.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(LOCKS_ON_A_CLUSTER)));
        Arc::clone(places)
    }
}
