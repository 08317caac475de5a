//! What keeps one pod from being ready, by its own status, and when that is beyond waiting.

use super::fields::{clean, condition, count, items, number, text};
use super::pull_words::why_not_pulled;
use super::when::timestamp;
use crate::model::{Seconds, Timestamp};
use serde_json::Value;

/// One thing that is wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// The same for all pods that have it.
    pub text: String,
    pub is_final: bool,
    /// How often the container has been started again.
    pub restarts: u64,
}

impl Cause {
    pub fn passing(text: impl Into<String>) -> Cause {
        Cause { text: text.into(), is_final: false, restarts: 0 }
    }
}

/// When a container's trouble is taken for final.
enum GivesUp {
    /// Only another document changes it.
    AtOnce,
    /// It may be a passing trouble of that long: an image that a build is about to push, a registry's bad hour.
    After(Seconds),
    /// A program may need several tries until what it depends on is there. Five take about five minutes with the usual
    /// back-off of 10, 20, 40, 80 and 160 seconds.
    AfterRestarts(u64),
    /// Something else may come and heal it: a Secret from an operator, a node, a lifted quota.
    Never,
}

const CRASHES: u64 = 5;

/// When pods are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the API server's clock.
    pub now: Timestamp,
    /// When the wait for them began. What went wrong before is not held against it: the Secret that was missing may have
    /// come with this very sync, and a kubelet tries again only every five minutes.
    pub since: Timestamp,
}

/// What keeps the pod from being ready. `pull_hint` is what events say about its images, for kubelets whose status does
/// not. Without a time only that is final which no time heals.
pub(super) fn pod_causes(pod: &Value, pull_hint: &str, at: Option<Moment>) -> Vec<Cause> {
    let is_over = text(pod, "/status/phase") == Some("Succeeded");
    if is_over || text(pod, "/metadata/deletionTimestamp").is_some() {
        return vec![];
    }
    if let Some(cause) = unscheduled(pod) {
        return vec![cause];
    }
    let is_lost = text(pod, "/status/phase") == Some("Failed");
    if let Some(reason) = text(pod, "/status/reason").filter(|_| is_lost) {
        let said = text(pod, "/status/message").map(|message| format!(": {}", clean(message)));
        return vec![Cause::passing(format!("{}{}", clean(reason), said.unwrap_or_default()))];
    }
    let began = text(pod, "/status/startTime").or_else(|| text(pod, "/metadata/creationTimestamp"));
    let began = began.and_then(timestamp).unwrap_or_default();
    let age = at.map(|at| at.now.since(began.max(at.since)));
    let containers =
        items(pod, "/status/initContainerStatuses").chain(items(pod, "/status/containerStatuses"));
    let mut causes: Vec<Cause> =
        containers.filter_map(|status| container(pod, status, pull_hint, at, age)).collect();
    if causes.is_empty() {
        causes.extend(gates(pod));
    }
    causes
}

fn unscheduled(pod: &Value) -> Option<Cause> {
    let scheduled = condition(pod, "PodScheduled").filter(|c| c.status == "False")?;
    let text = match scheduled.reason {
        "SchedulingGated" => "is held by a scheduling gate".to_owned(),
        _ => format!("cannot be scheduled: {}", scheduled.sentence()),
    };
    Some(Cause::passing(text))
}

/// Readiness gates that are still closed while all containers are ready: a load balancer has not taken the pod up.
fn gates(pod: &Value) -> Option<Cause> {
    condition(pod, "ContainersReady").filter(|c| c.holds())?;
    let closed = items(pod, "/spec/readinessGates")
        .filter_map(|gate| text(gate, "/conditionType"))
        .find(|gate| !condition(pod, gate).is_some_and(|c| c.holds()))?;
    Some(Cause::passing(format!("waits for readiness gate {}", clean(closed))))
}

fn container(
    pod: &Value,
    status: &Value,
    pull_hint: &str,
    at: Option<Moment>,
    age: Option<Seconds>,
) -> Option<Cause> {
    let name = clean(text(status, "/name").unwrap_or("?"));
    let restarts = count(status, "/restartCount");
    let (said, gives_up) = match text(status, "/state/waiting/reason") {
        Some(reason) => {
            let message = text(status, "/state/waiting/message").unwrap_or_default();
            waiting(pod, status, &name, reason, message, pull_hint)?
        }
        None => (crashed(status, &name)?, GivesUp::Never),
    };
    let is_of_job = items(pod, "/metadata/ownerReferences").any(|owner| text(owner, "/kind") == Some("Job"));
    let is_final = match gives_up {
        GivesUp::AtOnce => true,
        GivesUp::After(seconds) => age.is_some_and(|age| age >= seconds),
        // A Job has a limit of its own.
        GivesUp::AfterRestarts(limit) => {
            restarts >= limit && !is_of_job && at.is_some_and(|at| is_news(status, at))
        }
        GivesUp::Never => false,
    };
    Some(Cause { text: said, is_final, restarts })
}

