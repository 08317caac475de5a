//! Tasks, and how they are described.

use super::container::Program;
use super::instance::{Binding, Instance};
use super::service::Registration;
use super::tags::show_tags;
use super::{TaskDefinition, cluster, page, seconds, update};
use crate::simulator::queue::{ServiceId, TargetKey};
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use crate::simulator::{Millis, TaskId};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The stations of a task's life, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::simulator) enum TaskStatus {
    Provisioning,
    Pending,
    Activating,
    Running,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
}

impl TaskStatus {
    pub fn name(self) -> &'static str {
        match self {
            TaskStatus::Provisioning => "PROVISIONING",
            TaskStatus::Pending => "PENDING",
            TaskStatus::Activating => "ACTIVATING",
            TaskStatus::Running => "RUNNING",
            TaskStatus::Deactivating => "DEACTIVATING",
            TaskStatus::Stopping => "STOPPING",
            TaskStatus::Deprovisioning => "DEPROVISIONING",
            TaskStatus::Stopped => "STOPPED",
        }
    }
}

/// One task.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Task {
    pub id: TaskId,
    pub arn: String,
    /// The last part of the ARN.
    pub name: String,
    pub cluster: String,
    pub service: Option<ServiceId>,
    pub deployment: Option<String>,
    /// `service:web`, `family:web` …
    pub group: String,
    pub definition: Arc<TaskDefinition>,
    pub program: Arc<Program>,
    pub launch_type: Option<String>,
    pub capacity_provider: Option<String>,
    pub status: TaskStatus,
    /// desiredStatus is STOPPED.
    pub stopping: bool,
    /// Its process has ended.
    pub exited: bool,
    /// Makes steps void that were planned before something else happened.
    pub epoch: u32,
    pub created_at: Millis,
    pub pull_started_at: Option<Millis>,
    pub started_at: Option<Millis>,
    pub stopping_at: Option<Millis>,
    pub exited_at: Option<Millis>,
    pub stopped_at: Option<Millis>,
    pub stop_code: Option<&'static str>,
    pub stopped_reason: Option<String>,
    pub exit_code: Option<i32>,
    pub container_reason: Option<String>,
    pub ip: String,
    pub subnet: String,
    /// The machine it runs on, unless that is Fargate's, and its ports there.
    pub instance: Option<Arc<Instance>>,
    pub bindings: Vec<Binding>,
    pub registrations: Vec<Registration>,
    /// Its targets are registered.
    pub registered: bool,
    /// It has been healthy once.
    pub proved: bool,
    pub tags: Tags,
    pub started_by: Option<String>,
}

impl Task {
    /// The address of the target that a registration stands for: the task's own, or its machine's with the host port.
    pub fn target_key(&self, registration: &Registration) -> TargetKey {
        let bound = |binding: &&Binding| {
            binding.container == registration.container && binding.container_port == registration.port
        };
        match (&self.instance, self.bindings.iter().find(bound)) {
            (Some(instance), Some(binding)) => (instance.id.clone(), binding.host_port),
            _ => (self.ip.clone(), registration.port),
        }
    }

    /// True if this task answers at a target's address.
    pub fn is_at(&self, key: &TargetKey) -> bool {
        let on_host = self.instance.as_ref().is_some_and(|instance| instance.id == key.0);
        self.ip == key.0 || on_host && self.bindings.iter().any(|binding| binding.host_port == key.1)
    }

    /// The container's port behind a target's port.
    pub fn container_port(&self, port: u16) -> u16 {
        let bound = self.bindings.iter().find(|binding| binding.host_port == port);
        bound.map_or(port, |binding| binding.container_port)
    }
}

pub(super) fn list(state: &State, input: Input) -> Answer {
    let cluster = &cluster::find(state, input)?.name;
    let service = match input.text("serviceName") {
        Some(_) => Some(update::find(state, input, "serviceName")?.id),
        None => None,
    };
    let stopped = input.text("desiredStatus").unwrap_or("RUNNING") == "STOPPED";
    let running = input.text("desiredStatus").is_none_or(|wanted| wanted == "RUNNING");
    let family = input.text("family");
    let machine = input.text("containerInstance").map(cluster::short_name);
    let on = |task: &Task, name: &str| {
        task.instance.as_ref().is_some_and(|instance| cluster::short_name(&instance.arn) == name)
    };
    let found = state.tasks.values().filter(|task| {
        task.cluster == *cluster
            && (task.stopping && stopped || !task.stopping && running)
            && service.is_none_or(|service| task.service == Some(service))
            && machine.is_none_or(|name| on(task, name))
            && family.is_none_or(|family| task.definition.family == family)
            && input.text("startedBy").is_none_or(|by| task.started_by.as_deref() == Some(by))
            && input.text("launchType").is_none_or(|kind| task.launch_type.as_deref() == Some(kind))
    });
    let mut items: Vec<(String, String)> = found.map(|task| (task.name.clone(), task.arn.clone())).collect();
    items.sort();
    let (arns, next) = page(input, items, 100)?;
    let mut answer = json!({"taskArns": arns});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let cluster = &cluster::find(state, input)?.name;
    let names = input.texts("tasks");
    if names.is_empty() || names.len() > 100 {
        return Err(ApiError::parameter("Tasks must have between 1 and 100 elements."));
    }
    let with_tags = input.texts("include").contains(&"TAGS");
    let (mut tasks, mut failures) = (vec![], vec![]);
    for name in names {
        let short = cluster::short_name(name);
        match state.tasks.values().find(|task| task.name == short && task.cluster == *cluster) {
            Some(task) => tasks.push(render(state, task, with_tags)),
            None => {
                let arn = state.arn("ecs", &format!("task/{cluster}/{short}"));
                failures.push(json!({"arn": arn, "reason": "MISSING"}));
            }
        }
    }
    Ok(json!({"tasks": tasks, "failures": failures}))
}

