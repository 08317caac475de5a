//! Memory of Jobs that are no hooks: how the run for a content ended is written down in the ApplySet's ConfigMap, since Jobs
//! delete themselves (`ttlSecondsAfterFinished`). One that is gone after its end is no drift and is not run again for the
//! same content.

use super::Kubernetes;
use super::desired::Wanted;
use super::hooks::{JobState, hash_of, is_hook, job_state};
use super::watches::DELETED;
use crate::engine::{Settled, Trouble};
use crate::kubernetes::Resource;
use crate::model::{Health, HealthReport, Object, ObjectKey};
use crate::plan::Owned;
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "job.";
/// Letters that the key of a ConfigMap may have.
const LONGEST: usize = 253;
/// What follows the content of a run that did not end well.
pub(super) const FAILED: &str = " failed";
/// What follows the content of a run whose end was not seen.
const STARTED: &str = " started";

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Failed,
    /// It began, and nobody waited for how it would end.
    Unseen,
}

/// True for a Job that is kept like any other object, until it deletes itself.
pub(super) fn is_plain_job(object: &Object) -> bool {
    object.key.is("batch", "Job") && !is_hook(object)
}

/// How the run of this document's content ended, if that was written down in `data`.
pub(super) fn end_of(data: &BTreeMap<String, String>, wanted: &Wanted<'_>) -> Option<End> {
    let noted = data.get(&record_name(&wanted.key))?;
    let content = content(wanted.object);
    if *noted == content {
        return Some(End::Complete);
    }
    let ended = [(FAILED, End::Failed), (STARTED, End::Unseen)];
    let is_of = |suffix: &str| noted.strip_suffix(suffix) == Some(content.as_str());
    ended.into_iter().find(|(suffix, _)| is_of(suffix)).map(|(_, end)| end)
}

/// How a Job fares that is gone after its end.
pub(super) fn report_of(end: End) -> HealthReport {
    match end {
        End::Complete => HealthReport::default(),
        End::Failed => HealthReport { health: Health::Degraded, message: GONE_FAILED.into(), is_final: true },
        End::Unseen => HealthReport { health: Health::Unknown, message: GONE_UNSEEN.into(), is_final: false },
    }
}

pub(super) const GONE_FAILED: &str =
    "failed, and deleted itself; it is not run again for the same content: change it in Git";

const GONE_UNSEEN: &str = "ran, and deleted itself; nobody saw its end, so how it ended is not known. It is not run again for the same \
                           content: change it in Git";

/// True if a Job that will delete itself has ended and nobody wrote that down yet.
pub(super) fn is_unnoted(data: &BTreeMap<String, String>, wanted: &Wanted<'_>, live: &Value) -> bool {
    is_plain_job(wanted.object)
        && deletes_itself(live)
        && live.pointer("/metadata/deletionTimestamp").is_none()
        && match job_state(live) {
            JobState::Running => false,
            JobState::Complete => end_of(data, wanted) != Some(End::Complete),
            JobState::Failed => end_of(data, wanted) != Some(End::Failed),
        }
}

/// The key in the ConfigMap under which the end of a Job's last run is kept; at most 253 letters of few kinds.
pub(super) fn record_name(key: &ObjectKey) -> String {
    let text = format!("{PREFIX}{}.{}", key.namespace.as_deref().unwrap_or_default(), key.name);
    text.chars().take(LONGEST).collect()
}

/// True for a key that [`record_name`] made.
pub(super) fn is_of_job(name: &str) -> bool {
    name.starts_with(PREFIX)
}

fn content(job: &Object) -> String {
    hash_of("", job)
}

pub(super) fn deletes_itself(job: &Value) -> bool {
    job.pointer("/spec/ttlSecondsAfterFinished").is_some()
}

/// The Jobs of which something is noted in `data` and that are not among the `declared` objects.
fn undeclared(data: &BTreeMap<String, String>, declared: &BTreeSet<&ObjectKey>) -> Vec<ObjectKey> {
    let keys = data.keys().filter_map(|name| {
        // A namespace has no dots. A name that was cut is none that could be looked for.
        let (namespace, job) = name.strip_prefix(PREFIX)?.split_once('.')?;
        let (group, kind) = ("batch".to_owned(), "Job".to_owned());
        let key = ObjectKey { group, kind, namespace: Some(namespace.to_owned()), name: job.to_owned() };
        (name.len() < LONGEST).then_some(key)
    });
    keys.filter(|key| !declared.contains(key)).collect()
}

impl Kubernetes {
    /// The Jobs that left Git after they had deleted themselves: what is noted of their runs is still to go, so that one
    /// that comes back runs again.
    pub(super) async fn noted_only(
        &self,
        data: &BTreeMap<String, String>,
        declared: &BTreeSet<&ObjectKey>,
    ) -> Result<Vec<Owned>, Trouble> {
        let resource = Resource::known("batch", "v1", "Job", "jobs", true);
        let mut found = vec![];
        for key in undeclared(data, declared) {
            let is_gone = match self.beyond(&key) {
                Some(_) => false,
                None => self.cluster.get(&resource, key.namespace.as_deref(), &key.name).await?.is_none(),
            };
            if is_gone {
                let leaving = Some("its Job is gone; what was noted of its run goes, too".to_owned());
                let (document, resource) = (key.label(), key.to_string());
                found.push(Owned { document, resource, leaving, ..Owned::default() });
            }
        }
        Ok(found)
    }

