//! Memory of Jobs that are no hooks: how the run for a content ended is written down in the ApplySet's ConfigMap, since Jobs
//! delete themselves (`ttlSecondsAfterFinished`). One that is gone after its end is no drift and is not run again for the
//! same content.

use super::Kubernetes;
use super::desired::Wanted;
use super::hooks::{JobState, hash_of, is_hook, job_state};
use super::watches::DELETED;
use crate::engine::{Settled, Trouble};
use crate::model::{Health, HealthReport, Object, ObjectKey};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;

const PREFIX: &str = "job.";
/// What follows the content of a run that did not end well.
pub(super) const FAILED: &str = " failed";

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Failed,
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
    (noted.strip_suffix(FAILED) == Some(content.as_str())).then_some(End::Failed)
}

/// How a Job fares that is gone after its end.
pub(super) fn report_of(end: End) -> HealthReport {
    match end {
        End::Complete => HealthReport::default(),
        End::Failed => HealthReport { health: Health::Degraded, message: GONE_FAILED.into(), is_final: true },
    }
}

pub(super) const GONE_FAILED: &str =
    "failed, and deleted itself; it is not run again for the same content: change it in Git";

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
    text.chars().take(253).collect()
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

impl Kubernetes {
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
    use crate::kubernetes::Resource;
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
        for end in ["", FAILED] {
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
