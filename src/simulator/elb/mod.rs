//! Elastic Load Balancing v2: load balancers, target groups, listeners and rules, target health, and where requests go.

mod action;
mod attributes;
mod check;
mod condition;
mod external;
mod health;
mod listener;
mod load_balancer;
mod page;
mod route;
mod rule;
mod tags;
mod target;
mod target_group;
mod usage;

pub(super) use action::{forward_weights, set_weights};
pub(super) use check::judge;
pub(super) use external::{Behind, External, behind, declare, end, reach};
pub(super) use health::{TargetState, apply_fault, drained, probe, record_outcome};
pub(super) use listener::Listener;
pub(super) use load_balancer::LoadBalancer;
pub(super) use route::route;
pub(super) use rule::{Rule, listener_of_rule, replace_actions};
pub(super) use target::{deregister, register};
pub(super) use target_group::TargetGroup;

use super::state::State;
use super::wire::{Answer, Input};

/// Runs an operation that only reads; `None`: there is no such operation.
pub(super) fn read(state: &State, operation: &str, input: Input) -> Option<Answer> {
    Some(match operation {
        "DescribeLoadBalancers" => load_balancer::describe(state, input),
        "DescribeLoadBalancerAttributes" => attributes::describe_load_balancer(state, input),
        "DescribeTargetGroups" => target_group::describe(state, input),
        "DescribeTargetGroupAttributes" => attributes::describe_target_group(state, input),
        "DescribeListeners" => listener::describe(state, input),
        "DescribeRules" => rule::describe(state, input),
        "DescribeTargetHealth" => target::describe_health(state, input),
        "DescribeTags" => tags::describe(state, input),
        _ => return None,
    })
}

/// Runs an operation that changes something; `None`: there is no such operation.
pub(super) fn write(state: &mut State, operation: &str, input: Input) -> Option<Answer> {
    Some(match operation {
        "CreateLoadBalancer" => load_balancer::create(state, input),
        "DeleteLoadBalancer" => load_balancer::delete(state, input),
        "ModifyLoadBalancerAttributes" => attributes::modify_load_balancer(state, input),
        "CreateTargetGroup" => target_group::create(state, input),
        "ModifyTargetGroup" => target_group::modify(state, input),
        "ModifyTargetGroupAttributes" => attributes::modify_target_group(state, input),
        "DeleteTargetGroup" => target_group::delete(state, input),
        "CreateListener" => listener::create(state, input),
        "ModifyListener" => listener::modify(state, input),
        "DeleteListener" => listener::delete(state, input),
        "CreateRule" => rule::create(state, input),
        "ModifyRule" => rule::modify(state, input),
        "SetRulePriorities" => rule::set_priorities(state, input),
        "DeleteRule" => rule::delete(state, input),
        "RegisterTargets" => target::register_call(state, input),
        "DeregisterTargets" => target::deregister_call(state, input),
        "AddTags" => tags::add(state, input),
        "RemoveTags" => tags::remove(state, input),
        _ => return None,
    })
}
