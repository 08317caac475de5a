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
mod sticky;
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
pub(super) use tags::put_tag;
pub(super) use target::{deregister, register};
pub(super) use target_group::TargetGroup;

use super::operations::{Read, Write, find};
use super::state::State;
use super::wire::{Answer, Input};

/// The operations that only read.
pub(super) const READS: [(&str, Read); 8] = [
    ("DescribeLoadBalancers", load_balancer::describe),
    ("DescribeLoadBalancerAttributes", attributes::describe_load_balancer),
    ("DescribeTargetGroups", target_group::describe),
    ("DescribeTargetGroupAttributes", attributes::describe_target_group),
    ("DescribeListeners", listener::describe),
    ("DescribeRules", rule::describe),
    ("DescribeTargetHealth", target::describe_health),
    ("DescribeTags", tags::describe),
];

/// Runs an operation that only reads; `None`: there is no such operation.
pub(super) fn read(state: &State, operation: &str, input: Input) -> Option<Answer> {
    find(&READS, operation).map(|run| run(state, input))
}

/// The operations that change something.
pub(super) const WRITES: [(&str, Write); 18] = [
    ("CreateLoadBalancer", load_balancer::create),
    ("DeleteLoadBalancer", load_balancer::delete),
    ("ModifyLoadBalancerAttributes", attributes::modify_load_balancer),
    ("CreateTargetGroup", target_group::create),
    ("ModifyTargetGroup", target_group::modify),
    ("ModifyTargetGroupAttributes", attributes::modify_target_group),
    ("DeleteTargetGroup", target_group::delete),
    ("CreateListener", listener::create),
    ("ModifyListener", listener::modify),
    ("DeleteListener", listener::delete),
    ("CreateRule", rule::create),
    ("ModifyRule", rule::modify),
    ("SetRulePriorities", rule::set_priorities),
    ("DeleteRule", rule::delete),
    ("RegisterTargets", target::register_call),
    ("DeregisterTargets", target::deregister_call),
    ("AddTags", tags::add),
    ("RemoveTags", tags::remove),
];

/// Runs an operation that changes something; `None`: there is no such operation.
pub(super) fn write(state: &mut State, operation: &str, input: Input) -> Option<Answer> {
    find(&WRITES, operation).map(|run| run(state, input))
}
