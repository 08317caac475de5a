//! A task's life: PROVISIONING → PENDING → ACTIVATING → RUNNING → DEACTIVATING → STOPPING → DEPROVISIONING → STOPPED.

use super::capacity::next_provider;
use super::instance;
use super::notes::note;
use super::scheduler::wake_service_of;
use super::service::registrations;
use super::task::{Task, TaskStatus};
use super::task_definition::TaskDefinition;
use crate::simulator::elb;
use crate::simulator::queue::{Event, ServiceId, TargetKey};
use crate::simulator::state::{State, Tags};
use crate::simulator::{Probes, TaskId};
use serde_json::{Map, Value};
use std::sync::Arc;

/// From a Spot interruption's notice to the end of the task.
const SPOT_NOTICE_MS: u64 = 120_000;

/// Where a new task belongs.
pub(super) struct Placement<'a> {
    pub cluster: &'a str,
    pub group: String,
    pub service: Option<ServiceId>,
    pub deployment: Option<String>,
    pub spec: &'a Map<String, Value>,
    pub side: usize,
    pub tags: Tags,
    pub started_by: Option<String>,
}

/// Starts a task. The caller has made sure that there is room.
pub(super) fn start(state: &mut State, definition: &Arc<TaskDefinition>, placement: Placement) -> TaskId {
    let id = TaskId(state.fresh());
    let name = state.random.hex(32);
    let number = state.tasks_started + 1;
    let capacity_provider = next_provider(placement.spec, &providers_in_use(state, &placement));
    let launch_type = match (placement.spec.get("launchType").and_then(Value::as_str), &capacity_provider) {
        (Some(kind), _) => kind,
        (None, Some(provider)) if provider.starts_with("FARGATE") => "FARGATE",
        (None, _) => "EC2",
    };
    let (instance, bindings) = if launch_type == "FARGATE" || launch_type == "EXTERNAL" {
        (None, vec![])
    } else {
        let (instance, bindings) = instance::place(state, placement.cluster, definition);
        (Some(instance), bindings)
    };
    let subnets = placement.spec.get("networkConfiguration").map(|n| &n["awsvpcConfiguration"]["subnets"]);
    let subnet = subnets.and_then(|s| s[0].as_str()).unwrap_or("subnet-00000000").to_string();
    let task = Task {
        id,
        arn: state.arn("ecs", &format!("task/{}/{name}", placement.cluster)),
        name,
        cluster: placement.cluster.into(),
        service: placement.service,
        deployment: placement.deployment,
        group: placement.group,
        program: Arc::clone(&definition.program),
        definition: Arc::clone(definition),
        launch_type: Some(launch_type.to_string()),
        capacity_provider,
        status: TaskStatus::Provisioning,
        stopping: false,
        exited: false,
        epoch: 0,
        created_at: state.now,
        pull_started_at: None,
        started_at: None,
        stopping_at: None,
        exited_at: None,
        stopped_at: None,
        stop_code: None,
        stopped_reason: None,
        exit_code: None,
        container_reason: None,
        ip: format!("10.{}.{}.{}", number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff),
        subnet,
        instance,
        bindings,
        registrations: registrations(placement.spec, placement.side),
        registered: false,
        proved: false,
        tags: placement.tags,
        started_by: placement.started_by,
    };
    state.tasks_started += 1;
    state.tasks_alive += 1;
    if let Some(service) = task.service.and_then(|id| state.services.get_mut(&id)) {
        service.tasks.insert(id);
    }
    state.tasks.insert(id, task);
    plan_step(state, id, state.settings.provision_delay_ms);
    id
}

/// The capacity providers of the tasks that a new one stands beside.
fn providers_in_use<'a>(state: &'a State, placement: &Placement) -> Vec<&'a str> {
    let service = placement.service.and_then(|id| state.services.get(&id));
    let tasks =
        service.into_iter().flat_map(|service| service.tasks.iter()).filter_map(|id| state.tasks.get(id));
    let beside = tasks.filter(|task| !task.stopping && task.deployment == placement.deployment);
    beside.filter_map(|task| task.capacity_provider.as_deref()).collect()
}

/// Plans a task's next step and makes all others void.
fn plan_step(state: &mut State, id: TaskId, delay: u64) {
    let delay = state.jittered(delay);
    let Some(task) = state.tasks.get_mut(&id) else { return };
    task.epoch += 1;
    let epoch = task.epoch;
    state.later(delay, Event::TaskStep { task: id, epoch });
}