/// A task as ECS answers it.
pub(super) fn render(state: &State, task: &Task, with_tags: bool) -> Value {
    let eni = format!("eni-{}", task.name.get(..17).unwrap_or(&task.name));
    let attachment = uuid_of(&task.name);
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
    let awsvpc = task.definition.text("networkMode") == "awsvpc";
    let detail = |name: &str, value: &str| json!({"name": name, "value": value});
    let attached = match task.status {
        TaskStatus::Provisioning => "PRECREATED",
        TaskStatus::Stopped => "DELETED",
        _ => "ATTACHED",
    };
    let details = [
        detail("subnetId", &task.subnet),
        detail("networkInterfaceId", &eni),
        detail("macAddress", "02:00:00:00:00:00"),
        detail(
            "privateDnsName",
            &format!("ip-{}.{}.compute.internal", task.ip.replace('.', "-"), state.settings.region),
        ),
        detail("privateIPv4Address", &task.ip),
    ];
    let eni_attachment =
        json!({"id": attachment, "type": "ElasticNetworkInterface", "status": attached, "details": details});
    put("attachments", if awsvpc { json!([eni_attachment]) } else { json!([]) });
    put("attributes", json!([{"name": "ecs.cpu-architecture", "value": "x86_64"}]));
    put("availabilityZone", json!(format!("{}a", state.settings.region)));
    put("clusterArn", json!(state.arn("ecs", &format!("cluster/{}", task.cluster))));
    let reached = task.status >= TaskStatus::Running && task.started_at.is_some();
    if reached {
        put("connectivity", json!("CONNECTED"));
    }
    if let Some(instance) = &task.instance {
        put("containerInstanceArn", json!(instance.arn));
    }
    let containers =
        task.definition.containers().map(|container| render_container(state, task, container, &attachment));
    put("containers", containers.collect());
    for size in ["cpu", "memory"] {
        if let Some(value) = task.definition.body.get(size) {
            put(size, value.clone());
        }
    }
    for (name, at) in [
        ("createdAt", Some(task.created_at)),
        ("connectivityAt", task.started_at),
        ("pullStartedAt", task.pull_started_at),
        ("pullStoppedAt", task.started_at),
        ("startedAt", task.started_at),
        ("stoppingAt", task.stopping_at),
        ("executionStoppedAt", task.exited_at),
        ("stoppedAt", task.stopped_at),
    ] {
        if let Some(at) = at {
            put(name, json!(seconds(at)));
        }
    }
    put("desiredStatus", json!(if task.stopping { "STOPPED" } else { "RUNNING" }));
    put("enableExecuteCommand", json!(false));
    put("group", json!(task.group));
    put("healthStatus", json!("UNKNOWN"));
    put("lastStatus", json!(task.status.name()));
    if let Some(launch_type) = &task.launch_type {
        put("launchType", json!(launch_type));
    }
    if let Some(provider) = &task.capacity_provider {
        put("capacityProviderName", json!(provider));
    }
    put("overrides", json!({"containerOverrides": [], "inferenceAcceleratorOverrides": []}));
    if task.launch_type.as_deref() == Some("FARGATE") {
        put("platformVersion", json!("1.4.0"));
        put("platformFamily", json!("Linux"));
    }
    if let Some(by) = task.started_by.as_ref().or(task.deployment.as_ref()) {
        put("startedBy", json!(by));
    }
    if let Some(code) = task.stop_code {
        put("stopCode", json!(code));
    }
    if let Some(reason) = &task.stopped_reason {
        put("stoppedReason", json!(reason));
    }
    put("tags", if with_tags { show_tags(&task.tags) } else { json!([]) });
    put("taskArn", json!(task.arn));
    put("taskDefinitionArn", json!(task.definition.arn));
    put("version", json!(task.epoch + task.status as u32));
    Value::Object(shown)
}

fn render_container(state: &State, task: &Task, container: &Value, attachment: &str) -> Value {
    let main = container["name"] == task.program.container.as_str();
    let status = match task.status {
        TaskStatus::Provisioning | TaskStatus::Pending | TaskStatus::Activating => "PENDING",
        _ if task.exited || task.status == TaskStatus::Stopped => "STOPPED",
        _ => "RUNNING",
    };
    let name = container["name"].as_str().unwrap_or_default();
    let awsvpc = task.definition.text("networkMode") == "awsvpc";
    let interfaces =
        if awsvpc { json!([{"attachmentId": attachment, "privateIpv4Address": task.ip}]) } else { json!([]) };
    // Host ports are known once the containers run.
    let bound = task.bindings.iter().filter(|binding| binding.container == name && task.started_at.is_some());
    let mut shown = json!({
        "containerArn": state.arn("ecs", &format!("container/{}/{}/{}", task.cluster, task.name, uuid_of(&task.name))),
        "taskArn": task.arn,
        "name": name,
        "image": container["image"],
        "lastStatus": status,
        "networkBindings": bound.map(Binding::render).collect::<Vec<_>>(),
        "networkInterfaces": interfaces,
        "healthStatus": "UNKNOWN",
        "cpu": container["cpu"].as_u64().unwrap_or(0).to_string(),
    });
    if let Some(code) = task.exit_code {
        // The other containers are stopped with the one that ended.
        shown["exitCode"] = json!(if main { code } else { 0 });
    }
    if let Some(reason) = task.container_reason.as_ref().filter(|_| main) {
        shown["reason"] = json!(reason);
    }
    shown
}

fn uuid_of(hex: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
