//! All places that Applications go to, and the connections that they share.

use super::accounts::Accounts;
use super::site::{EcsSite, KubernetesSite};
use crate::controller::{Place, Site, Sites};
use crate::engine::Trouble;
use crate::kubernetes::{Cluster, Connect};
use crate::model::{AppKey, Destination};
use futures_util::future::LocalBoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Connects Applications to clusters and regions. Those that go to the same place as the same identity share one
/// connection.
pub struct Destinations {
    kubernetes: Connect,
    accounts: Arc<Accounts>,
    clusters: tokio::sync::Mutex<BTreeMap<Option<String>, Cluster>>,
    _changed: mpsc::UnboundedSender<AppKey>,
    changes: Mutex<Option<mpsc::UnboundedReceiver<AppKey>>>,
}

impl Destinations {
    /// Clusters are reached as `kubernetes` says, AWS as `aws` does.
    pub fn new(kubernetes: Connect, aws: crate::aws::Connect) -> Destinations {
        let (changed, changes) = mpsc::unbounded_channel();
        Destinations {
            kubernetes,
            accounts: Accounts::new(aws),
            clusters: tokio::sync::Mutex::default(),
            _changed: changed,
            changes: Mutex::new(Some(changes)),
        }
    }

    async fn open_site(&self, place: Place) -> Result<Arc<dyn Site>, Trouble> {
        Ok(match place.application.destination.clone() {
            Destination::Ecs { region, .. } => {
                let aws = self.accounts.region(region).connect().await?;
                Arc::new(EcsSite::new(place, aws, self.accounts.time_scale()))
            }
            Destination::Kubernetes { context, region, .. } => {
                let cluster = self.cluster(context).await?;
                Arc::new(KubernetesSite::new(place, cluster, self.accounts.region(region)))
            }
        })
    }

    async fn cluster(&self, context: Option<String>) -> Result<Cluster, Trouble> {
        let mut clusters = self.clusters.lock().await;
        if let Some(cluster) = clusters.get(&context) {
            return Ok(cluster.clone());
        }
        let named = context.clone().or(self.kubernetes.context.clone());
        let cluster = Cluster::connect(Connect { context: named, ..self.kubernetes.clone() }).await?;
        clusters.insert(context, cluster.clone());
        Ok(cluster)
    }
}

impl Sites for Destinations {
    fn open<'a>(&'a self, place: Place) -> LocalBoxFuture<'a, Result<Arc<dyn Site>, Trouble>> {
        Box::pin(self.open_site(place))
    }

    fn changes(&self) -> mpsc::UnboundedReceiver<AppKey> {
        let taken = self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.unwrap_or_else(|| mpsc::unbounded_channel().1)
    }
}
