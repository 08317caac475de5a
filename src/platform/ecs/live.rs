//! What ECS answers, with the few things read from it by name.

use crate::model::{Slot, marks};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A service's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ServiceStatus {
    Active,
    /// It is being deleted, and blocks its name.
    Draining,
}

/// A service as DescribeServices tells it. An INACTIVE one is as none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveService {
    pub name: String,
    pub arn: String,
    pub status: ServiceStatus,
    /// The whole answer, tags included.
    pub json: Value,
    pub tags: BTreeMap<String, String>,
}

impl LiveService {
    /// Reads one element of `services`.
    ///
    /// # Errors
    /// A sentence if the answer lacks what every service has.
    pub fn parse(json: &Value) -> Result<Option<LiveService>, String> {
        let name = text(json, "serviceName").ok_or("a service without serviceName")?.to_owned();
        let arn = text(json, "serviceArn").ok_or_else(|| format!("service {name} has no serviceArn"))?;
        let status = match text(json, "status") {
            Some("ACTIVE") => ServiceStatus::Active,
            Some("DRAINING") => ServiceStatus::Draining,
            Some("INACTIVE") => return Ok(None),
            other => return Err(format!("service {name} has the status {}", other.unwrap_or("none"))),
        };
        if text(json, "taskDefinition").is_none() && json.get("taskSets").is_none() {
            return Err(format!("service {name} has no taskDefinition"));
        }
        Ok(Some(LiveService { arn: arn.to_owned(), status, tags: tags_of(json), json: json.clone(), name }))
    }

    /// The application whose mark it bears.
    pub fn owner(&self) -> Option<&str> {
        self.tags.get(marks::APPLICATION).map(String::as_str)
    }

    /// The slot of a blue/green workload that it is, by its mark.
    pub fn slot(&self) -> Option<Slot> {
        let mark = self.tags.get(marks::SLOT)?;
        Slot::BOTH.into_iter().find(|slot| slot.name() == mark)
    }

    /// The ARN of the revision it is told to run; empty for services whose task sets say it.
    pub fn task_definition(&self) -> &str {
        text(&self.json, "taskDefinition").unwrap_or_default()
    }

    /// `desiredCount`, `runningCount` or `pendingCount`; 0 if the answer lacks it.
    pub fn count(&self, field: &str) -> u32 {
        self.json.get(field).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    }

    /// The target groups (ARNs) that its tasks are registered in: those of `loadBalancers` and, where ECS shifts the
    /// traffic itself, the alternate ones. Each once.
    pub fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = vec![];
        for group in balancers(&self.json).flat_map(groups_of) {
            if !groups.iter().any(|known| known == group) {
                groups.push(group.to_owned());
            }
        }
        groups
    }

    /// The strategy by which ECS shifts the service's traffic itself; `None` for rolling updates.
    pub fn native_strategy(&self) -> Option<&str> {
        native_strategy(&self.json)
    }

    /// What the mark says that the revision it runs contains, if the mark speaks of that very revision.
    pub fn marked_content(&self) -> Option<&str> {
        let mark = self.tags.get(marks::TASK_DEFINITION)?;
        marks::content_in(mark, short_revision(self.task_definition()))
    }
}

/// A revision of a task definition as DescribeTaskDefinition tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveTaskDefinition {
    pub arn: String,
    pub family: String,
    /// False if it was deregistered: it still runs where it runs, but nothing new can be started from it.
    pub active: bool,
    /// `taskDefinition` of the answer, with `tags` put beside the other fields.
    pub json: Value,
}

impl LiveTaskDefinition {
    /// Reads a whole answer of DescribeTaskDefinition or RegisterTaskDefinition.
    ///
    /// # Errors
    /// A sentence if the answer lacks what every revision has.
    pub fn parse(answer: &Value) -> Result<LiveTaskDefinition, String> {
        let mut json = answer.get("taskDefinition").cloned().ok_or("the answer has no taskDefinition")?;
        let arn = text(&json, "taskDefinitionArn").ok_or("a task definition without ARN")?.to_owned();
        let family = text(&json, "family").ok_or_else(|| format!("{arn} has no family"))?.to_owned();
        let active = text(&json, "status").is_none_or(|status| status == "ACTIVE");
        if let (Some(tags), Some(fields)) = (answer.get("tags"), json.as_object_mut()) {
            fields.insert("tags".into(), tags.clone());
        }
        Ok(LiveTaskDefinition { arn, family, active, json })
    }
}

