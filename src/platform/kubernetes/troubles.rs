//! Why something does not come to rest: its pods, and events where statuses do not tell.

use super::health::{Moment, PodsOf, is_seen, last_warning, pods_of, reasons, timestamp};
use super::watch::{Hub, Scope};
use super::watches::Objects;
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::{Cluster, Resource};
use crate::model::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long something may take before events are asked for: most things need less, and events come late.
const PATIENCE: Duration = Duration::from_secs(20);
/// Events are not read again before that, and each time not before twice as long.
const FIRST_GAP: Duration = Duration::from_secs(30);
const LAST_GAP: Duration = Duration::from_secs(300);
/// ReplicaSets whose Deployments are being waited for are read again after that, if the present one is not among them.
const SETS_GAP: Duration = Duration::from_secs(5);

/// The kinds that make pods.
const WITH_PODS: &[&str] =
    &["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job", "Pod"];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub sentences: Vec<String>,
    /// True if one of them cannot heal by waiting, and is about what was applied and not about an older revision.
    pub is_final: bool,
    /// False while the pods are not known yet.
    pub is_complete: bool,
}

/// Reads, besides what is watched: rarely, and only when something goes wrong or takes long.
pub(super) struct Evidence {
    cluster: Cluster,
    /// Warnings, by namespace.
    events: Mutex<HashMap<String, Read>>,
    /// The ReplicaSets of a Deployment, by its uid.
    replica_sets: Mutex<HashMap<String, Read>>,
}

/// The last read, when it was, and for how long it will do.
struct Read {
    objects: Result<Objects, Trouble>,
    at: Instant,
    gap: Duration,
}

/// True for a kind that makes pods.
pub(super) fn has_pods(object: &Value) -> bool {
    let kind = text(object, "/kind");
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    WITH_PODS.contains(&kind) && matches!(group, "" | "apps" | "batch")
}

impl Evidence {
    pub fn new(cluster: Cluster) -> Evidence {
        Evidence { cluster, events: Mutex::default(), replica_sets: Mutex::default() }
    }

    /// What keeps `object` from coming to rest, waited for since then. `has_failed`: it has given up by itself. None of
    /// the reads here is needed to go on, so one that fails is a sentence among the others.
    pub async fn find(&self, hub: &Hub, object: &Value, since: Instant, has_failed: bool) -> Found {
        if !is_seen(object) {
            // Its controller has not begun, so whatever is wrong is wrong with something else.
            return Found { is_complete: true, ..Found::default() };
        }
        let at = self.moment(since);
        let takes_long = has_failed || since.elapsed() >= PATIENCE;
        if !has_pods(object) {
            let mut found = Found { is_complete: true, ..Found::default() };
            if takes_long {
                match self.events(object).await {
                    Ok(events) => found.sentences.extend(last_warning(&events, uid(object), at.now)),
                    Err(trouble) => found.sentences.push(trouble.to_string()),
                }
            }
            return found;
        }
        let scope = pods_beside(object);
        hub.observe(&scope);
        let pods = match hub.everything(&scope) {
            Ok(pods) => pods,
            Err(None) => return Found::default(),
            Err(Some(trouble)) => {
                let is_complete = trouble.kind == TroubleKind::Denied || since.elapsed() >= PATIENCE;
                return Found { sentences: vec![trouble.to_string()], is_final: false, is_complete };
            }
        };
        let mut notes = vec![];
        let sets = match sets_needed(object, &pods, at) {
            false => Objects::default(),
            true => self.replica_sets(object).await.unwrap_or_else(|trouble| {
                notes.push(trouble.to_string());
                Objects::default()
            }),
        };
        let PodsOf { pods, is_exact } = pods_of(object, &sets, pods.iter().map(Arc::as_ref));
        let mut told = reasons(&pods, &[uid(object)], &[], at);
        if takes_long && told.sentences.is_empty() {
            match self.events(object).await {
                Ok(events) => told = reasons(&pods, &[uid(object)], &events, at),
                Err(trouble) => notes.push(trouble.to_string()),
            }
        }
        let sentences = told.sentences.into_iter().chain(notes).collect();
        Found { sentences, is_final: told.is_final && is_exact, is_complete: true }
    }

