//! Kubernetes Events about Applications (`kubectl events --for application/shop`).

use crate::config::CUTOVER_API;
use crate::controller::{Occurrence, Voice};
use crate::engine::TroubleKind;
use crate::kubernetes::{Cluster, Resource};
use crate::model::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Events that wait to be written. More are dropped: what counts is in the status as well.
const AHEAD: usize = 256;
/// The same again within that time counts up the same Event. API servers keep Events for an hour.
const SERIES: u64 = 600;
/// Series that are remembered.
const REMEMBERED: usize = 1_000;
/// Bytes of a note, as the API server bounds it.
const NOTE: usize = 1_024;
const CONTROLLER: &str = "cutover.dev/controller";

/// Writes an Event for each occurrence, one after the other.
pub struct KubernetesEvents {
    queue: mpsc::Sender<Occurrence>,
    dropped: AtomicU64,
}

impl KubernetesEvents {
    /// Writes to the cluster that the Applications are in. `instance` names this process: the pod.
    pub fn new(cluster: &Cluster, instance: &str) -> KubernetesEvents {
        let (queue, mut waiting) = mpsc::channel(AHEAD);
        let cluster = cluster.without_guard();
        let mut journal = Journal::new(instance);
        tokio::spawn(async move {
            let mut is_failing = false;
            while let Some(occurrence) = waiting.recv().await {
                let written = write(&cluster, &mut journal, &occurrence).await;
                if let (Err(trouble), false) = (&written, is_failing) {
                    let (application, revision) = (&occurrence.application, &occurrence.revision);
                    tracing::warn!(
                        %application, revision, phase = "reporting", "no Events can be written: {trouble}"
                    );
                }
                is_failing = written.is_err();
            }
        });
        KubernetesEvents { queue, dropped: AtomicU64::new(0) }
    }
}

impl Voice for KubernetesEvents {
    fn tell(&self, occurrence: &Occurrence) {
        // An Application of a folder is no object that an Event could be about.
        if occurrence.application.namespace.is_empty() {
            return;
        }
        if self.queue.try_send(occurrence.clone()).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!("{dropped} Events have been dropped: the API server takes them too slowly");
            }
        }
    }
}

async fn write(
    cluster: &Cluster,
    journal: &mut Journal,
    occurrence: &Occurrence,
) -> Result<(), crate::engine::Trouble> {
    let events = Resource::known("events.k8s.io", "v1", "Event", "events", true);
    let namespace = Some(occurrence.application.namespace.as_str());
    if let Some((name, patch)) = journal.again(occurrence) {
        match cluster.merge_patch(&events, namespace, &name, &patch).await {
            Err(trouble) if trouble.kind == TroubleKind::Missing => {}
            other => return other.map(|_| ()),
        }
    }
    let event = journal.first(occurrence);
    cluster.create(&events, namespace, &event).await.map(|_| ())
}

/// What has been written lately. Pure.
struct Journal {
    instance: String,
    /// How many Events were made: no two have the same name.
    made: u64,
    series: HashMap<[u8; 32], Series>,
}

struct Series {
    name: String,
    count: u64,
    last: Timestamp,
}

impl Journal {
    fn new(instance: &str) -> Journal {
        Journal { instance: instance.chars().take(128).collect(), made: 0, series: HashMap::new() }
    }

    /// Name and patch of the Event that said the same a while ago.
    fn again(&mut self, occurrence: &Occurrence) -> Option<(String, Value)> {
        let series = self.series.get_mut(&subject(occurrence))?;
        if occurrence.time.since(series.last) > SERIES {
            return None;
        }
        series.count += 1;
        series.last = series.last.max(occurrence.time);
        let patch = json!({"series": {"count": series.count, "lastObservedTime": micro(series.last)}});
        Some((series.name.clone(), patch))
    }

