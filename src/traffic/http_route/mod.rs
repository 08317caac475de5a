//! Traffic by the weights of a Gateway API HTTPRoute's backends.

mod backends;

use super::endpoints::Endpoints;
use crate::engine::{Registered, Rollout, Traffic, TrafficReading, Trouble, TroubleKind};
use crate::kubernetes::{Cluster, Resource};
use crate::model::{BySlot, ClusterTraffic, Seconds, Slot, Weights};
use crate::rollout::{Action, Hindrance, RuleObservation, RuleSplit};
use backends::{fingerprint, others, split, with_weights};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A gateway's controller sees the change at once and tells its proxies; none of those that are in use needs longer than
/// a few seconds for that, and the API has no way to ask.
const SETTLE: Seconds = 10;

/// Moves traffic by the weights of HTTPRoutes in one cluster.
pub struct RouteTraffic {
    cluster: Cluster,
    namespace: String,
}

/// The HTTPRoute that a rollout is steered by, and the Services of its slots.
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
    services: BySlot<String>,
}

impl RouteTraffic {
    /// In `cluster`; what documents put into no namespace is in `namespace`.
    pub fn new(cluster: Cluster, namespace: &str) -> RouteTraffic {
        RouteTraffic { cluster, namespace: namespace.to_owned() }
    }

    fn place<'a>(&'a self, rollout: &'a Rollout) -> Result<Place<'a>, Trouble> {
        let namespace = rollout.namespace().unwrap_or(&self.namespace);
        let services = BySlot::from_fn(|slot| rollout.slot_service(slot));
        match &rollout.blue_green.traffic {
            Some(ClusterTraffic::HttpRoute(name)) => Ok(Place { namespace, name, services }),
            _ => Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: format!("BlueGreen/{}", rollout.blue_green.name),
                message: "its traffic names no HTTPRoute".into(),
            }),
        }
    }

    async fn route(&self, place: &Place<'_>) -> Result<Option<Value>, Trouble> {
        let found = self.cluster.get(&resource(), Some(place.namespace), place.name).await;
        found.map_err(|trouble| match trouble.kind {
            TroubleKind::Missing => Trouble {
                message: format!(
                    "{}; install the Gateway API's CustomResourceDefinitions and a controller for it, or use \
                     traffic.service or alb",
                    trouble.message
                ),
                ..trouble
            },
            _ => trouble,
        })
    }
}

fn resource() -> Resource {
    Resource::known("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes", true)
}

impl Place<'_> {
    /// `HTTPRoute.gateway.networking.k8s.io/shop/web`
    fn id(&self) -> String {
        format!("HTTPRoute.gateway.networking.k8s.io/{}/{}", self.namespace, self.name)
    }

    fn trouble(&self, kind: TroubleKind, message: impl Into<String>) -> Trouble {
        Trouble { kind, doing: format!("changing {}", self.id()), message: message.into() }
    }

    /// A route that is not there yet will be made with everything for blue, which has no pods on a first deploy. Its
    /// fingerprint is empty: one that comes is no stranger's change.
    fn observation(&self, route: Option<&Value>) -> RuleObservation {
        let new = || RuleSplit::Both(Weights::percent(Slot::Blue, 100));
        RuleObservation {
            id: self.id(),
            split: route.map_or_else(new, |route| split(route, &self.services)),
            fingerprint: route.map(fingerprint).unwrap_or_default(),
        }
    }
}

impl Traffic for RouteTraffic {
    async fn observe_traffic(&self, rollout: &Rollout, _: &Registered) -> Result<TrafficReading, Trouble> {
        let place = self.place(rollout)?;
        let (route, endpoints) =
            tokio::try_join!(self.route(&place), Endpoints::read(&self.cluster, place.namespace, rollout))?;
        Ok(TrafficReading {
            rules: vec![place.observation(route.as_ref())],
            test_rule: None,
            targets: endpoints.targets,
            healthy: endpoints.ready,
            stickiness: BTreeMap::new(),
            others: route.iter().map(|route| (place.id(), others(route, &place.services))).collect(),
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
        let Some(route) = self.route(&place).await? else {
            let message = "there is no such HTTPRoute; give it the wave of the Deployment, or an earlier one";
            return Err(place.trouble(TroubleKind::Missing, message));
        };
        let before = place.observation(Some(&route));
        if observed.fingerprint.is_empty() {
            return Err(place.trouble(TroubleKind::LookAgain, "it was not there when it was observed"));
        }
        if before.fingerprint != observed.fingerprint {
            let (then, now) = (observed.split.weights(), before.split.weights());
            let message = format!("it is not as it was observed: it had {then}, now it has {now}");
            return Err(place.trouble(TroubleKind::ChangedByOthers, message));
        }
        let weights = match action {
            Action::SetWeights { weights, .. } => *weights,
            Action::NameGroup { .. } => before.split.weights(),
            _ => {
                let message = format!("`{action}` is nothing that an HTTPRoute can be made to do");
                return Err(place.trouble(TroubleKind::Rejected, message));
            }
        };
        let rules = with_weights(&route, &place.services, weights)
            .map_err(|why| place.trouble(TroubleKind::Rejected, why))?;
        if route.pointer("/spec/rules") != Some(&rules) {
            let version = &route["metadata"]["resourceVersion"];
            let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"rules": rules}});
            self.cluster.merge_patch(&resource(), Some(place.namespace), place.name, &patch).await?;
        }
        // The patch's answer would do, but what is read is what others see.
        let after = place.observation(self.route(&place).await?.as_ref());
        if !after.split.weights().same_split(weights) {
            let message = format!("right after our write of {weights} it has {}", after.split.weights());
            return Err(place.trouble(TroubleKind::ChangedByOthers, message));
        }
        Ok(after)
    }

    async fn traffic_behind(&self, _: &[String], _: &[String]) -> Result<Option<Hindrance>, Trouble> {
        Ok(None)
    }
}
