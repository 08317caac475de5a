//! The connections to AWS that many applications share.

use crate::aws::{Aws, CallCounts, Connect};
use crate::engine::{Trouble, TroubleKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// One connection for each region, made when it is first needed: its pace keeps all applications together below AWS's
/// limits.
pub struct Accounts {
    options: Connect,
    /// By region as it was asked for; two names of one region share its connection.
    made: Mutex<BTreeMap<Option<String>, Aws>>,
}

/// A region of it.
#[derive(Clone)]
pub struct Region {
    accounts: Arc<Accounts>,
    name: Option<String>,
    is_allowed: bool,
}

impl Accounts {
    /// To be connected with `options`, whose region is meant where no other one is named.
    pub fn new(options: Connect) -> Arc<Accounts> {
        Arc::new(Accounts { options, made: Mutex::default() })
    }

    /// A region; `None` for the one of the options, or of AWS's own configuration.
    pub fn region(self: &Arc<Accounts>, name: Option<String>) -> Region {
        Region { accounts: Arc::clone(self), name, is_allowed: true }
    }

    /// How many times faster than real time everything goes.
    pub fn time_scale(&self) -> u32 {
        self.options.time_scale
    }

    /// What was sent to all regions; `None` while one is being connected.
    pub fn call_counts(&self) -> Option<Vec<CallCounts>> {
        let made = self.made.try_lock().ok()?;
        let by_region: BTreeMap<&str, &Aws> = made.values().map(|aws| (aws.region(), aws)).collect();
        Some(by_region.values().map(|aws| aws.call_counts()).collect())
    }
}

impl Region {
    /// Refuses to be connected unless that is allowed.
    #[must_use]
    pub fn only_if(self, is_allowed: bool) -> Region {
        Region { is_allowed, ..self }
    }

    /// A handle of the region's connection, without a guard.
    ///
    /// # Errors
    /// [`TroubleKind::Denied`] if it is not allowed; those of [`Aws::connect`].
    pub async fn connect(&self) -> Result<Aws, Trouble> {
        if !self.is_allowed {
            return Err(Trouble {
                kind: TroubleKind::Denied,
                doing: "connecting to AWS".into(),
                message: "the operator's permissions allow no load balancers and alarms of AWS here".into(),
            });
        }
        let mut made = self.accounts.made.lock().await;
        if let Some(aws) = made.get(&self.name) {
            return Ok(aws.without_guard());
        }
        let mut options = self.accounts.options.clone();
        options.region = self.name.clone().or(options.region);
        let aws = Aws::connect(options).await?;
        let known = made.values().find(|known| known.region() == aws.region()).cloned();
        let aws = known.unwrap_or(aws);
        made.insert(self.name.clone(), aws.clone());
        Ok(aws.without_guard())
    }
}