    /// A new Event.
    fn first(&mut self, occurrence: &Occurrence) -> Value {
        let subject = subject(occurrence);
        self.made += 1;
        let mut hash = Sha256::new_with_prefix(subject);
        hash.update(format!("{} {} {}", self.instance, occurrence.time, self.made));
        let suffix: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let application = &occurrence.application;
        let name = format!("{}.{suffix}", application.name.chars().take(200).collect::<String>());
        if self.series.len() >= REMEMBERED {
            self.series.retain(|_, series| occurrence.time.since(series.last) <= SERIES);
        }
        if self.series.len() < REMEMBERED {
            let series = Series { name: name.clone(), count: 1, last: occurrence.time };
            self.series.insert(subject, series);
        }
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": application.namespace},
            "eventTime": micro(occurrence.time),
            "reportingController": CONTROLLER,
            "reportingInstance": self.instance,
            "action": "Reconcile",
            "reason": format!("{:?}", occurrence.kind),
            "regarding": {
                "apiVersion": CUTOVER_API,
                "kind": "Application",
                "namespace": application.namespace,
                "name": application.name,
                "uid": occurrence.uid,
            },
            "note": clip(&occurrence.text),
            "type": if occurrence.kind.is_warning() { "Warning" } else { "Normal" },
        })
    }
}

/// What an occurrence is about: the same text about the same workload is the same again.
fn subject(occurrence: &Occurrence) -> [u8; 32] {
    let Occurrence { application, uid, kind, workload, text, .. } = occurrence;
    Sha256::digest(format!("{application}\n{uid}\n{kind:?}\n{workload}\n{text}")).into()
}

fn micro(time: Timestamp) -> String {
    time.to_string().replace('Z', ".000000Z")
}

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(NOTE)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::OccurrenceKind;
    use crate::model::AppKey;

    fn failed(text: &str, second: u64) -> Occurrence {
        Occurrence {
            application: AppKey { namespace: "team-a".into(), name: "shop".into() },
            uid: "u1".into(),
            kind: OccurrenceKind::SyncFailed,
            workload: String::new(),
            revision: "a".repeat(40),
            repository: "https://git.example/x.git".into(),
            text: text.into(),
            time: Timestamp(1_700_000_000 + second),
        }
    }

    #[test]
    fn the_same_again_counts_up_and_after_a_while_is_a_new_event() {
        let mut journal = Journal::new("cutover-0");
        assert!(journal.again(&failed("no", 0)).is_none());
        let first = journal.first(&failed("no", 0));
        let name = first["metadata"]["name"].as_str().expect("a name").to_owned();
        assert_eq!(
            (first["type"].as_str(), first["reason"].as_str(), first["eventTime"].as_str()),
            (Some("Warning"), Some("SyncFailed"), Some("2023-11-14T22:13:20.000000Z"))
        );
        let (again, patch) = journal.again(&failed("no", 60)).expect("the same");
        assert_eq!(again, name);
        assert_eq!(patch, json!({"series": {"count": 2, "lastObservedTime": "2023-11-14T22:14:20.000000Z"}}));
        assert!(journal.again(&failed("another", 60)).is_none());
        assert!(journal.again(&failed("no", 60 + SERIES + 1)).is_none());
        assert_ne!(journal.first(&failed("no", 0))["metadata"]["name"], name.as_str());
    }

    #[test]
    fn what_is_remembered_and_what_is_noted_is_bounded() {
        let mut journal = Journal::new(&"x".repeat(300));
        for number in 0..2 * REMEMBERED {
            journal.first(&failed(&number.to_string(), 0));
        }
        assert_eq!(journal.series.len(), REMEMBERED);
        let event = journal.first(&failed(&"ä".repeat(NOTE), 2 * SERIES));
        assert_eq!(event["note"].as_str().map(str::len), Some(NOTE));
        assert_eq!(event["reportingInstance"].as_str().map(str::len), Some(128));
        assert_eq!(journal.series.len(), 1);
    }
}
