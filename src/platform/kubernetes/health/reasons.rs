//! Why pods do not become ready, for people, and whether waiting can help.

use super::event_causes::{about, cause};
use super::fields::text;
use super::pod_causes::{Cause, Moment, pod_causes};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many different sentences are worth reading.
const SENTENCES: usize = 5;

/// What is wrong with the pods of one workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// The final ones first, then by how many pods have them: `3 pods: image … cannot be pulled: it does not exist`.
    pub sentences: Vec<String>,
    /// True if one of them cannot heal by waiting.
    pub is_final: bool,
}

#[derive(Default)]
struct Group {
    pods: BTreeSet<String>,
    is_final: bool,
    restarts: u64,
}

/// Puts into words what keeps `pods` from being ready. `owners` are the uids of what makes the pods, whose events tell
/// why there are none. `events` are core/v1 ones of the namespace; only some kinds are read, and of their text only what
/// is known to be harmless.
pub fn reasons(pods: &[&Value], owners: &[&str], events: &[Value], at: Moment) -> Reasons {
    let now = Some(at.now);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut add = |pod: &str, cause: Cause| {
        let group = groups.entry(cause.text).or_default();
        group.pods.extend((!pod.is_empty()).then(|| pod.to_owned()));
        group.is_final |= cause.is_final;
        group.restarts = group.restarts.max(cause.restarts);
    };
    for owner in owners {
        about(events, owner, now).filter_map(cause).for_each(|cause| add("", cause));
    }
    for pod in pods {
        let uid = text(pod, "/metadata/uid").unwrap_or_default();
        let name = text(pod, "/metadata/name").unwrap_or("?");
        let pull = about(events, uid, now).filter(|event| text(event, "/reason") == Some("Failed"));
        let pull_hint = pull.filter_map(|event| text(event, "/message")).last().unwrap_or_default();
        let own = pod_causes(pod, pull_hint, Some(at));
        // A container that crashes fails its probe too, which is no reason of its own.
        if own.is_empty() && !is_ready(pod) {
            about(events, uid, now).filter_map(cause).for_each(|cause| add(name, cause));
        }
        own.into_iter().for_each(|cause| add(name, cause));
    }
    let is_final = groups.values().any(|group| group.is_final);
    let mut sorted: Vec<(String, Group)> = groups.into_iter().collect();
    sorted.sort_by_key(|(_, group)| (!group.is_final, std::cmp::Reverse(group.pods.len())));
    let left = sorted.len().saturating_sub(SENTENCES);
    let mut sentences: Vec<String> = sorted.into_iter().take(SENTENCES).map(sentence).collect();
    if left > 0 {
        sentences.push(format!("and {left} more"));
    }
    Reasons { sentences, is_final }
}

fn sentence((text, group): (String, Group)) -> String {
    let restarts = match group.restarts {
        0 => String::new(),
        1 => ", 1 restart".to_owned(),
        count => format!(", {count} restarts"),
    };
    match (group.pods.len(), group.pods.first()) {
        (1, Some(pod)) => format!("pod {pod}: {text}{restarts}"),
        (0, _) => format!("{text}{restarts}"),
        (count, _) => format!("{count} pods: {text}{restarts}"),
    }
}

fn is_ready(pod: &Value) -> bool {
    super::fields::condition(pod, "Ready").is_some_and(|ready| ready.holds())
}
