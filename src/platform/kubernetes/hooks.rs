//! Hooks: Jobs that run once for a content, before a sync, after it, or when it failed.
//!
//! A hook bears the hash of everything that is synced and of itself. A Job that is there with this hash has run, runs,
//! or has failed for this content; one with another hash is of an older one and makes room. Since Jobs may delete
//! themselves after a while, the end of a run is written down in the ApplySet's ConfigMap, too. So a repair of drift runs
//! no hook, and neither does a Job that is gone run again.

use super::Kubernetes;
use super::applyset::Parent;
use super::desired::Wanted;
use super::jobs::{FAILED, GONE_FAILED, deletes_itself};
use super::watches::DELETED;
use crate::engine::{Settled, Trouble, TroubleKind};
use crate::kubernetes::{Apply, Preconditions, Propagation};
use crate::model::{Health, HookPhase, Manifests, Object, ObjectKey};
use crate::plan::WouldBe;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The content that a Job runs, or ran, for.
pub(super) const HOOK_FOR: &str = "cutover.dev/hook-for";

/// How a hook's Job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    Running,
    Complete,
    Failed,
}

/// The hooks of one application at one content.
pub(super) struct Hooks {
    content: String,
    done: BTreeMap<String, String>,
}

impl Hooks {
    /// `parent` tells what has run before.
    pub(super) fn new(manifests: &Manifests, parent: &Parent) -> Hooks {
        Hooks { content: content(manifests), done: parent.data.clone() }
    }

    /// The hash of all that is synced and of the hook itself.
    pub(super) fn hash(&self, hook: &Object) -> String {
        hash_of(&self.content, hook)
    }

    /// [`WouldBe::Unasked`] for what has to run: nobody can tell beforehand what comes of it.
    pub(super) fn would_be(&self, hook: &Object, live: Option<&Value>) -> WouldBe {
        let hash = self.hash(hook);
        let is_done = self.done.get(&record_name(&hook.key)) == Some(&hash);
        let is_there = live.is_some_and(|job| runs_for(job) == Some(hash.as_str()));
        if is_done || is_there || self.has_failed(hook) { WouldBe::Same } else { WouldBe::Unasked }
    }

    /// True if its run for this content failed, and its Job deleted itself or will.
    pub(super) fn has_failed(&self, hook: &Object) -> bool {
        self.done.get(&record_name(&hook.key)).is_some_and(|end| *end == self.hash(hook) + FAILED)
    }

    /// What was written down of runs before.
    pub(super) fn noted(&self) -> &BTreeMap<String, String> {
        &self.done
    }

    /// True while a Job's end is awaited or not written down.
    pub(super) fn awaits(&self, job: &Value) -> bool {
        let hash = runs_for(job).unwrap_or_default();
        job_state(job) != JobState::Complete || !self.done.values().any(|done| done == hash)
    }
}

/// True for a document that is run in place of being kept. What else bears a hook's annotation is applied in that phase
/// like any other object.
pub(super) fn is_hook(object: &Object) -> bool {
    object.turn.phase != HookPhase::Sync && object.key.is("batch", "Job")
}

/// True for a Job that was made as a hook.
pub(super) fn is_of_hook(live: &Value) -> bool {
    runs_for(live).is_some()
}

/// True where the document asks for the Job to be deleted after a good end, in Argo CD's words or in Helm's. A failed one
/// stays whatever it asks for: its logs are needed, and it is what keeps the hook from running again and again.
fn goes_once_done(hook: &Object) -> bool {
    let asks = |key: &str, policy: &str| {
        hook.annotation(key).is_some_and(|text| text.split(',').any(|word| word.trim() == policy))
    };
    asks("argocd.argoproj.io/hook-delete-policy", "HookSucceeded")
        || asks("helm.sh/hook-delete-policy", "hook-succeeded")
}

fn runs_for(job: &Value) -> Option<&str> {
    job.get("metadata")?.get("annotations")?.get(HOOK_FOR)?.as_str()
}

/// What is synced, hooks aside. The order of fields in a document is no content.
fn content(manifests: &Manifests) -> String {
    let mut hash = Sha256::new();
    for object in manifests.objects.values().filter(|object| !is_hook(object)) {
        hash.update(object.key.to_string());
        hash.update(canonical(&object.body));
    }
    hex(&hash.finalize())
}

/// The hash of `content` and of the document itself.
pub(super) fn hash_of(content: &str, hook: &Object) -> String {
    let mut hash = Sha256::new();
    hash.update(content);
    hash.update(canonical(&hook.body));
    let mut digits = hex(&hash.finalize());
    digits.truncate(32);
    digits
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// JSON text with fields in alphabetical order.
fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let ordered: BTreeMap<&String, Value> =
                    fields.iter().map(|(name, value)| (name, sorted(value))).collect();
                Value::Object(ordered.into_iter().map(|(name, value)| (name.clone(), value)).collect())
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            scalar => scalar.clone(),
        }
    }
    sorted(value).to_string()
}

