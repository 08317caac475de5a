//! Whether what was applied has come to rest, as watches show it.

use super::health::{assess, is_fresh, waits_for_first_pod, without_old_verdicts};
use super::troubles::{Evidence, Found, has_pods};
use super::watch::{Hub, Scope, Sight};
use crate::engine::{Settled, Trouble, TroubleKind};
use crate::kubernetes::{Cluster, Resource};
use crate::model::Health;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// The state of what was deleted while it was waited for.
pub(super) const DELETED: &str = "was deleted by somebody else";

/// What one run waits for. Nothing is watched before something has to be waited for, and all watches end with this
/// value.
pub struct Watches {
    cluster: Cluster,
    hub: Hub,
    /// The label that the application's objects bear, and its value: only such are watched.
    label: (String, String),
    awaited: Mutex<HashMap<(Scope, String), Awaited>>,
    evidence: Evidence,
    /// `volumeBindingMode` by storage class, which never changes.
    binding_modes: Mutex<HashMap<String, Option<String>>>,
}

/// One wait.
#[derive(Clone)]
struct Awaited {
    /// The resource version of the answer that is waited upon.
    version: String,
    mark: u64,
    since: Instant,
    /// What kept it from coming to rest at the last look. The pods that told may go with the failure.
    troubles: Vec<String>,
}

impl Watches {
    /// Of objects that bear this label, on this cluster.
    pub fn new(cluster: Cluster, label: &str, value: &str) -> Watches {
        Watches {
            hub: Hub::new(cluster.clone()),
            evidence: Evidence::new(cluster.clone()),
            cluster,
            label: (label.to_owned(), value.to_owned()),
            awaited: Mutex::default(),
            binding_modes: Mutex::default(),
        }
    }

    /// Whether an object has come to rest on what an apply has made of it. `applied` is the apply's answer, or the
    /// object as it was read if nothing had to be applied. Never waits itself: ask again after [`Watches::changed`], or
    /// after some seconds, since some troubles are final only after a time.
    ///
    /// What is seen is judged only if it is at least as new as `applied`. An object that needs nobody to bring it about
    /// is at rest at once and costs no request.
    ///
    /// # Errors
    /// [`TroubleKind::Denied`] if the kind may not be watched.
    pub async fn settle(&self, resource: &Resource, applied: &Value) -> Result<Settled, Trouble> {
        // What is told to stand still stands still; waiting for it would not end.
        let is_at_rest = |health| matches!(health, Health::Healthy | Health::Suspended);
        self.settle_when(resource, applied, is_at_rest).await
    }

    /// [`Watches::settle`] for those who know better when it is at rest.
    ///
    /// # Errors
    /// Those of [`Watches::settle`].
    pub(super) async fn settle_when(
        &self,
        resource: &Resource,
        applied: &Value,
        is_at_rest: impl Fn(Health) -> bool,
    ) -> Result<Settled, Trouble> {
        let first = assess(applied);
        if is_at_rest(first.health) || self.needs_a_pod_first(applied).await? {
            return Ok(Settled::Steady);
        }
        let scope = self.scope(resource, applied);
        let wait = self.begin(&scope, applied);
        let seen = match self.hub.sight(&scope, applied, wait.mark) {
            Sight::Is(seen) if is_fresh(&seen, applied) => seen,
            Sight::Is(_) | Sight::NotYet(None) if !self.hub.has_overflowed(&scope) => {
                return Ok(Settled::InProgress { state: first.message, troubles: vec![] });
            }
            Sight::NotYet(Some(trouble)) if trouble.kind != TroubleKind::Denied => {
                return Ok(Settled::InProgress { state: first.message, troubles: vec![trouble.to_string()] });
            }
            Sight::NotYet(Some(trouble)) => return Err(trouble),
            Sight::Is(_) | Sight::NotYet(None) => {
                let message = "there are more of them than can be watched".to_owned();
                let doing = format!("watch {}", resource.label());
                return Err(Trouble { kind: TroubleKind::Rejected, doing, message });
            }
            Sight::Gone(last) => {
                self.end(&scope, applied);
                return Ok(gone(last.as_deref()));
            }
        };
        let mut settled = self.judge(&without_old_verdicts(&seen, applied), wait.since, is_at_rest).await?;
        match &mut settled {
            Settled::InProgress { troubles, .. } => self.note(&scope, applied, troubles),
            Settled::Failed { troubles, .. } if troubles.is_empty() => *troubles = wait.troubles,
            Settled::Failed { .. } | Settled::Steady => {}
        }
        if !matches!(settled, Settled::InProgress { .. }) {
            self.end(&scope, applied);
        }
        Ok(settled)
    }

    /// What keeps a workload from coming to rest, for those who read it and judge it themselves: the slots of a rollout.
    /// Nothing is complete until the pods are known. What went wrong before `since` is told, but is not final.
    pub async fn troubles(&self, workload: &Value, since: Instant) -> Found {
        self.evidence.find(&self.hub, workload, since, false).await
    }

    /// Returns after something that is waited for, or a pod that keeps it waiting, has changed.
    pub async fn changed(&self) {
        self.hub.changed().await;
    }

