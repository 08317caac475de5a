//! Which Application has which place: of two that would write as the same application to the same place, the older one.

use super::ports::Registered;
use crate::model::{AppKey, Application, Destination, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What marks, locks and inventories are told apart by: where it goes and the application's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim(String);

/// All claims of what is registered.
#[derive(Default)]
pub(super) struct Claims {
    by_place: BTreeMap<Claim, BTreeSet<(Timestamp, String, AppKey)>>,
    by_key: BTreeMap<AppKey, (Claim, Timestamp, String)>,
}

impl Claims {
    /// Notes what an application claims now. Gives the keys of the others that claim the same place, or did: who of them
    /// has it may have changed.
    pub fn note(&mut self, registered: &Registered) -> BTreeSet<AppKey> {
        let mut touched = self.remove(&registered.key);
        if let Ok(application) = &registered.application {
            let claim = claim(&registered.key, application);
            let (created, uid) = (registered.created, registered.uid.clone());
            let place = self.by_place.entry(claim.clone()).or_default();
            place.insert((created, uid.clone(), registered.key.clone()));
            touched.extend(place.iter().map(|(_, _, key)| key.clone()));
            self.by_key.insert(registered.key.clone(), (claim, created, uid));
        }
        touched.remove(&registered.key);
        touched
    }

    /// Forgets an application; the answer is as that of [`Claims::note`].
    pub fn remove(&mut self, key: &AppKey) -> BTreeSet<AppKey> {
        let Some((claim, created, uid)) = self.by_key.remove(key) else { return BTreeSet::new() };
        let Some(place) = self.by_place.get_mut(&claim) else { return BTreeSet::new() };
        place.remove(&(created, uid, key.clone()));
        let others = place.iter().map(|(_, _, key)| key.clone()).collect();
        if place.is_empty() {
            self.by_place.remove(&claim);
        }
        others
    }

    /// The application that has the place that `key` claims, if that is another one.
    pub fn taken_by(&self, key: &AppKey) -> Option<&AppKey> {
        let (claim, _, _) = self.by_key.get(key)?;
        let (_, _, holder) = self.by_place.get(claim)?.first()?;
        (holder != key).then_some(holder)
    }
}

fn claim(key: &AppKey, application: &Application) -> Claim {
    let namespace = match &application.destination {
        Destination::Ecs { .. } => "",
        Destination::Kubernetes { namespace, .. } => namespace,
    };
    Claim(format!("{} {namespace} {}", place(key, application), application.name))
}

/// The cluster that an Application goes to, as far as two that name the same one can be told.
pub(super) fn place(key: &AppKey, application: &Application) -> String {
    match &application.destination {
        Destination::Ecs { region, cluster } => {
            // The same cluster may be written as a name and as an ARN, which has its region. What the usual region is, is
            // not known here; the application's lock then keeps them apart.
            let of_arn = cluster.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
            let region = region.as_deref().or(of_arn).unwrap_or_default();
            let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
            format!("ecs {region} {cluster}")
        }
        Destination::Kubernetes { kubeconfig_secret_ref, context, .. } => {
            let cluster = match kubeconfig_secret_ref {
                // Two Secrets may lead to the same cluster; the application's lock then keeps them apart.
                Some(secret) => format!("{}/{}", key.namespace, secret.name),
                None => context.clone().unwrap_or_default(),
            };
            format!("kubernetes {cluster}")
        }
    }
}