/// The key in the ConfigMap under which a hook's last content is kept; at most 253 letters of few kinds.
fn record_name(key: &ObjectKey) -> String {
    let text = format!("hook.{}.{}", key.namespace.as_deref().unwrap_or_default(), key.name);
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).take(253).collect()
}

pub(super) fn job_state(job: &Value) -> JobState {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let is_true = |kind: &str| conditions.clone().any(|c| c["type"] == kind && c["status"] == "True");
    if is_true("Complete") {
        JobState::Complete
    } else if is_true("Failed") {
        JobState::Failed
    } else {
        JobState::Running
    }
}

impl Kubernetes {
    /// Makes the hook's Job, after an older one has made room. Nothing is done for a content that it has run for.
    pub(super) async fn apply_hook(&self, manifests: &Manifests, wanted: &Wanted<'_>) -> Result<(), Trouble> {
        let parent = self.inventory.read(&self.cluster, &self.identity).await?;
        let hooks = Hooks::new(manifests, &parent);
        let live = self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?;
        if hooks.would_be(wanted.object, live.as_ref()) == WouldBe::Same {
            return Ok(());
        }
        if let Some(live) = live {
            return self.make_room(wanted, &live).await;
        }
        self.inventory.widen(&self.cluster, &self.identity, &wanted.key).await?;
        let mut body = wanted.body(&self.identity);
        body["metadata"]["annotations"][HOOK_FOR] = hooks.hash(wanted.object).into();
        let applied = self.cluster.apply(&wanted.resource, wanted.namespace(), &body, Apply::default()).await;
        let applied =
            applied.map_err(|refusal| refusal.into_trouble(&format!("running the hook {}", wanted.key)))?;
        self.applied.note(&wanted.key, applied);
        Ok(())
    }

    /// Deletes a Job of ours, and says that it has to be waited for.
    pub(super) async fn make_room(&self, wanted: &Wanted<'_>, live: &Value) -> Result<(), Trouble> {
        let doing = format!("replacing {}", wanted.key);
        if !self.identity.owns(live) {
            let message = "there is one that this application did not make; rename the document, or delete the other one";
            return Err(Trouble { kind: TroubleKind::Rejected, doing, message: message.into() });
        }
        if live.pointer("/metadata/deletionTimestamp").is_none() {
            let same = Preconditions::same_object(live);
            let (namespace, name) = (wanted.namespace(), wanted.key.name.as_str());
            self.cluster.delete(&wanted.resource, namespace, name, &same, Propagation::Background).await?;
            if self.cluster.get(&wanted.resource, namespace, name).await?.is_none() {
                return Err(Trouble {
                    kind: TroubleKind::LookAgain,
                    doing,
                    message: "the old one is gone".into(),
                });
            }
        }
        Err(Trouble {
            kind: TroubleKind::Transient,
            doing,
            message: "the old one is still being deleted".into(),
        })
    }

    /// Deletes the Job of a hook whose good end is written down. Its pods go with it.
    async fn take_away(&self, wanted: &Wanted<'_>, job: &Value) -> Result<(), Trouble> {
        let same = Preconditions::same_object(job);
        let (namespace, name) = (wanted.namespace(), wanted.key.name.as_str());
        self.cluster.delete(&wanted.resource, namespace, name, &same, Propagation::Background).await?;
        self.applied.forget(&wanted.key);
        Ok(())
    }

