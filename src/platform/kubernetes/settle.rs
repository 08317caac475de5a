//! Whether what was applied has come to rest.

use super::Kubernetes;
use super::desired::Wanted;
use super::health::is_not_waited_for;
use super::hooks::is_hook;
use super::jobs::is_plain_job;
use super::steering::is_steered;
use super::watch::without_bulk;
use super::watches::DELETED;
use crate::engine::{Deployment, Settled, Trouble};
use crate::model::{Health, ObjectKey};
use crate::plan::{Change, PlanItem};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The answers of this run's applies, without data: what is waited for is judged only if it is at least as new.
#[derive(Default)]
pub(super) struct Applied(Mutex<HashMap<ObjectKey, (Instant, Arc<Value>)>>);

impl Applied {
    /// Keeps an answer in place of an older one.
    pub fn note(&self, key: &ObjectKey, answer: Value) -> Arc<Value> {
        let answer = Arc::new(without_bulk(answer));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key.clone(), (Instant::now(), Arc::clone(&answer)));
        answer
    }

    pub fn of(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).map(|(_, answer)| Arc::clone(answer))
    }

    /// Lets go of an object that was deleted.
    pub fn forget(&self, key: &ObjectKey) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(key);
    }

    /// True if an object that `is_it` holds for was applied within that time.
    pub fn has_lately(&self, within: Duration, is_it: impl Fn(&ObjectKey, &Value) -> bool) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|(key, (at, answer))| at.elapsed() < within && is_it(key, answer))
    }
}

impl Kubernetes {
    pub(super) async fn settle(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        if item.change == Change::Prune {
            return self.settle_prune(item).await;
        }
        let wanted = self.find(deployment, item).await?;
        if is_hook(wanted.object) {
            return self.settle_hook(&deployment.manifests, &wanted).await;
        }
        // What nobody brings about never comes; only hooks are waited for whatever they say, as the rest relies on them.
        if is_not_waited_for(&wanted.object.body) {
            if is_plain_job(wanted.object) {
                self.look_at_unawaited(&wanted).await?;
            }
            return Ok(Settled::Steady);
        }
        if is_plain_job(wanted.object) {
            return self.settle_job(&wanted).await;
        }
        // Its backends may be slots that are not there yet; the rollout itself looks at the one that matters.
        if wanted.key.kind == "HTTPRoute" && is_steered(deployment, &wanted.key, self.identity.namespace()) {
            return Ok(Settled::Steady);
        }
        let applied = match self.applied.of(&wanted.key) {
            Some(applied) => applied,
            // As it was applied before, by a run that was cut off.
            None => match self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await? {
                Some(live) => self.applied.note(&wanted.key, live),
                None => return Ok(Settled::Failed { state: DELETED.into(), troubles: vec![] }),
            },
        };
        // It does its work beside the others: without metrics, which no cluster has at once and some never, the pods stay as
        // they are. Its health says so.
        if wanted.key.is("autoscaling", "HorizontalPodAutoscaler") {
            let has_looked = |health| health != Health::Progressing;
            return self.watches.settle_when(&wanted.resource, &applied, has_looked).await;
        }
        match self.watches.settle(&wanted.resource, &applied).await? {
            Settled::Steady => self.served(&wanted, &applied).await,
            other => Ok(other),
        }
    }

    async fn look_at_unawaited(&self, wanted: &Wanted<'_>) -> Result<(), Trouble> {
        let live = self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?;
        match live {
            Some(live) => self.note_run(wanted, &live).await,
            None => Ok(()),
        }
    }

    /// A CustomResourceDefinition that is established is only of use when discovery has its kind.
    async fn served(&self, wanted: &Wanted<'_>, live: &Value) -> Result<Settled, Trouble> {
        if !wanted.key.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            return Ok(Settled::Steady);
        }
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
        let is_served = |kinds: &crate::kubernetes::Kinds| {
            let versions = live["spec"]["versions"].as_array().into_iter().flatten();
            let mut served = versions.filter(|version| version["served"] == true);
            served.all(|version| {
                let name = version["name"].as_str().unwrap_or_default();
                kinds.find(&format!("{group}/{name}"), kind).is_some()
            })
        };
        if is_served(&*self.cluster.kinds().await?) || is_served(&*self.cluster.refresh_kinds().await?) {
            return Ok(Settled::Steady);
        }
        let state = format!("the cluster does not list {kind} of {group} yet");
        Ok(Settled::InProgress { state, troubles: vec![] })
    }
}