/// `web:42` of a revision's ARN.
pub(super) fn short_revision(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

pub(super) fn text<'a>(json: &'a Value, field: &str) -> Option<&'a str> {
    json.get(field).and_then(Value::as_str)
}

/// The elements of a list field; none if it is absent.
pub(super) fn items<'a>(json: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    json.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// The strategy of a service, live or declared, by which ECS shifts the traffic itself; `None` for rolling updates.
pub(super) fn native_strategy(service: &Value) -> Option<&str> {
    let strategy = service.pointer("/deploymentConfiguration/strategy")?.as_str()?;
    matches!(strategy, "BLUE_GREEN" | "LINEAR" | "CANARY").then_some(strategy)
}

/// The entries of `loadBalancers`: the service's own or, for one that is deployed by task sets, theirs.
pub(super) fn balancers(service: &Value) -> impl Iterator<Item = &Value> {
    let of_sets = items(service, "taskSets").flat_map(|set| items(set, "loadBalancers"));
    items(service, "loadBalancers").chain(of_sets)
}

/// The target groups of one entry of `loadBalancers`, the alternate one included.
pub(super) fn groups_of(entry: &Value) -> impl Iterator<Item = &str> {
    let alternate = entry.pointer("/advancedConfiguration/alternateTargetGroupArn").and_then(Value::as_str);
    text(entry, "targetGroupArn").into_iter().chain(alternate)
}

/// The PRIMARY deployment of a service.
pub(super) fn primary(service: &Value) -> Option<&Value> {
    items(service, "deployments").find(|deployment| text(deployment, "status") == Some("PRIMARY"))
}

/// ECS's `[{key, value}]` as a map.
pub(super) fn tags_of(json: &Value) -> BTreeMap<String, String> {
    items(json, "tags")
        .filter_map(|tag| {
            let value = text(tag, "value").unwrap_or_default();
            Some((text(tag, "key")?.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(status: &str) -> Value {
        json!({"serviceName": "web", "serviceArn": "arn:s", "status": status,
            "taskDefinition": "arn:aws:ecs:r:1:task-definition/web:3"})
    }

    #[test]
    fn inactive_is_none_and_an_unknown_status_is_an_error() {
        assert_eq!(LiveService::parse(&service("INACTIVE")), Ok(None));
        assert_eq!(
            LiveService::parse(&service("DRAINING")).unwrap().unwrap().status,
            ServiceStatus::Draining
        );
        assert!(LiveService::parse(&service("NEW")).is_err());
        assert!(LiveService::parse(&json!({"serviceName": "web"})).is_err());
    }

    #[test]
    fn groups_are_those_of_balancers_alternates_and_task_sets() {
        let mut json = service("ACTIVE");
        json["loadBalancers"] = json!([
            {"targetGroupArn": "a", "advancedConfiguration": {"alternateTargetGroupArn": "b"}},
            {"targetGroupArn": "a", "containerPort": 2}, {"loadBalancerName": "classic"}]);
        json["taskSets"] = json!([{"loadBalancers": [{"targetGroupArn": "c"}]}]);
        assert_eq!(LiveService::parse(&json).unwrap().unwrap().groups(), ["a", "b", "c"]);
    }

    #[test]
    fn a_content_mark_counts_only_for_the_revision_it_names() {
        let mut json = service("ACTIVE");
        for (mark, want) in [("web:3 abc", Some("abc")), ("web:2 abc", None), ("web:3", None)] {
            json["tags"] = json!([{"key": marks::TASK_DEFINITION, "value": mark}]);
            let live = LiveService::parse(&json).unwrap().unwrap();
            assert_eq!(live.marked_content(), want, "{mark}");
        }
    }
}
