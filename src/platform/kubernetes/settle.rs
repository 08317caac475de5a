//! Whether what was applied has come to rest.

use super::Kubernetes;
use super::desired::Wanted;
use super::health::assess;
use crate::engine::{Deployment, Settled, Trouble};
use crate::model::{Health, HookPhase};
use crate::plan::PlanItem;
use serde_json::Value;

impl Kubernetes {
    pub(super) async fn settle(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        let wanted = self.find(deployment, item).await?;
        if wanted.object.turn.phase != HookPhase::Sync {
            return self.settle_hook(&deployment.manifests, &wanted).await;
        }
        let Some(live) = self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?
        else {
            return Ok(Settled::Failed { state: "somebody deleted it".into(), troubles: vec![] });
        };
        let report = assess(&live);
        Ok(match report.health {
            // Its status does not tell: there is nothing to wait for.
            Health::Healthy | Health::Suspended | Health::Unknown => self.served(&wanted, &live).await?,
            Health::Degraded if report.is_final => {
                Settled::Failed { state: report.message, troubles: vec![] }
            }
            Health::Progressing | Health::Degraded | Health::Missing => {
                Settled::InProgress { state: report.message, troubles: vec![] }
            }
        })
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