    /// Whether the hook's run is over; its good end is written down.
    pub(super) async fn settle_hook(
        &self,
        manifests: &Manifests,
        wanted: &Wanted<'_>,
    ) -> Result<Settled, Trouble> {
        let hash = hash_of(&content(manifests), wanted.object);
        let is_it = |job: &Value| runs_for(job) == Some(hash.as_str());
        let job = match self.applied.of(&wanted.key).filter(|job| is_it(job)) {
            Some(job) => Some(job),
            None => {
                let live = self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?;
                live.filter(is_it).map(|live| self.applied.note(&wanted.key, live))
            }
        };
        let Some(job) = job else {
            // It deleted itself after its end, or somebody else did; a content that was noted has had its run.
            let parent = self.inventory.read(&self.cluster, &self.identity).await?;
            let noted =
                parent.data.get(&record_name(&wanted.object.key)).and_then(|end| end.strip_prefix(&hash));
            let failed = |state: &str| Settled::Failed { state: state.into(), troubles: vec![] };
            return Ok(match noted {
                Some("") => Settled::Steady,
                Some(FAILED) => failed(GONE_FAILED),
                _ => failed("the hook's Job is gone before its end was seen"),
            });
        };
        // Suspended is not done: what comes after a hook relies on its work.
        let mut settled =
            self.watches.settle_when(&wanted.resource, &job, |health| health == Health::Healthy).await?;
        match &mut settled {
            Settled::Steady => {
                let name = record_name(&wanted.object.key);
                self.inventory.note_hook(&self.cluster, &self.identity, &name, &hash).await?;
                if goes_once_done(wanted.object) {
                    self.take_away(wanted, &job).await?;
                }
            }
            // Nothing but the note keeps it from running again and again then.
            Settled::Failed { state, .. } if state != DELETED && deletes_itself(&job) => {
                let name = record_name(&wanted.object.key);
                self.inventory.note_hook(&self.cluster, &self.identity, &name, &(hash + FAILED)).await?;
            }
            Settled::Failed { state, troubles } if state != DELETED => troubles.push(format!(
                "it is not run again for the same content; fix it in Git, or delete the Job to run it again: kubectl \
                 delete job -n {} {}",
                wanted.namespace().unwrap_or_default(),
                wanted.key.name
            )),
            Settled::Failed { .. } | Settled::InProgress { .. } => {}
        }
        Ok(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::super::desired::tests::object;
    use super::*;
    use serde_json::json;

    fn job(image: &str) -> Object {
        let mut job =
            object(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
            "spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}}));
        job.turn.phase = HookPhase::PreSync;
        job
    }

    fn manifests(value: &str, hook: Object) -> Manifests {
        let config = object(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": value}}),
        );
        Manifests { objects: [config, hook].map(|o| (o.key.clone(), o)).into(), ..Manifests::default() }
    }

    #[test]
    fn a_hook_runs_once_for_a_content_whether_its_job_is_there_or_gone() {
        let mut parent = Parent::default();
        let hooks = Hooks::new(&manifests("1", job("m:1")), &parent);
        let hash = hooks.hash(&job("m:1"));
        assert_eq!(hooks.would_be(&job("m:1"), None), WouldBe::Unasked);
        let live = json!({"metadata": {"annotations": {HOOK_FOR: hash}}});
        assert_eq!(hooks.would_be(&job("m:1"), Some(&live)), WouldBe::Same);
        parent.data.insert("hook..migrate".into(), hash);
        let hooks = Hooks::new(&manifests("1", job("m:1")), &parent);
        assert_eq!(hooks.would_be(&job("m:1"), None), WouldBe::Same, "its Job deleted itself");
        assert!(!hooks.has_failed(&job("m:1")));
        let failed = hooks.hash(&job("m:1")) + FAILED;
        parent.data.insert("hook..migrate".into(), failed);
        let hooks = Hooks::new(&manifests("1", job("m:1")), &parent);
        assert!(hooks.has_failed(&job("m:1")), "and is not run again");
        assert_eq!(hooks.would_be(&job("m:1"), None), WouldBe::Same);
        assert_eq!(hooks.would_be(&job("m:2"), None), WouldBe::Unasked);
        for other in [manifests("2", job("m:1")), manifests("1", job("m:2"))] {
            let hooks = Hooks::new(&other, &parent);
            let hook = &other.objects[&job("").key];
            assert_eq!(hooks.would_be(hook, Some(&live)), WouldBe::Unasked, "another content");
        }
    }

    #[test]
    fn an_end_that_is_not_written_down_is_awaited() {
        let hooks =
            |done: &str| Hooks { content: String::new(), done: [("hook..x".into(), done.into())].into() };
        let job = |condition: &str| json!({"metadata": {"annotations": {HOOK_FOR: "h"}}, "status": {"conditions": [{"type": condition, "status": "True"}]}});
        assert!(hooks("").awaits(&job("Complete")));
        assert!(!hooks("h").awaits(&job("Complete")));
        assert!(hooks("h").awaits(&job("Failed")));
        assert!(hooks("h").awaits(&json!({"metadata": {"annotations": {HOOK_FOR: "h"}}})));
    }

    #[test]
    fn a_hook_goes_once_it_is_done_where_argo_or_helm_would_delete_it() {
        for (key, value, want) in [
            ("argocd.argoproj.io/hook-delete-policy", "BeforeHookCreation,HookSucceeded", true),
            ("argocd.argoproj.io/hook-delete-policy", "HookFailed", false),
            ("helm.sh/hook-delete-policy", "before-hook-creation, hook-succeeded", true),
            ("helm.sh/hook-delete-policy", "hook-failed", false),
            ("helm.sh/hook", "hook-succeeded", false),
        ] {
            let mut hook = job("m:1");
            hook.body["metadata"]["annotations"] = json!({key: value});
            assert_eq!(goes_once_done(&hook), want, "{key}: {value}");
        }
    }

    #[test]
    fn the_order_of_fields_is_no_content() {
        let one = json!({"a": 1, "b": {"c": [1, 2], "d": null}});
        let other = json!({"b": {"d": null, "c": [1, 2]}, "a": 1});
        assert_eq!(canonical(&one), canonical(&other));
        assert_ne!(canonical(&one), canonical(&json!({"b": {"d": null, "c": [2, 1]}, "a": 1})));
    }
}
