//! Which target groups a load balancer's listeners and rules name. Only those are checked for health.

use super::action::forward_weights;
use super::health::{begin, unuse};
use crate::simulator::state::State;
use std::collections::BTreeSet;

/// Brings the groups' association with `load_balancer` in line with its rules: newly named groups' targets begin to be
/// checked, those no longer named are `unused`.
pub(super) fn refresh(state: &mut State, load_balancer: &str) {
    let listeners = state.listeners.values().filter(|listener| listener.load_balancer == load_balancer);
    let rules = listeners.flat_map(|listener| listener.rules.iter());
    let named: BTreeSet<String> =
        rules.flat_map(|rule| forward_weights(&rule.actions)).map(|(group, _)| group.to_string()).collect();
    let stale =
        state.target_groups.values().filter(|group| group.load_balancer.as_deref() == Some(load_balancer));
    let stale: Vec<String> =
        stale.filter(|group| !named.contains(&group.arn)).map(|group| group.arn.clone()).collect();
    for arn in stale {
        if let Some(group) = state.target_groups.get_mut(&arn) {
            group.load_balancer = None;
        }
        unuse(state, &arn);
    }
    for arn in named {
        let Some(group) = state.target_groups.get_mut(&arn).filter(|group| group.load_balancer.is_none())
        else {
            continue;
        };
        group.load_balancer = Some(load_balancer.to_string());
        begin(state, &arn);
    }
}
