//! RunTask and StopTask: tasks started and stopped by hand.

use super::lifecycle::{self, Placement};
use super::shapes::conform;
use super::tags::read_tags;
use super::{check, cluster, task};
use crate::simulator::state::State;
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Value, json};

pub(super) fn run_task(state: &mut State, input: Input) -> Answer {
    let cluster = cluster::find(state, input)?.name.clone();
    let definition = check::definition(state, input.need("taskDefinition")?)?;
    let count = input.number("count").unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(ApiError::parameter("count must be between 1 and 10."));
    }
    let spec = conform("CreateService", input.0)?;
    let tags = read_tags(input, "tags")?;
    let (mut tasks, mut failures) = (vec![], vec![]);
    for _ in 0..count {
        if state.tasks_alive >= state.task_capacity {
            failures.push(json!({"reason": "Capacity is unavailable at this time."}));
            continue;
        }
        let placement = Placement {
            cluster: &cluster,
            group: input.text("group").map_or_else(|| format!("family:{}", definition.family), String::from),
            service: None,
            deployment: None,
            spec: &spec,
            side: 0,
            tags: tags.clone(),
            started_by: input.text("startedBy").map(String::from),
        };
        tasks.push(lifecycle::start(state, &definition, placement));
    }
    let shown: Vec<Value> = tasks.iter().map(|id| task::render(state, &state.tasks[id], true)).collect();
    Ok(json!({"tasks": shown, "failures": failures}))
}

pub(super) fn stop_task(state: &mut State, input: Input) -> Answer {
    let cluster = cluster::find(state, input)?.name.clone();
    let name = cluster::short_name(input.need("task")?);
    let found =
        state.tasks.values().find(|task| task.name == name && task.cluster == cluster).map(|task| task.id);
    let id = found.ok_or_else(|| ApiError::parameter("The referenced task was not found."))?;
    let reason = input.text("reason").unwrap_or("Task stopped by user").to_string();
    lifecycle::stop(state, id, "UserInitiated", &reason);
    Ok(json!({"task": task::render(state, &state.tasks[&id], true)}))
}
