//! The targets of slots that no load balancer of AWS serves: the endpoints behind each slot's own Service.

use crate::engine::{Rollout, Trouble};
use crate::kubernetes::{Cluster, Resource};
use crate::model::{BySlot, Slot};
use crate::rollout::Targets;
use serde_json::Value;
use std::collections::BTreeSet;

/// The label by which an EndpointSlice says whose endpoints it has.
const SERVICE: &str = "kubernetes.io/service-name";

/// What Kubernetes itself holds for able to answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Endpoints {
    pub targets: BySlot<Targets>,
    /// `10.0.0.7:8080` of the ready ones.
    pub ready: BySlot<BTreeSet<String>>,
}

impl Endpoints {
    /// Reads both slots' endpoints in one list.
    pub(super) async fn read(
        cluster: &Cluster,
        namespace: &str,
        rollout: &Rollout,
    ) -> Result<Endpoints, Trouble> {
        let slices = Resource::known("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true);
        let names = BySlot::from_fn(|slot| rollout.slot_service(slot));
        let selector = format!("{SERVICE} in ({},{})", names.blue, names.green);
        let found = cluster.list(&slices, Some(namespace), &selector).await?;
        Ok(Endpoints::of(&found, &names, rollout.blue_green.container.port))
    }

    fn of(slices: &[Value], names: &BySlot<String>, port: u16) -> Endpoints {
        let mut seen = Endpoints::default();
        // An endpoint may be in two slices for a moment, while it is moved from one to the other.
        let mut counted: BySlot<BTreeSet<&str>> = BySlot::default();
        for slice in slices {
            let owner = slice["metadata"]["labels"][SERVICE].as_str();
            let Some(slot) = names.find(|_, name| Some(name.as_str()) == owner) else { continue };
            for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
                let Some(address) = endpoint["addresses"][0].as_str() else { continue };
                if counted.get_mut(slot).insert(address) {
                    count(&mut seen, slot, endpoint, format!("{address}:{port}"));
                }
            }
        }
        seen
    }
}

/// What a condition's absence means is said in the API: an endpoint is ready unless it says that it is not.
fn count(seen: &mut Endpoints, slot: Slot, endpoint: &Value, address: String) {
    let conditions = &endpoint["conditions"];
    let targets = seen.targets.get_mut(slot);
    if conditions["terminating"] == true {
        targets.draining += 1;
    } else if conditions["ready"] == false {
        targets.initial += 1;
    } else {
        targets.healthy += 1;
        seen.ready.get_mut(slot).insert(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_ready_endpoints_of_a_slots_own_service_count_as_healthy() {
        let endpoint =
            |address: &str, conditions: Value| json!({"addresses": [address], "conditions": conditions});
        let slice = |service: &str, endpoints: Vec<Value>| json!({"metadata": {"labels": {SERVICE: service}}, "endpoints": endpoints});
        let slices = [
            slice("web-blue", vec![endpoint("10.0.0.1", json!({"ready": true}))]),
            slice(
                "web-blue",
                vec![endpoint("10.0.0.1", json!({"ready": true})), endpoint("10.0.0.2", json!({}))],
            ),
            slice(
                "web-green",
                vec![
                    endpoint("10.0.0.3", json!({"ready": false})),
                    endpoint("10.0.0.4", json!({"ready": true, "terminating": true})),
                ],
            ),
            slice("web", vec![endpoint("10.0.0.9", json!({"ready": true}))]),
            json!({"metadata": {}, "endpoints": null}),
        ];
        let names = BySlot { blue: "web-blue".to_owned(), green: "web-green".to_owned() };
        let seen = Endpoints::of(&slices, &names, 8080);
        let blue = Targets { healthy: 2, ..Targets::default() };
        let green = Targets { initial: 1, draining: 1, ..Targets::default() };
        assert_eq!(seen.targets, BySlot { blue, green });
        assert_eq!(seen.ready.blue, ["10.0.0.1:8080".to_owned(), "10.0.0.2:8080".to_owned()].into());
        assert_eq!(seen.ready.green, BTreeSet::new());
    }
}
