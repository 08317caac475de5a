//! Amazon ECS: clusters, task definitions, services, their deployments and tasks.

mod breaker;
mod check;
mod cluster;
mod container;
mod create;
mod delete;
mod deployment;
mod describe;
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
pub(super) use lifecycle::{exit, register_targets, step, stop};
pub(super) use scheduler::{reconcile, wake_all, wake_service_of};
pub(super) use service::Service;
pub(super) use task::{Task, TaskStatus};
pub(super) use task_definition::{Family, TaskDefinition};

use super::Millis;
use super::state::State;
use super::wire::{Answer, ApiError, Input};

/// Runs an operation that only reads; `None`: there is no such operation.
pub(super) fn read(state: &State, operation: &str, input: Input) -> Option<Answer> {
    Some(match operation {
        "DescribeClusters" => cluster::describe(state, input),
        "ListClusters" => cluster::list(state, input),
        "DescribeTaskDefinition" => task_definition::describe(state, input),
        "ListTaskDefinitions" => task_definition::list(state, input),
        "DescribeServices" => describe::describe(state, input),
        "ListServices" => describe::list(state, input),
        "DescribeTasks" => task::describe(state, input),
        "ListTasks" => task::list(state, input),
        "ListTagsForResource" => tags::list(state, input),
        _ => return None,
    })
}

/// Runs an operation that changes something; `None`: there is no such operation.
pub(super) fn write(state: &mut State, operation: &str, input: Input) -> Option<Answer> {
    Some(match operation {
        "CreateCluster" => cluster::create(state, input),
        "DeleteCluster" => cluster::delete(state, input),
        "RegisterTaskDefinition" => task_definition::register(state, input),
        "DeregisterTaskDefinition" => task_definition::deregister(state, input),
        "CreateService" => create::create(state, input),
        "UpdateService" => update::update(state, input),
        "DeleteService" => delete::delete(state, input),
        "StopTask" => run_task::stop_task(state, input),
        "RunTask" => run_task::run_task(state, input),
        "TagResource" => tags::tag(state, input),
        "UntagResource" => tags::untag(state, input),
        _ => return None,
    })
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