    async fn judge(
        &self,
        seen: &Value,
        since: Instant,
        is_at_rest: impl Fn(Health) -> bool,
    ) -> Result<Settled, Trouble> {
        let report = assess(seen);
        if is_at_rest(report.health) || self.needs_a_pod_first(seen).await? {
            return Ok(Settled::Steady);
        }
        let found = self.evidence.find(&self.hub, seen, since, report.is_final).await;
        let state = report.message;
        // A failure without its reason is worth little, and the pods that tell it are on their way.
        if report.is_final && !found.is_complete && has_pods(seen) {
            return Ok(Settled::InProgress { state, troubles: vec![] });
        }
        let mut troubles = found.sentences;
        // An Application's Event says what its condition says.
        troubles.retain(|trouble| *trouble != state);
        match report.is_final || found.is_final {
            true => Ok(Settled::Failed { state, troubles }),
            false => Ok(Settled::InProgress { state, troubles }),
        }
    }

    fn scope(&self, resource: &Resource, applied: &Value) -> Scope {
        let (key, value) = &self.label;
        let metadata = applied.get("metadata");
        let labels = metadata.and_then(|metadata| metadata.get("labels"));
        // A selector that the object does not match would make it look deleted.
        let is_ours = labels.and_then(|labels| labels.get(key)).and_then(Value::as_str) == Some(value);
        let namespace = metadata.and_then(|metadata| metadata.get("namespace")).and_then(Value::as_str);
        Scope {
            resource: resource.clone(),
            namespace: namespace.filter(|_| resource.namespaced).map(str::to_owned),
            selector: if is_ours { format!("{key}={value}") } else { String::new() },
        }
    }

    /// The wait for this answer, begun now if it is new.
    fn begin(&self, scope: &Scope, applied: &Value) -> Awaited {
        let mark = self.hub.observe(scope);
        let version = text(applied, "resourceVersion").to_owned();
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Awaited { version, mark, since: Instant::now(), troubles: vec![] };
        let wait = awaited.entry((scope.clone(), text(applied, "name").to_owned())).or_insert(new.clone());
        if wait.version != new.version {
            *wait = new;
        }
        wait.clone()
    }

    fn note(&self, scope: &Scope, applied: &Value, troubles: &[String]) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = awaited.get_mut(&(scope.clone(), text(applied, "name").to_owned()));
        if let Some(wait) = wait.filter(|_| !troubles.is_empty()) {
            wait.troubles = troubles.to_vec();
        }
    }

    fn end(&self, scope: &Scope, applied: &Value) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.remove(&(scope.clone(), text(applied, "name").to_owned()));
    }

    /// True for a claim that is bound only when a pod uses it: the pods come in a later turn.
    async fn needs_a_pod_first(&self, object: &Value) -> Result<bool, Trouble> {
        if object.get("kind").and_then(Value::as_str) != Some("PersistentVolumeClaim")
            || !waits_for_first_pod(object, None)
        {
            return Ok(false);
        }
        let class = object.pointer("/spec/storageClassName").and_then(Value::as_str).unwrap_or_default();
        let mode = self.binding_mode(class).await?;
        Ok(waits_for_first_pod(object, mode.as_deref()))
    }

    /// `None` if there is no such class, or if it may not be read.
    async fn binding_mode(&self, class: &str) -> Result<Option<String>, Trouble> {
        if class.is_empty() {
            return Ok(None);
        }
        let known = || self.binding_modes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mode) = known().get(class) {
            return Ok(mode.clone());
        }
        let classes = Resource::known("storage.k8s.io", "v1", "StorageClass", "storageclasses", false);
        let mode = match self.cluster.get(&classes, None, class).await {
            // The API's own default.
            Ok(Some(class)) => {
                let mode = class.get("volumeBindingMode").and_then(Value::as_str);
                Some(mode.unwrap_or("Immediate").to_owned())
            }
            Ok(None) => None,
            Err(trouble) if trouble.kind == TroubleKind::Denied => None,
            Err(trouble) => return Err(trouble),
        };
        known().insert(class.to_owned(), mode.clone());
        Ok(mode)
    }
}

/// What to make of an object that is gone. A Job that cleans up after itself may have come to its end before.
fn gone(last: Option<&Value>) -> Settled {
    let report = last.map(|last| {
        let mut last = Cow::Borrowed(last);
        if let Some(Value::Object(metadata)) = last.to_mut().get_mut("metadata") {
            metadata.remove("deletionTimestamp");
        }
        assess(&last)
    });
    match report {
        Some(report) if report.health == Health::Healthy => Settled::Steady,
        Some(report) if report.is_final => Settled::Failed { state: report.message, troubles: vec![] },
        _ => Settled::Failed { state: DELETED.into(), troubles: vec![] },
    }
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get(field))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Objects as watches and lists give them.
pub(super) type Objects = Arc<Vec<Value>>;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_that_cleaned_up_after_itself_ended_as_it_was_last_seen() {
        let job = |kind: &str| {
            json!({"apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": "load", "deletionTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"conditions": [{"type": kind, "status": "True", "reason": "Why"}]}})
        };
        assert_eq!(gone(Some(&job("Complete"))), Settled::Steady);
        let failed = |state: &str| Settled::Failed { state: state.into(), troubles: vec![] };
        assert_eq!(gone(Some(&job("Failed"))), failed("failed: Why"));
        assert_eq!(gone(Some(&job("Suspended"))), failed("was deleted by somebody else"));
        assert_eq!(gone(None), failed("was deleted by somebody else"));
    }
}