    /// Now, and when a wait began, by the API server's clock.
    fn moment(&self, since: Instant) -> Moment {
        let now = self.cluster.clock().now();
        Moment { now, since: Timestamp(now.0.saturating_sub(since.elapsed().as_secs())) }
    }

    async fn replica_sets(&self, deployment: &Value) -> Result<Objects, Trouble> {
        let mut known = self.replica_sets.lock().await;
        if let Some(read) = known.get(uid(deployment)) {
            let is_present = |sets: &Objects| pods_of(deployment, sets, []).is_exact;
            if read.at.elapsed() < read.gap || read.objects.as_ref().is_ok_and(is_present) {
                return read.objects.clone();
            }
        }
        let sets = Resource::known("apps", "v1", "ReplicaSet", "replicasets", true);
        let labels = deployment.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        let selector: Vec<String> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let namespace = text(deployment, "/metadata/namespace");
        let listed = self.cluster.list(&sets, Some(namespace), &selector.join(",")).await;
        let objects = listed.map(|sets| Arc::new(sets.into_iter().map(without_spec).collect::<Vec<_>>()));
        let read = Read { objects: objects.clone(), at: Instant::now(), gap: SETS_GAP };
        known.insert(uid(deployment).to_owned(), read);
        objects
    }

    /// The warnings of an object's namespace; those about objects that lie in none are in `default`.
    async fn events(&self, object: &Value) -> Result<Objects, Trouble> {
        let namespace = match text(object, "/metadata/namespace") {
            "" => "default",
            namespace => namespace,
        };
        let mut known = self.events.lock().await;
        let gap = match known.get(namespace) {
            Some(read) if read.at.elapsed() < read.gap => return read.objects.clone(),
            Some(read) => (2 * read.gap).min(LAST_GAP),
            None => FIRST_GAP,
        };
        let events = Resource::known("", "v1", "Event", "events", true);
        let listed = self.cluster.list_where(&events, Some(namespace), "", "type=Warning").await;
        let objects = listed.map(Arc::new);
        known.insert(namespace.to_owned(), Read { objects: objects.clone(), at: Instant::now(), gap });
        objects
    }
}

/// Only with its ReplicaSets can a Deployment's pods be told from those of its older revisions; as long as none of what
/// may be its pods has a trouble, nobody needs to know.
fn sets_needed(object: &Value, pods: &[Arc<Value>], at: Moment) -> bool {
    let prefix = format!("{}-", text(object, "/metadata/name"));
    let of_a_set = |pod: &Value| {
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        owners
            .into_iter()
            .flatten()
            .any(|owner| text(owner, "/kind") == "ReplicaSet" && text(owner, "/name").starts_with(&prefix))
    };
    let likely: Vec<&Value> = pods.iter().map(Arc::as_ref).filter(|pod| of_a_set(pod)).collect();
    let is_old = |pod: &&Value| {
        let made = timestamp(text(pod, "/metadata/creationTimestamp"));
        made.is_some_and(|made| at.now.since(made) >= PATIENCE.as_secs())
    };
    text(object, "/kind") == "Deployment"
        && (likely.iter().any(is_old) || !reasons(&likely, &[], &[], at).sentences.is_empty())
}

/// All pods of the object's namespace: what belongs to whom is told by their owners, and most are not kept.
fn pods_beside(object: &Value) -> Scope {
    Scope {
        resource: Resource::known("", "v1", "Pod", "pods", true),
        namespace: Some(text(object, "/metadata/namespace").to_owned()),
        selector: String::new(),
    }
}

/// Of a ReplicaSet its metadata does.
fn without_spec(mut set: Value) -> Value {
    if let Some(fields) = set.as_object_mut() {
        fields.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata"));
    }
    set
}

fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