    /// Writes down how far a Job has come that deletes itself: it may be gone before anybody looks again, since nobody waits
    /// for it, or who does is stopped.
    pub(super) async fn note_run(&self, wanted: &Wanted<'_>, live: &Value) -> Result<(), Trouble> {
        if !is_plain_job(wanted.object) || !deletes_itself(live) {
            return Ok(());
        }
        let suffix = match job_state(live) {
            JobState::Running => STARTED,
            JobState::Complete => "",
            JobState::Failed => FAILED,
        };
        let end = format!("{}{suffix}", content(wanted.object));
        self.inventory.note_job(&self.cluster, &self.identity, &wanted.key, &end).await
    }

    /// Whether a Job has come to its end, which is written down.
    pub(super) async fn settle_job(&self, wanted: &Wanted<'_>) -> Result<Settled, Trouble> {
        let live = match self.applied.of(&wanted.key) {
            Some(applied) => Some(applied),
            None => {
                let live = self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?;
                live.map(|live| self.applied.note(&wanted.key, live))
            }
        };
        let Some(job) = live else {
            let parent = self.inventory.read(&self.cluster, &self.identity).await?;
            return Ok(match end_of(&parent.data, wanted) {
                Some(End::Complete) => Settled::Steady,
                Some(End::Failed) => Settled::Failed { state: GONE_FAILED.into(), troubles: vec![] },
                Some(End::Unseen) => Settled::Failed { state: GONE_UNSEEN.into(), troubles: vec![] },
                None => Settled::Failed { state: DELETED.into(), troubles: vec![] },
            });
        };
        let is_suspended = Cell::new(false);
        let is_at_rest = |health| {
            is_suspended.set(health == Health::Suspended);
            matches!(health, Health::Healthy | Health::Suspended)
        };
        let settled = self.watches.settle_when(&wanted.resource, &job, is_at_rest).await?;
        let end = match &settled {
            Settled::Steady if !is_suspended.get() => content(wanted.object),
            // One that somebody deletes by hand is run again; one that deletes itself was not deleted for that.
            Settled::Failed { state, .. } if state != DELETED && deletes_itself(&job) => {
                format!("{}{FAILED}", content(wanted.object))
            }
            // Somebody took it away before its end.
            Settled::Failed { .. } if deletes_itself(&job) => String::new(),
            _ => return Ok(settled),
        };
        self.inventory.note_job(&self.cluster, &self.identity, &wanted.key, &end).await?;
        Ok(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::super::desired::tests::object;
    use super::*;
    use serde_json::json;

    fn job(image: &str) -> Object {
        object(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "seed"},
            "spec": {"ttlSecondsAfterFinished": 1, "template": {"spec": {"containers": [{"name": "a", "image": image}]}}}}))
    }

    fn wanted(object: &Object) -> Wanted<'_> {
        let key = ObjectKey { namespace: Some("shop".into()), ..object.key.clone() };
        Wanted { object, resource: Resource::known("batch", "v1", "Job", "jobs", true), key }
    }

    #[test]
    fn the_end_of_a_run_counts_for_its_content_and_for_no_other() {
        let (first, second) = (job("a:1"), job("a:2"));
        let noted = |end: &str| [("job.shop.seed".to_owned(), format!("{}{end}", content(&first)))].into();
        assert_eq!(end_of(&noted(""), &wanted(&first)), Some(End::Complete));
        assert_eq!(end_of(&noted(FAILED), &wanted(&first)), Some(End::Failed));
        assert_eq!(end_of(&noted(STARTED), &wanted(&first)), Some(End::Unseen));
        for end in ["", FAILED, STARTED] {
            assert_eq!(end_of(&noted(end), &wanted(&second)), None, "another content runs");
        }
        assert_eq!(end_of(&BTreeMap::new(), &wanted(&first)), None);
    }

    #[test]
    fn an_end_is_written_down_before_the_job_deletes_itself() {
        let document = job("a:1");
        let wanted = wanted(&document);
        let live = |condition: &str| {
            let mut live = document.body.clone();
            live["status"]["conditions"] = json!([{"type": condition, "status": "True"}]);
            live
        };
        let none = BTreeMap::new();
        assert!(is_unnoted(&none, &wanted, &live("Complete")) && is_unnoted(&none, &wanted, &live("Failed")));
        assert!(!is_unnoted(&none, &wanted, &live("SuccessCriteriaMet")), "it runs");
        let noted = [("job.shop.seed".to_owned(), content(&document))].into();
        assert!(!is_unnoted(&noted, &wanted, &live("Complete")));
        let mut stays = live("Complete");
        stays["spec"] = json!({});
        assert!(!is_unnoted(&none, &wanted, &stays), "it can be looked at any time");
    }
}