/// Takes a task one station further.
pub(in crate::simulator) fn step(state: &mut State, id: TaskId, epoch: u32) {
    let now = state.now;
    let settings = Arc::clone(&state.settings);
    let Some(task) = state.tasks.get_mut(&id).filter(|task| task.epoch == epoch) else { return };
    match task.status {
        TaskStatus::Provisioning => {
            task.status = TaskStatus::Pending;
            task.pull_started_at = Some(now);
            plan_step(state, id, settings.start_delay_ms);
        }
        TaskStatus::Pending if task.program.behaviour.image_missing => cannot_pull(state, id),
        TaskStatus::Pending => {
            task.status = TaskStatus::Activating;
            plan_step(state, id, settings.activate_delay_ms);
        }
        TaskStatus::Activating => run(state, id),
        TaskStatus::Running | TaskStatus::Stopped => {}
        TaskStatus::Deactivating if task.exited => {
            task.status = TaskStatus::Deprovisioning;
            deregister_targets(state, id);
            plan_step(state, id, settings.deprovision_delay_ms);
        }
        TaskStatus::Deactivating => {
            task.status = TaskStatus::Stopping;
            plan_step(state, id, settings.stop_delay_ms);
        }
        TaskStatus::Stopping => {
            task.status = TaskStatus::Deprovisioning;
            task.exited = true;
            task.exited_at = Some(now);
            task.exit_code.get_or_insert(0);
            plan_step(state, id, settings.deprovision_delay_ms);
        }
        TaskStatus::Deprovisioning => finish(state, id),
    }
}

fn run(state: &mut State, id: TaskId) {
    let now = state.now;
    let Some(task) = state.tasks.get_mut(&id) else { return };
    task.status = TaskStatus::Running;
    task.started_at = Some(now);
    let crash = task.program.behaviour.crash_after_ms;
    if !task.registrations.is_empty() {
        let delay = state.settings.register_delay_ms;
        state.later(delay, Event::Register(id));
    }
    if let Some(after) = crash.filter(|_| state.settings.probes == Probes::Model) {
        state.queue.push(now + after, Event::Crash(id));
    }
    wake_service_of(state, id);
}

/// Registers a running task's targets. Where a group is gone the task runs on without, and its service says so.
pub(in crate::simulator) fn register_targets(state: &mut State, id: TaskId) {
    let Some(task) = state.tasks.get_mut(&id) else { return };
    if task.status != TaskStatus::Running || task.registered || task.exited {
        return;
    }
    task.registered = true;
    for (group, key) in targets_of(task) {
        let said = match state.target_groups.contains_key(&group) {
            true => format!("registered 1 targets in (target-group {group})"),
            false => format!(
                "failed to register targets in (target-group {group}) with (error One or more target groups not found)"
            ),
        };
        elb::register(state, &group, key, Some(id));
        note_of(state, id, &said);
    }
    wake_service_of(state, id);
}

/// Deregisters a task's targets; returns the longest deregistration delay.
fn deregister_targets(state: &mut State, id: TaskId) -> u64 {
    let Some(task) = state.tasks.get_mut(&id).filter(|task| task.registered) else { return 0 };
    task.registered = false;
    let mut longest = 0;
    for (group, key) in targets_of(task) {
        if state.target_groups.contains_key(&group) {
            longest = longest.max(elb::deregister(state, &group, &key));
            note_of(state, id, &format!("deregistered 1 targets in (target-group {group})"));
        }
    }
    longest
}

/// The groups that a task is registered in, and its address in each.
fn targets_of(task: &Task) -> Vec<(String, TargetKey)> {
    task.registrations.iter().map(|one| (one.group.clone(), task.target_key(one))).collect()
}

/// Adds an event to the list of a task's service.
fn note_of(state: &mut State, task: TaskId, message: &str) {
    if let Some(service) = state.tasks.get(&task).and_then(|task| task.service) {
        note(state, service, message);
    }
}

