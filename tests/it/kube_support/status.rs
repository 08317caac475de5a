//! The status that a kubelet writes for a pod.

use super::life::{Doing, Ended, Life, Moment, Ms};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;

/// A pod on its node.
#[derive(Clone, Debug)]
pub struct Bound {
    pub address: Ipv4Addr,
    pub at: Timestamp,
    /// How long a second of a tag lasts.
    pub second: Duration,
}

impl Bound {
    fn time(&self, age: Ms) -> String {
        let real = self.second.as_millis() as i64 * age as i64 / 1_000;
        let time = self.at + SignedDuration::from_millis(real);
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn ended(&self, end: &Ended) -> Value {
        let reason = if end.code == 0 { "Completed" } else { "Error" };
        let (started, finished) = (self.time(end.started), self.time(end.ended));
        json!({"terminated": {"exitCode": end.code, "reason": reason, "startedAt": started, "finishedAt": finished}})
    }

    fn container(&self, life: &Life, moment: &Moment) -> Value {
        let state = match &moment.doing {
            Doing::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
            Doing::Running { since } => json!({"running": {"startedAt": self.time(*since)}}),
            Doing::Ended(end) => self.ended(end),
        };
        let runs = matches!(moment.doing, Doing::Running { .. });
        json!({
            "name": life.name,
            "image": life.image,
            "imageID": if runs { format!("test://{}", life.image) } else { String::new() },
            "state": state,
            "lastState": moment.last.as_ref().map_or_else(|| json!({}), |end| self.ended(end)),
            "restartCount": moment.restarts,
            "ready": moment.ready,
            "started": runs && (!life.probed || moment.ready),
        })
    }

    /// The whole status, for a strategic merge: conditions of others stay.
    pub fn status(&self, pod: &Pod, lives: &[Life], moments: &[Moment]) -> Value {
        let phase = phase(moments);
        let mut containers: Vec<Value> =
            lives.iter().zip(moments).map(|(life, moment)| self.container(life, moment)).collect();
        // In the order of the specification it is already; Kubernetes sorts by name.
        containers.sort_by_key(|status| status["name"].as_str().map(str::to_owned));
        let over = matches!(phase, "Succeeded" | "Failed");
        let ready = moments.iter().all(|moment| moment.ready);
        let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
        let gates_open = gates.map(|gate| &gate.condition_type).all(|wanted| holds(pod, wanted));
        let why = match (over, ready, gates_open) {
            (true, ..) if phase == "Succeeded" => Some("PodCompleted"),
            (_, false, _) => Some("ContainersNotReady"),
            (_, _, false) => Some("ReadinessGatesNotReady"),
            _ => None,
        };
        let containers_why = why.filter(|why| *why != "ReadinessGatesNotReady");
        let conditions = [
            ("PodScheduled", true, None),
            ("Initialized", true, None),
            ("ContainersReady", ready, containers_why),
            ("Ready", ready && gates_open, why),
        ];
        let conditions = conditions.map(|(kind, holds, reason)| condition(pod, kind, holds, reason, None));
        let address = self.address.to_string();
        let init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
        let init: Vec<Value> = init.map(|container| self.init_container(container)).collect();
        json!({"status": {
            "observedGeneration": pod.metadata.generation,
            "phase": phase,
            "conditions": conditions,
            "hostIP": "192.0.2.2",
            "hostIPs": [{"ip": "192.0.2.2"}],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": self.time(0),
            "initContainerStatuses": init,
            "containerStatuses": containers,
        }})
    }

    /// Init containers are through at once; those that restart always (sidecars) run and are ready.
    fn init_container(&self, container: &k8s_openapi::api::core::v1::Container) -> Value {
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        let state = match sidecar {
            true => json!({"running": {"startedAt": self.time(0)}}),
            false => self.ended(&Ended { code: 0, started: 0, ended: 0 }),
        };
        json!({"name": container.name, "image": container.image, "imageID": "test://init", "state": state,
               "restartCount": 0, "ready": true, "started": sidecar})
    }
}

/// What is said of a pod that no node can take.
pub fn unschedulable(pod: &Pod) -> Value {
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    let condition = condition(pod, "PodScheduled", false, Some("Unschedulable"), Some(message));
    json!({"status": {"phase": "Pending", "conditions": [condition]}})
}

fn phase(moments: &[Moment]) -> &'static str {
    let ended = |moment: &Moment| match &moment.doing {
        Doing::Ended(end) => Some(end.code),
        _ => None,
    };
    if moments.iter().all(|moment| ended(moment).is_some()) {
        let failed = moments.iter().any(|moment| ended(moment) != Some(0));
        return if failed { "Failed" } else { "Succeeded" };
    }
    let never_ran = |moment: &Moment| matches!(moment.doing, Doing::Waiting { .. }) && moment.last.is_none();
    if moments.iter().any(never_ran) { "Pending" } else { "Running" }
}

fn seen<'p>(pod: &'p Pod, kind: &str) -> Option<&'p k8s_openapi::api::core::v1::PodCondition> {
    pod.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

fn holds(pod: &Pod, kind: &str) -> bool {
    seen(pod, kind).is_some_and(|condition| condition.status == "True")
}

/// A condition that keeps its time while it does not turn.
fn condition(pod: &Pod, kind: &str, holds: bool, reason: Option<&str>, message: Option<&str>) -> Value {
    let status = if holds { "True" } else { "False" };
    let same = seen(pod, kind).filter(|condition| condition.status == status);
    let since = same.and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
    let since = since.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
}
