//! All places that Applications go to, and the connections that they share.

use super::accounts::Accounts;
use super::clusters::Clusters;
use super::ecs_site::EcsSite;
use super::kubernetes_site::KubernetesSite;
use super::patrol::Patrols;
use crate::controller::{Place, Site, Sites, Tally};
use crate::engine::Trouble;
use crate::model::{AppKey, Destination};
use futures_util::future::LocalBoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Connects Applications to clusters and regions. Those that go to the same place as the same identity share one
/// connection.
pub struct Destinations {
    accounts: Arc<Accounts>,
    clusters: Arc<Clusters>,
    patrols: Arc<Patrols>,
    changes: Mutex<Option<mpsc::UnboundedReceiver<AppKey>>>,
    tallied: Mutex<BTreeMap<&'static str, BTreeMap<String, u64>>>,
}

impl Destinations {
    /// The controller's own cluster is reached as `kubernetes` says, AWS as `aws` does.
    pub fn new(kubernetes: crate::kubernetes::Connect, aws: crate::aws::Connect) -> Destinations {
        let (changed, changes) = mpsc::unbounded_channel();
        Destinations {
            accounts: Accounts::new(aws),
            clusters: Arc::new(Clusters::new(kubernetes, changed.clone())),
            patrols: Arc::new(Patrols::new(changed)),
            changes: Mutex::new(Some(changes)),
            tallied: Mutex::default(),
        }
    }

    async fn open_site(&self, place: Place) -> Result<Arc<dyn Site>, Trouble> {
        Ok(match place.application.destination.clone() {
            Destination::Ecs { region, cluster } => {
                let aws = self.accounts.region(region).connect().await?;
                let patrol = self.patrols.of(&aws);
                Arc::new(EcsSite::new(place, cluster, aws, self.accounts.time_scale(), &patrol))
            }
            Destination::Kubernetes { region, .. } => {
                let region = self.accounts.region(region).only_if(place.allowed.aws);
                let (clusters, patrols) = (Arc::clone(&self.clusters), Arc::clone(&self.patrols));
                Arc::new(KubernetesSite::open(place, clusters, region, patrols).await?)
            }
        })
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

impl Tally for Destinations {
    /// What was counted the last time, where something is just being connected.
    fn tally(&self) -> Vec<(&'static str, String, u64)> {
        let mut known = self.tallied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = self.clusters.call_counts() {
            let by_verb = counts.into_iter().flat_map(|counts| counts.by_verb);
            let sent = by_verb.map(|(verb, by_resource)| (verb.to_string(), by_resource.values().sum()));
            known.insert("kubernetes", added_up(sent));
        }
        if let Some(counts) = self.accounts.call_counts() {
            let operations = counts.into_iter().flat_map(|counts| counts.operations);
            known.insert("aws", added_up(operations.map(|(name, tally)| (name, tally.sent))));
        }
        let all = known
            .iter()
            .flat_map(|(system, counts)| counts.iter().map(|(verb, sent)| (*system, verb.clone(), *sent)));
        all.collect()
    }
}

fn added_up(counts: impl Iterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, count) in counts {
        *sums.entry(name).or_default() += count;
    }
    sums
}
