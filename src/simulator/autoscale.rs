//! An autoscaler of somebody else's: it follows the traffic, so a service that gets none shrinks to its minimum.

use super::Millis;
use super::ecs::{self, registrations};
use super::elb::forward_weights;
use super::queue::{Event, ServiceId};
use super::state::State;

/// How many tasks a service gets.
#[derive(Clone, Debug)]
pub(super) struct Autoscaler {
    pub min: usize,
    pub max: usize,
    pub every_ms: Millis,
}

/// Puts a service, by name, under an autoscaler's hand.
pub(super) fn begin(state: &mut State, service: &str, autoscaler: Autoscaler) {
    for id in named(state, service) {
        let first = state.now + autoscaler.every_ms;
        if state.autoscalers.insert(id, autoscaler.clone()).is_none() {
            state.queue.push(first, Event::Autoscale(id));
        }
    }
}

/// The services of a name, in all clusters, that are ACTIVE.
pub(super) fn named(state: &State, service: &str) -> Vec<ServiceId> {
    let services = state.services.values();
    services.filter(|one| one.name == service && one.is_active()).map(|one| one.id).collect()
}

/// Looks at a service once, and again after the autoscaler's pause: `max` tasks while a load balancer gives weight to one
/// of its groups, else `min`.
pub(super) fn look(state: &mut State, id: ServiceId) {
    let Some(Autoscaler { min, max, every_ms }) = state.autoscalers.get(&id).cloned() else { return };
    let Some(service) = state.services.get(&id).filter(|service| service.is_active()) else {
        state.autoscalers.remove(&id);
        return;
    };
    let groups: Vec<String> =
        [0, 1].iter().flat_map(|side| registrations(&service.spec, *side)).map(|one| one.group).collect();
    let rules = state.listeners.values().flat_map(|listener| listener.live.iter());
    let mut weights = rules.flat_map(|rule| forward_weights(&rule.actions));
    let busy = weights.any(|(group, weight)| weight > 0 && groups.iter().any(|own| own == group));
    ecs::set_desired(state, id, if busy { max } else { min });
    state.queue.push(state.now + every_ms.max(1_000), Event::Autoscale(id));
}
