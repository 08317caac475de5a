//! Amazon ECS: clusters, task definitions, services, their deployments and tasks.

mod breaker;
mod capacity;
mod check;
mod cluster;
mod container;
mod create;
mod delete;
mod deployment;
mod describe;
mod instance;
mod lifecycle;
mod native;
mod notes;
mod rolling;
mod run_task;
mod scheduler;
mod service;
mod shapes;
mod sizes;
mod staff;
mod tags;
mod task;
mod task_definition;
mod update;
mod view;

pub(super) use cluster::Cluster;
pub(super) use deployment::{Deployment, Rollout};
pub(super) use instance::Instance;
pub(super) use lifecycle::{exit, interrupt, kill, register_targets, step, stop};
pub(super) use scheduler::{reconcile, wake_all, wake_service_of};
pub(super) use service::{Service, registrations};
pub(super) use tags::put_tag;
pub(super) use task::{Task, TaskStatus};
pub(super) use task_definition::{Family, TaskDefinition};
pub(super) use update::set_desired;

use super::Millis;
use super::operations::{Read, Write, find};
use super::state::State;
use super::wire::{Answer, ApiError, Input};

/// The operations that only read.
pub(super) const READS: [(&str, Read); 11] = [
    ("DescribeClusters", cluster::describe),
    ("ListClusters", cluster::list),
    ("DescribeTaskDefinition", task_definition::describe),
    ("ListTaskDefinitions", task_definition::list),
    ("DescribeServices", describe::describe),
    ("ListServices", describe::list),
    ("DescribeTasks", task::describe),
    ("ListTasks", task::list),
    ("DescribeContainerInstances", instance::describe),
    ("ListContainerInstances", instance::list),
    ("ListTagsForResource", tags::list),
];

/// Runs an operation that only reads; `None`: there is no such operation.
pub(super) fn read(state: &State, operation: &str, input: Input) -> Option<Answer> {
    find(&READS, operation).map(|run| run(state, input))
}

/// The operations that change something.
pub(super) const WRITES: [(&str, Write); 11] = [
    ("CreateCluster", cluster::create),
    ("DeleteCluster", cluster::delete),
    ("RegisterTaskDefinition", task_definition::register),
    ("DeregisterTaskDefinition", task_definition::deregister),
    ("CreateService", create::create),
    ("UpdateService", update::update),
    ("DeleteService", delete::delete),
    ("StopTask", run_task::stop_task),
    ("RunTask", run_task::run_task),
    ("TagResource", tags::tag),
    ("UntagResource", tags::untag),
];

/// Runs an operation that changes something; `None`: there is no such operation.
pub(super) fn write(state: &mut State, operation: &str, input: Input) -> Option<Answer> {
    find(&WRITES, operation).map(|run| run(state, input))
}

/// A point in time as ECS's JSON has it: seconds with a fraction.
fn seconds(at: Millis) -> f64 {
    at as f64 / 1_000.0
}

/// Cuts a page out of items in the order of their keys; the token is the last key of the page before.
fn page<T>(
    input: Input,
    items: Vec<(String, T)>,
    default: i64,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = input.number("maxResults").unwrap_or(default);
    if !(1..=100).contains(&size) {
        return Err(ApiError::parameter("maxResults must be between 1 and 100."));
    }
    let start = match input.text("nextToken") {
        None => 0,
        Some(token) => {
            let last = items.iter().position(|(key, _)| key == token);
            last.ok_or_else(|| {
                ApiError::parameter("Invalid token: the nextToken is not one that was given out.")
            })? + 1
        }
    };
    let end = items.len().min(start + size as usize);
    let next = (end < items.len() && end > start).then(|| items[end - 1].0.clone());
    Ok((items.into_iter().skip(start).take(end - start).map(|(_, item)| item).collect(), next))
}
