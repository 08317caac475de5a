//! CloudWatch alarms and the HTTP gate.

mod alarms;
mod http;
mod network;

pub use http::{Asker, HttpQuestion, NoAnswer};
pub use network::Network;

use crate::aws::Aws;
use crate::engine::{Gating, Rollout, Trouble};
use crate::rollout::{Alarm, HttpAnswer};
use std::sync::Arc;

/// Reads alarms and asks the HTTP gate's requests.
pub struct Gates {
    aws: Aws,
    asker: Arc<dyn Asker>,
}

impl Gates {
    /// Asks over the network.
    pub fn new(aws: Aws) -> Gates {
        Gates::asking(aws, Arc::new(Network::default()))
    }

    /// Asks through `asker`, which may stand for a simulated network.
    pub fn asking(aws: Aws, asker: Arc<dyn Asker>) -> Gates {
        Gates { aws, asker }
    }
}

impl Gating for Gates {
    async fn read_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        self.describe_alarms(names).await
    }

    async fn ask_http(&self, rollout: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        self.ask_all(rollout).await
    }
}