/// True if the container ended last after the wait began.
fn is_news(status: &Value, at: Moment) -> bool {
    let ended = text(status, "/lastState/terminated/finishedAt").and_then(timestamp);
    ended.is_some_and(|ended| ended >= at.since)
}

/// The table of what a kubelet may be waiting for.
fn waiting(
    pod: &Value,
    status: &Value,
    name: &str,
    reason: &str,
    message: &str,
    pull_hint: &str,
) -> Option<(String, GivesUp)> {
    let image = || image_of(pod, status, name);
    Some(match reason {
        "ContainerCreating" | "PodInitializing" => return None,
        "InvalidImageName" => (format!("{} is no image name (container {name})", image()), GivesUp::AtOnce),
        "ErrImageNeverPull" => {
            let text =
                format!("image {} of container {name} is not on the node and may not be pulled", image());
            (text, GivesUp::AtOnce)
        }
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" | "SignatureValidationFailed" => {
            let (mut why, mut seconds) = why_not_pulled(message);
            if why.is_empty() {
                (why, seconds) = why_not_pulled(pull_hint);
            }
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            let text = format!("image {} of container {name} cannot be pulled{why}", image());
            (text, GivesUp::After(seconds))
        }
        "CrashLoopBackOff" => {
            let end = ended(status, "/lastState/terminated").unwrap_or_default();
            (format!("container {name} keeps crashing{end}"), GivesUp::AfterRestarts(CRASHES))
        }
        "CreateContainerConfigError" => {
            let gives_up = if message.contains("runAsNonRoot") { GivesUp::AtOnce } else { GivesUp::Never };
            (format!("container {name} cannot be set up{}", set_up_words(message)), gives_up)
        }
        "CreateContainerError" | "RunContainerError" | "StartError" => (
            format!("container {name} cannot be started{}", start_words(message)),
            GivesUp::AfterRestarts(CRASHES),
        ),
        other => (format!("container {name} waits: {}", clean(other)), GivesUp::Never),
    })
}

fn image_of(pod: &Value, status: &Value, name: &str) -> String {
    let declared = items(pod, "/spec/containers").chain(items(pod, "/spec/initContainers"));
    let mut declared = declared.filter(|one| text(one, "/name") == Some(name));
    let image = declared.find_map(|one| text(one, "/image")).or_else(|| text(status, "/image"));
    clean(image.unwrap_or("?"))
}

/// Kubelet's own sentences about what is missing; they hold names only. Anything else is left out.
fn set_up_words(message: &str) -> String {
    let known = ["secret \"", "configmap \"", "couldn't find key ", "container has runAsNonRoot"];
    if known.iter().any(|words| message.starts_with(words)) {
        return format!(": {}", clean(message));
    }
    String::new()
}

/// A runtime's message holds the whole command line, which may hold what nobody should read.
fn start_words(message: &str) -> &'static str {
    [
        ("executable file not found", ": its command is not in the image"),
        ("no such file or directory", ": its command, or what that needs, is not in the image"),
        ("exec format error", ": it is not built for the node's kind"),
        ("permission denied", ": its command may not be executed"),
    ]
    .iter()
    .find(|(words, _)| message.contains(words))
    .map_or("", |(_, meaning)| meaning)
}

/// A container that has ended badly, or runs again after it did and is not ready yet. The termination message is the
/// program's own text and is not repeated.
fn crashed(status: &Value, name: &str) -> Option<String> {
    if let Some(end) = ended(status, "/state/terminated") {
        return Some(format!("container {name} ended{end}"));
    }
    let is_ready = status.get("ready").and_then(Value::as_bool) == Some(true);
    let end = ended(status, "/lastState/terminated").filter(|_| !is_ready)?;
    Some(format!("container {name} was started again after it ended{end}"))
}

/// `: exit code 137 (OOMKilled)`; `None` if it did not end, or ended well.
fn ended(status: &Value, pointer: &str) -> Option<String> {
    let end = status.pointer(pointer)?;
    let code = number(end, "/exitCode").unwrap_or(0);
    let reason = text(end, "/reason").unwrap_or("Error");
    if code == 0 && reason != "OOMKilled" {
        return None;
    }
    Some(format!(": exit code {code} ({})", clean(reason)))
}
