//! Pods as the world knows them: what answers at their addresses, as long as they are there.

use super::PodServers;
use super::observed::{ObjectKey, has_ended, key_of, program_of, text};
use crate::simulator::queue::TargetKey;
use crate::simulator::{Millis, World};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The pods seen so far that are still there.
#[derive(Clone, Debug)]
pub(super) struct Pods {
    servers: PodServers,
    /// By the pods' uid.
    known: BTreeMap<String, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    ip: String,
    seen_at: Millis,
    played: bool,
}

impl Pods {
    pub fn new(servers: PodServers) -> Pods {
        Pods { servers, known: BTreeMap::new() }
    }

    /// Notes new pods with an address and ends what answered for those that are gone.
    pub fn observe(&mut self, world: &mut World, pods: &[&Value]) {
        let now = world.now();
        let alive = pods.iter().filter(|pod| !has_ended(pod));
        let alive: BTreeMap<&str, &str> = alive
            .filter_map(|pod| Some((text(pod, "/metadata/uid")?, text(pod, "/status/podIP")?)))
            .collect();
        self.known.retain(|uid, known| {
            let stays = alive.get(uid.as_str()) == Some(&known.ip.as_str());
            if !stays && known.played {
                world.external_target_ended(&known.ip);
            }
            stays
        });
        for (uid, ip) in alive {
            let known = Known { ip: ip.to_string(), seen_at: now, played: false };
            self.known.entry(uid.to_string()).or_insert(known);
        }
    }

    /// Lets the pod's image answer at this address, if the address is the pod's.
    pub fn play(&mut self, world: &mut World, key: &TargetKey, pod: &ObjectKey, pods: &[&Value]) {
        let Some(pod) = pods.iter().find(|object| key_of(object) == *pod) else { return };
        let known = text(pod, "/metadata/uid").and_then(|uid| self.known.get_mut(uid));
        let Some(known) = known.filter(|known| known.ip == key.0) else { return };
        known.played = true;
        let mut program = program_of(pod, key.1);
        program.started_at = known.seen_at;
        program.reached_at = match self.servers {
            PodServers::Played => None,
            PodServers::AtLoopback => known.ip.parse().ok().and_then(beside),
        };
        world.external_target(&key.0, key.1, program);
    }
}

/// The loopback address that stands for a pod's.
fn beside(pod: Ipv4Addr) -> Option<Ipv4Addr> {
    match pod.octets() {
        [10, b, c, d] => Some(Ipv4Addr::new(127, b, c, d)),
        _ => None,
    }
}
