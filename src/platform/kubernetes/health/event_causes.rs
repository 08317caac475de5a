//! What events add to what statuses tell.

use super::fields::{clean, text};
use super::pod_causes::Cause;
use super::probe_words::{creation, mount, probe};
use super::when::timestamp;
use crate::model::{Seconds, Timestamp};
use serde_json::Value;

/// How long an event speaks of the present. Kubelet repeats its own at least every five minutes.
const RECENT: Seconds = 600;

/// The events about one object, by its uid, that are recent enough.
pub(super) fn about<'a>(
    events: &'a [Value],
    uid: &'a str,
    now: Option<Timestamp>,
) -> impl Iterator<Item = &'a Value> {
    events
        .iter()
        .filter(move |event| text(event, "/involvedObject/uid") == Some(uid))
        .filter(move |event| last_time(event).zip(now).is_none_or(|(last, now)| now.since(last) <= RECENT))
}

/// The newest warning about an object that makes no pods, such as a load balancer's or a volume's.
pub fn last_warning(events: &[Value], uid: &str, now: Timestamp) -> Option<String> {
    let warnings = about(events, uid, Some(now)).filter(|event| text(event, "/type") == Some("Warning"));
    let newest = warnings.max_by_key(|event| last_time(event))?;
    let said = clean(text(newest, "/message").unwrap_or_default());
    Some(format!("{}: {said}", clean(text(newest, "/reason").unwrap_or("warning"))))
}

fn last_time(event: &Value) -> Option<Timestamp> {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"]
        .into_iter()
        .find_map(|at| text(event, at).and_then(timestamp))
}

/// What an event about a pod or its owner says is wrong, if it is one of those that matter.
pub(super) fn cause(event: &Value) -> Option<Cause> {
    let message = text(event, "/message").unwrap_or_default();
    let said = match text(event, "/reason")? {
        "Unhealthy" => {
            let container = text(event, "/involvedObject/fieldPath")
                .and_then(|path| path.split_once('{'))
                .map_or(String::new(), |(_, rest)| format!(" (container {})", rest.trim_end_matches('}')));
            format!("{}{container}", probe(message))
        }
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => mount(message),
        "FailedCreatePodSandBox" => "its network or sandbox cannot be set up".to_owned(),
        "FailedCreate" => creation(message),
        _ => return None,
    };
    Some(Cause::passing(said))
}
