//! Container instances: the EC2 machines that tasks without Fargate run on, and the host ports that tasks get there.

use super::task::{Task, TaskStatus};
use super::{TaskDefinition, cluster, page, seconds};
use crate::simulator::Millis;
use crate::simulator::state::State;
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where dynamic host ports begin, and how many there are (ECS API reference, PortMapping: the ephemeral port range).
const EPHEMERAL_FIRST: u64 = 32_768;
const EPHEMERAL_COUNT: u64 = 28_232;

/// One machine of a cluster.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Instance {
    pub arn: String,
    /// The last part of the ARN.
    name: String,
    cluster: String,
    /// `i-…`.
    pub id: String,
    registered_at: Millis,
}

/// One container port on its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Binding {
    pub container: String,
    pub container_port: u16,
    pub host_port: u16,
    protocol: String,
}

impl Binding {
    /// As DescribeTasks shows it.
    pub fn render(&self) -> Value {
        json!({
            "bindIP": "0.0.0.0",
            "containerPort": self.container_port,
            "hostPort": self.host_port,
            "protocol": self.protocol,
        })
    }
}

/// Finds a machine for a task that is no Fargate task, with the host ports that it gets. There is always one: a cluster
/// gets another where the fixed ports of all are taken.
pub(super) fn place(
    state: &mut State,
    cluster: &str,
    definition: &TaskDefinition,
) -> (Arc<Instance>, Vec<Binding>) {
    let wanted = wanted(definition);
    let fixed: Vec<u16> = wanted.iter().map(|one| one.host_port).filter(|port| *port > 0).collect();
    while state.instances.iter().filter(|one| one.cluster == cluster).count()
        < state.settings.container_instances
    {
        add(state, cluster);
    }
    let here = |task: &&Task, instance: &Instance| {
        !task.exited && task.instance.as_ref().is_some_and(|own| own.id == instance.id)
    };
    let free = |instance: &&Arc<Instance>| {
        let mut tasks = state.tasks.values().filter(|task| here(task, instance));
        !tasks.any(|task| task.bindings.iter().any(|taken| fixed.contains(&taken.host_port)))
    };
    let load = |instance: &&Arc<Instance>| state.tasks.values().filter(|task| here(task, instance)).count();
    let machines = state.instances.iter().filter(|one| one.cluster == cluster);
    let instance = match machines.filter(free).min_by_key(load).map(Arc::clone) {
        Some(instance) => instance,
        None => add(state, cluster),
    };
    let mut bindings = wanted;
    for binding in bindings.iter_mut().filter(|binding| binding.host_port == 0) {
        // A step that has no factor in common with the count, so that a port comes again only after all others.
        let place = state.fresh().wrapping_mul(7_919) % EPHEMERAL_COUNT;
        binding.host_port = u16::try_from(EPHEMERAL_FIRST + place).unwrap_or(u16::MAX);
    }
    (instance, bindings)
}

/// The ports that a task wants on its machine; 0: any. In `awsvpc` and `none` modes it has none there.
fn wanted(definition: &TaskDefinition) -> Vec<Binding> {
    let mode = definition.text("networkMode");
    if matches!(mode, "awsvpc" | "none") {
        return vec![];
    }
    let mappings = definition.containers().flat_map(|container| {
        let name = container["name"].as_str().unwrap_or_default();
        container["portMappings"].as_array().into_iter().flatten().map(move |mapping| (name, mapping))
    });
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let read = |(name, mapping): (&str, &Value)| Binding {
        container: name.into(),
        container_port: port(&mapping["containerPort"]),
        host_port: port(&mapping["hostPort"]),
        protocol: mapping["protocol"].as_str().unwrap_or("tcp").into(),
    };
    mappings.map(read).collect()
}

fn add(state: &mut State, cluster: &str) -> Arc<Instance> {
    let name = state.random.hex(32);
    let instance = Arc::new(Instance {
        arn: state.arn("ecs", &format!("container-instance/{cluster}/{name}")),
        name,
        cluster: cluster.into(),
        id: format!("i-{}", state.random.hex(17)),
        registered_at: state.now,
    });
    state.instances.push(Arc::clone(&instance));
    instance
}

/// How many machines a cluster has.
pub(super) fn count(state: &State, cluster: &str) -> usize {
    state.instances.iter().filter(|one| one.cluster == cluster).count()
}

pub(super) fn list(state: &State, input: Input) -> Answer {
    let cluster = &cluster::find(state, input)?.name;
    let found = state.instances.iter().filter(|one| one.cluster == *cluster);
    let mut items: Vec<(String, String)> = found.map(|one| (one.name.clone(), one.arn.clone())).collect();
    items.sort();
    let (arns, next) = page(input, items, 100)?;
    let mut answer = json!({"containerInstanceArns": arns});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let cluster = &cluster::find(state, input)?.name;
    let names = input.texts("containerInstances");
    if names.is_empty() || names.len() > 100 {
        return Err(ApiError::parameter("Container instances must have between 1 and 100 elements."));
    }
    let (mut found, mut failures) = (vec![], vec![]);
    for name in names {
        let short = cluster::short_name(name);
        match state.instances.iter().find(|one| one.name == short && one.cluster == *cluster) {
            Some(instance) => found.push(render(state, instance)),
            None => {
                let arn = state.arn("ecs", &format!("container-instance/{cluster}/{short}"));
                failures.push(json!({"arn": arn, "reason": "MISSING"}));
            }
        }
    }
    Ok(json!({"containerInstances": found, "failures": failures}))
}

fn render(state: &State, instance: &Instance) -> Value {
    let tasks = state.tasks.values();
    let here = tasks.filter(|task| task.instance.as_ref().is_some_and(|own| own.id == instance.id));
    let running = here.clone().filter(|task| task.status == TaskStatus::Running).count();
    let pending = here.filter(|task| task.status < TaskStatus::Running).count();
    json!({
        "containerInstanceArn": instance.arn,
        "ec2InstanceId": instance.id,
        "version": 1,
        "versionInfo": {"agentVersion": "1.90.0", "dockerVersion": "DockerVersion: 25.0.6"},
        "remainingResources": [],
        "registeredResources": [],
        "status": "ACTIVE",
        "agentConnected": true,
        "runningTasksCount": running,
        "pendingTasksCount": pending,
        "attributes": [],
        "registeredAt": seconds(instance.registered_at),
        "attachments": [],
        "tags": [],
    })
}
