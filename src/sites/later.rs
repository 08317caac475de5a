//! AWS, once something needs it.

use super::accounts::Region;
use super::balanced::Balanced;
use crate::aws::{Aws, CallCounts, WriteGuard};
use crate::engine::Trouble;
use crate::gates::Gates;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The load balancers and alarms of a Kubernetes application. Connects when they are first asked for: a cluster without
/// AWS needs neither a region nor credentials.
pub struct Later {
    region: Region,
    guard: Arc<dyn WriteGuard>,
    fence: Option<Arc<dyn WriteGuard>>,
    made: OnceCell<Side>,
}

/// What is reached through AWS.
pub struct Side {
    pub aws: Aws,
    pub balanced: Balanced,
    pub gates: Gates,
}

impl Later {
    /// Of a region; every write is preceded by the checks of `guard` and `fence`.
    pub fn new(region: Region, guard: Arc<dyn WriteGuard>, fence: Option<Arc<dyn WriteGuard>>) -> Later {
        Later { region, guard, fence, made: OnceCell::new() }
    }

    /// AWS's side.
    ///
    /// # Errors
    /// Those of [`Aws::connect`].
    pub async fn side(&self) -> Result<&Side, Trouble> {
        let connect = || async {
            let aws = self.region.connect().await?.fenced(self.fence.clone());
            aws.set_guard(Some(Arc::clone(&self.guard)));
            Ok(Side { balanced: Balanced::new(aws.clone()), gates: Gates::new(aws.clone()), aws })
        };
        self.made.get_or_try_init(connect).await
    }

    /// The same, if it was connected.
    pub fn connected(&self) -> Option<&Side> {
        self.made.get()
    }

    /// What was sent to AWS.
    pub fn call_counts(&self) -> CallCounts {
        self.connected().map(|side| side.aws.call_counts()).unwrap_or_default()
    }
}