/// Begins to stop a task: its targets drain first, then its process gets the time to end.
pub(in crate::simulator) fn stop(state: &mut State, id: TaskId, code: &'static str, reason: &str) {
    let now = state.now;
    let Some(task) = state.tasks.get_mut(&id).filter(|task| !task.stopping) else { return };
    task.stopping = true;
    task.stopping_at = Some(now);
    task.stop_code = Some(code);
    task.stopped_reason = Some(reason.into());
    if task.status < TaskStatus::Activating {
        task.status = TaskStatus::Deprovisioning;
        plan_step(state, id, state.settings.deprovision_delay_ms);
    } else {
        task.status = TaskStatus::Deactivating;
        let delay = deregister_targets(state, id);
        let Some(task) = state.tasks.get_mut(&id) else { return };
        task.epoch += 1;
        let epoch = task.epoch;
        state.later(delay, Event::TaskStep { task: id, epoch });
    }
    wake_service_of(state, id);
}

/// A task's process ends by itself. Its targets stay registered for a moment, as they do until ECS notices.
pub(in crate::simulator) fn exit(state: &mut State, id: TaskId, code: i32) {
    let now = state.now;
    let Some(task) = state.tasks.get_mut(&id) else { return };
    if task.exited
        || !matches!(task.status, TaskStatus::Running | TaskStatus::Deactivating | TaskStatus::Stopping)
    {
        return;
    }
    task.exited = true;
    task.exited_at = Some(now);
    task.exit_code = Some(code);
    if !task.stopping {
        task.stopping = true;
        task.stopping_at = Some(now);
        task.stop_code = Some("EssentialContainerExited");
        task.stopped_reason = Some("Essential container in task exited".into());
        task.status = TaskStatus::Deactivating;
        plan_step(state, id, state.settings.register_delay_ms);
    }
    wake_service_of(state, id);
}

/// Takes a service's oldest running task away with two minutes' notice: SIGTERM and draining begin at once, and whatever
/// still runs then is killed (Amazon ECS Developer Guide, "Fargate Spot termination notices").
pub(in crate::simulator) fn interrupt(state: &mut State, service: ServiceId) {
    let Some(service) = state.services.get(&service) else { return };
    let mut tasks = service.tasks.iter().filter_map(|id| state.tasks.get(id));
    let Some(task) = tasks.find(|task| task.status == TaskStatus::Running && !task.stopping) else { return };
    let id = task.id;
    stop(state, id, "SpotInterruption", "Your Spot Task was interrupted.");
    state.queue.push(state.now + SPOT_NOTICE_MS, Event::Kill(id));
}

/// Kills a task's process if it still runs, whether its targets have drained or not.
pub(in crate::simulator) fn kill(state: &mut State, id: TaskId) {
    exit(state, id, 137);
    let Some(task) = state.tasks.get_mut(&id) else { return };
    if task.exited && task.status < TaskStatus::Deprovisioning {
        task.status = TaskStatus::Deprovisioning;
        plan_step(state, id, state.settings.deprovision_delay_ms);
    }
}

fn cannot_pull(state: &mut State, id: TaskId) {
    let now = state.now;
    let retry = state.settings.retry_delay_ms;
    let Some(task) = state.tasks.get_mut(&id) else { return };
    let why = format!(
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {}: not found",
        task.program.image
    );
    task.stopping = true;
    task.exited = true;
    task.stopping_at = Some(now);
    task.exited_at = Some(now);
    task.stop_code = Some("TaskFailedToStart");
    task.stopped_reason = Some(why.clone());
    task.container_reason = Some(why);
    task.status = TaskStatus::Deprovisioning;
    let (service, deployment) = (task.service, task.deployment.clone());
    if let Some(service) = service.and_then(|id| state.services.get_mut(&id))
        && let Some(deployment) = service.deployments.iter_mut().find(|d| Some(&d.id) == deployment.as_ref())
    {
        deployment.note_failure(now, retry);
    }
    plan_step(state, id, state.settings.deprovision_delay_ms);
    wake_service_of(state, id);
}

fn finish(state: &mut State, id: TaskId) {
    let now = state.now;
    let Some(task) = state.tasks.get_mut(&id) else { return };
    task.status = TaskStatus::Stopped;
    task.stopped_at = Some(now);
    let service = task.service;
    state.tasks_alive = state.tasks_alive.saturating_sub(1);
    state.queue.push(now + state.settings.forget_stopped_ms, Event::Forget(id));
    wake_service_of(state, id);
    if let Some(service) = service.and_then(|id| state.services.get_mut(&id)) {
        service.tasks.remove(&id);
    }
}
