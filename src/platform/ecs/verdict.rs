//! Verdicts of ECS's circuit breaker and deployment alarms: deployments that it gave up, and the return to the one before.
//!
//! ECS lists a FAILED deployment only until the tasks of the return run; after that the service's events still tell of
//! the return, and the PRIMARY deployment is the one that it began.

use super::live::{items, primary, short_revision, text};
use super::slot::{Tasks, desired_revision, tasks};
use super::{Ecs, LiveService};
use crate::diff::{content_hash, same_reference};
use crate::engine::{Rollout, Trouble};
use crate::model::{Timestamp, marks};
use crate::rollout::Record;
use serde_json::Value;

/// The event and the deployment of one return may be written so many seconds apart.
const APART_SECONDS: f64 = 10.0;

/// When the PRIMARY deployment began, if it is ECS's own return from one that it gave up.
pub(super) fn went_back(service: &Value) -> Option<Timestamp> {
    let primary = primary(service)?;
    let began = primary.get("createdAt").and_then(Value::as_f64)?;
    let says_so = text(primary, "rolloutStateReason").is_some_and(|why| why.contains("rolling back"));
    let is_return = |event: &Value| {
        let at = event.get("createdAt").and_then(Value::as_f64).unwrap_or(0.0);
        let message = text(event, "message").unwrap_or_default();
        // Anything deployed after the return has made a younger PRIMARY deployment.
        message.contains("rolling back to deployment") && at >= began - APART_SECONDS
    };
    (says_so || items(service, "events").any(is_return)).then(|| whole(began))
}

/// The deployments that ECS gave up and no longer tries: revision and time, the newest first.
fn given_up(service: &Value) -> Vec<(&str, Timestamp)> {
    let failed = |deployment: &&Value| {
        text(deployment, "rolloutState") == Some("FAILED") && text(deployment, "status") != Some("PRIMARY")
    };
    let time = |deployment: &Value, field: &str| deployment.get(field).and_then(Value::as_f64);
    let ended = |deployment: &Value| {
        whole(time(deployment, "updatedAt").or(time(deployment, "createdAt")).unwrap_or(0.0))
    };
    let mut found: Vec<(&str, Timestamp)> = items(service, "deployments")
        .filter(failed)
        .filter_map(|deployment| Some((text(deployment, "taskDefinition")?, ended(deployment))))
        .collect();
    found.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    found
}

fn whole(seconds: f64) -> Timestamp {
    Timestamp(seconds.max(0.0) as u64)
}

/// When ECS gave up what this service was last told to run, where the mark of its content says that this was `content`,
/// and where nothing was deployed since.
pub(super) fn last_refusal(service: &LiveService, content: &str) -> Option<Timestamp> {
    let is_content = service.tags.get(marks::CONTENT).is_some_and(|mark| mark == content);
    is_content.then(|| went_back(&service.json)).flatten()
}

impl Ecs {
    /// When ECS last gave up the wanted content in a slot's service and went back to what ran before.
    ///
    /// A FAILED deployment tells it as long as it is listed; after that the return itself does, if it began after the
    /// rollout into this slot, whose record names what was wanted.
    pub(super) async fn refused_at(
        &self,
        rollout: &Rollout,
        service: &LiveService,
        record: Option<&Record>,
    ) -> Result<Option<Timestamp>, Trouble> {
        let wanted = desired_revision(rollout)?;
        let content = service.tags.get(marks::CONTENT);
        if content.is_some_and(|content| *content != wanted.0) {
            // Other fields of the service were sent with what failed.
            return Ok(None);
        }
        for (revision, at) in given_up(&service.json) {
            if self.has_content(rollout, service, revision).await? {
                return Ok(Some(at));
            }
        }
        let began = record.filter(|record| record.revision == wanted).map(|record| record.started);
        let refusal = last_refusal(service, &wanted.0);
        Ok(refusal.filter(|at| began.is_none_or(|began| began <= *at)))
    }

    /// True if a revision has the wanted content, by the service's mark or by what it contains. One that can't be read
    /// is not known to have it.
    async fn has_content(
        &self,
        rollout: &Rollout,
        service: &LiveService,
        arn: &str,
    ) -> Result<bool, Trouble> {
        let document = match tasks(rollout)? {
            Tasks::External(id) => return Ok(same_reference(id, arn)),
            Tasks::Document(document) => document,
        };
        let wanted = content_hash(&document.spec);
        let mark = service.tags.get(marks::TASK_DEFINITION).and_then(|mark| mark.split_once(' '));
        if mark.is_some_and(|(revision, hash)| revision == short_revision(arn) && hash == wanted) {
            return Ok(true);
        }
        let live = self.read_task_definition(arn).await;
        Ok(live.is_ok_and(|live| content_hash(&live.json) == wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_return_is_told_by_its_reason_or_by_an_event_as_long_as_nothing_newer_was_deployed() {
        let service = |reason: &str, event: f64| {
            json!({"deployments": [{"status": "PRIMARY", "createdAt": 100.5, "rolloutStateReason": reason}],
                "events": [{"createdAt": event, "message": "(service web) rolling back to deployment ecs-svc/1."}]})
        };
        let back = Some(Timestamp(100));
        assert_eq!(
            went_back(&service("ECS deployment circuit breaker: rolling back to deploymentId 1.", 0.0)),
            back
        );
        assert_eq!(went_back(&service("ECS deployment ecs-svc/3 completed.", 99.0)), back);
        assert_eq!(went_back(&service("ECS deployment ecs-svc/4 completed.", 60.0)), None);
        assert_eq!(went_back(&json!({})), None);
    }

    #[test]
    fn what_was_given_up_is_told_newest_first_and_a_failed_primary_is_still_tried() {
        let failed = |status: &str, revision: &str, at: f64| json!({"status": status, "taskDefinition": revision, "rolloutState": "FAILED", "updatedAt": at});
        let service = json!({"deployments": [failed("PRIMARY", "web:5", 9.0), failed("ACTIVE", "web:3", 1.0),
            failed("INACTIVE", "web:4", 2.0)]});
        assert_eq!(given_up(&service), [("web:4", Timestamp(2)), ("web:3", Timestamp(1))]);
    }
}
