//! Traffic by the selector of a Service: all of it to one slot's pods or to the other's.

mod selector;

use super::endpoints::Endpoints;
use crate::engine::{Registered, Rollout, Traffic, TrafficReading, Trouble, TroubleKind};
use crate::kubernetes::{Cluster, Resource};
use crate::model::{BySlot, ClusterTraffic, Seconds, Slot, Weights};
use crate::rollout::{Action, Hindrance, RuleObservation};
use selector::{Side, fingerprint, patch, split};
use serde_json::Value;
use std::collections::BTreeMap;

/// After the selector changed, the EndpointSlices of the Service follow, and then the rules of every node's kube-proxy,
/// which by default gathers changes for a second (`minSyncPeriod`,
/// <https://kubernetes.io/docs/reference/networking/virtual-ips/>) and takes some more on nodes with many Services.
/// Connections that are open stay where they are for as long as their client keeps them.
const SETTLE: Seconds = 10;

/// Moves traffic by the selectors of Services in one cluster.
pub struct ServiceTraffic {
    cluster: Cluster,
    namespace: String,
}

impl ServiceTraffic {
    /// In `cluster`; what documents put into no namespace is in `namespace`.
    pub fn new(cluster: Cluster, namespace: &str) -> ServiceTraffic {
        ServiceTraffic { cluster, namespace: namespace.to_owned() }
    }

    async fn service(&self, place: &Place<'_>) -> Result<Option<Value>, Trouble> {
        let services = Resource::known("", "v1", "Service", "services", true);
        self.cluster.get(&services, Some(place.namespace), place.name).await
    }

    async fn sides(&self, rollout: &Rollout, place: &Place<'_>) -> Result<BySlot<Side>, Trouble> {
        let deployments = Resource::known("apps", "v1", "Deployment", "deployments", true);
        let names = Slot::BOTH.map(|slot| rollout.slot_name(slot));
        let get = |name| self.cluster.get(&deployments, Some(place.namespace), name);
        let (blue, green) = tokio::try_join!(get(&names[0]), get(&names[1]))?;
        let side = |slot, live: &Option<Value>| Side::new(rollout, slot, live.as_ref());
        Ok(BySlot { blue: side(Slot::Blue, &blue), green: side(Slot::Green, &green) })
    }
}

/// The Service that a rollout is steered by.
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl Place<'_> {
    /// `Service/shop/web`
    fn id(&self) -> String {
        format!("Service/{}/{}", self.namespace, self.name)
    }

    fn trouble(&self, kind: TroubleKind, message: impl Into<String>) -> Trouble {
        Trouble { kind, doing: format!("changing {}", self.id()), message: message.into() }
    }

    fn observation(&self, service: Option<&Value>, sides: &BySlot<Side>) -> RuleObservation {
        RuleObservation { id: self.id(), split: split(service, sides), fingerprint: fingerprint(service) }
    }
}

impl ServiceTraffic {
    fn place<'a>(&'a self, rollout: &'a Rollout) -> Result<Place<'a>, Trouble> {
        let namespace = rollout.namespace().unwrap_or(&self.namespace);
        match &rollout.blue_green.traffic {
            Some(ClusterTraffic::Service(name)) => Ok(Place { namespace, name }),
            _ => Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: format!("BlueGreen/{}", rollout.blue_green.name),
                message: "its traffic names no Service".into(),
            }),
        }
    }
}

impl Traffic for ServiceTraffic {
    async fn observe_traffic(&self, rollout: &Rollout, _: &Registered) -> Result<TrafficReading, Trouble> {
        let place = self.place(rollout)?;
        let (service, sides, endpoints) = tokio::try_join!(
            self.service(&place),
            self.sides(rollout, &place),
            Endpoints::read(&self.cluster, place.namespace, rollout)
        )?;
        Ok(TrafficReading {
            rules: vec![place.observation(service.as_ref(), &sides)],
            test_rule: None,
            targets: endpoints.targets,
            healthy: endpoints.ready,
            stickiness: BTreeMap::new(),
            others: BTreeMap::new(),
            settle: SETTLE,
            test_settle: 0,
            unread: BySlot::default(),
            hindrances: vec![],
        })
    }

    async fn apply_traffic(
        &self,
        rollout: &Rollout,
        _: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        let place = self.place(rollout)?;
        let Action::SetWeights { weights, .. } = action else {
            let message = format!("`{action}` is nothing that a Service's selector can be made to do");
            return Err(place.trouble(TroubleKind::Rejected, message));
        };
        let slot = whole(*weights).map_err(|why| place.trouble(TroubleKind::Rejected, why))?;
        let sides = self.sides(rollout, &place).await?;
        let Some(service) = self.service(&place).await? else {
            let message = "there is no such Service; give it the wave of the Deployment, or an earlier one";
            return Err(place.trouble(TroubleKind::Missing, message));
        };
        if observed.fingerprint.is_empty() {
            return Err(place.trouble(TroubleKind::LookAgain, "it was not there when it was observed"));
        }
        if fingerprint(Some(&service)) != observed.fingerprint {
            let now = fingerprint(Some(&service));
            let message = format!("its selector was {}, now it is {now}", observed.fingerprint);
            return Err(place.trouble(TroubleKind::ChangedByOthers, message));
        }
        let patch = patch(&service, &sides, slot).map_err(|why| place.trouble(TroubleKind::Rejected, why))?;
        if let Some(patch) = patch {
            let services = Resource::known("", "v1", "Service", "services", true);
            self.cluster.merge_patch(&services, Some(place.namespace), place.name, &patch).await?;
        }
        // The patch's answer would do, but what is read is what others see.
        let after = place.observation(self.service(&place).await?.as_ref(), &sides);
        if !after.split.weights().all_to(slot) {
            let message = format!("right after our write its selector is {}", after.fingerprint);
            return Err(place.trouble(TroubleKind::ChangedByOthers, message));
        }
        Ok(after)
    }

    async fn traffic_behind(&self, _: &[String], _: &[String]) -> Result<Option<Hindrance>, Trouble> {
        Ok(None)
    }
}

/// The slot that gets everything.
fn whole(weights: Weights) -> Result<Slot, String> {
    let all = |slot: &Slot| weights.all_to(*slot);
    Slot::BOTH.into_iter().find(all).ok_or_else(|| {
        format!(
            "a Service sends everything to one side and knows no shares ({weights}); take the steps out, or move \
             traffic by traffic.httpRoute or alb"
        )
    })
}
