//! Why a service does not settle: its stopped tasks and its events, for people.

use super::live::{items, primary, short_revision, text};
use super::{Ecs, LiveService};
use crate::aws::{Conduct, EcsOperation};
use crate::engine::Trouble;
use serde_json::{Value, json};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// Stopped tasks are read this often at most.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Nothing that is decided waits longer for it.
const WORTH_WAITING: Duration = Duration::from_secs(5);
/// A deployment that has not settled after this many seconds may be in a loop of tasks that stop after they ran, which
/// ECS does not count as failed.
const PATIENCE_SECONDS: f64 = 30.0;
const STOPPED_SHOWN: usize = 5;
const EVENTS_SHOWN: usize = 3;
const TEXT_LIMIT: usize = 300;

impl Ecs {
    /// Sentences that say why tasks of the service stopped or were not placed, the most telling first; empty while
    /// nothing has gone wrong. Reads tasks only where there is a sign of trouble. They are for people and decide nothing:
    /// where tasks can't be read, the service's events have to do.
    pub async fn troubles_of(&self, service: &LiveService) -> Vec<String> {
        let mut troubles = vec![];
        if has_signs_of_trouble(&service.json, self.aws.clock().now().0 as f64) {
            let read = tokio::time::timeout(WORTH_WAITING, self.stopped_tasks(service)).await;
            troubles = read.map(Result::unwrap_or_default).unwrap_or_default();
        }
        troubles.extend(telling_events(&service.json));
        troubles
    }

    async fn stopped_tasks(&self, service: &LiveService) -> Result<Vec<String>, Trouble> {
        let key = format!("{} {}", service.name, service.task_definition());
        let known = self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((at, sentences)) = known
            && at.elapsed() < READ_AGAIN_AFTER
        {
            return Ok(sentences);
        }
        let body = json!({"cluster": self.cluster, "serviceName": service.name, "desiredStatus": "STOPPED",
            "maxResults": 100});
        let listed = self.aws.ecs(EcsOperation::ListTasks, Conduct::Read, &service.name, &body).await?;
        let arns: Vec<&Value> = items(&listed, "taskArns").take(100).collect();
        let mut sentences = vec![];
        if !arns.is_empty() {
            let body = json!({"cluster": self.cluster, "tasks": arns});
            let described =
                self.aws.ecs(EcsOperation::DescribeTasks, Conduct::Read, &service.name, &body).await?;
            sentences = stop_sentences(&described, service.task_definition());
        }
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.insert(key, (Instant::now(), sentences.clone()));
        Ok(sentences)
    }
}

fn has_signs_of_trouble(service: &Value, now: f64) -> bool {
    items(service, "deployments").any(|deployment| {
        let failed = deployment.get("failedTasks").and_then(Value::as_u64).unwrap_or(0) > 0;
        let state = text(deployment, "rolloutState");
        let age = now - deployment.get("createdAt").and_then(Value::as_f64).unwrap_or(now);
        failed || state == Some("FAILED") || (state != Some("COMPLETED") && age > PATIENCE_SECONDS)
    })
}

/// One sentence for each way that tasks of `revision` ended, newest first, with how often.
fn stop_sentences(described: &Value, revision: &str) -> Vec<String> {
    let mut tasks: Vec<&Value> = items(described, "tasks")
        .filter(|task| {
            text(task, "taskDefinitionArn").is_some_and(|arn| short_revision(arn) == short_revision(revision))
        })
        .filter(|task| {
            // Those ECS stopped to scale down are no trouble.
            !text(task, "stoppedReason").unwrap_or_default().starts_with("Scaling activity initiated")
        })
        .collect();
    let stopped_at = |task: &Value| task.get("stoppedAt").and_then(Value::as_f64).unwrap_or(0.0);
    tasks.sort_by(|a, b| stopped_at(b).total_cmp(&stopped_at(a)));
    let mut ways: Vec<(String, usize)> = vec![];
    for task in tasks {
        let sentence = stop_sentence(task);
        match ways.iter_mut().find(|(known, _)| *known == sentence) {
            Some((_, count)) => *count += 1,
            None => ways.push((sentence, 1)),
        }
    }
    let shown = ways.into_iter().take(STOPPED_SHOWN);
    shown.map(|(sentence, count)| format!("{count} × task stopped: {sentence}")).collect()
}

fn stop_sentence(task: &Value) -> String {
    let mut parts = vec![clean(text(task, "stoppedReason").unwrap_or("no reason given"))];
    for container in items(task, "containers") {
        let name = text(container, "name").unwrap_or("?");
        let exit = container.get("exitCode").and_then(Value::as_i64);
        let reason = text(container, "reason");
        match (exit, reason) {
            (Some(code), Some(reason)) => {
                parts.push(format!("container {name}: exit code {code}, {}", clean(reason)));
            }
            (Some(code), None) => parts.push(format!("container {name}: exit code {code}")),
            (None, Some(reason)) => parts.push(format!("container {name}: {}", clean(reason))),
            (None, None) => {}
        }
    }
    parts.join("; ")
}

/// The newest events since the primary deployment began, without those that only say that all goes its way.
fn telling_events(service: &Value) -> Vec<String> {
    const USUAL: [&str; 7] = [
        "has reached a steady state",
        "has started ",
        "has stopped ",
        "registered ",
        "deregistered ",
        "has begun draining",
        "deployment completed",
    ];
    let since = primary(service).and_then(|d| d.get("createdAt")).and_then(Value::as_f64).unwrap_or(0.0);
    items(service, "events")
        .filter(|event| event.get("createdAt").and_then(Value::as_f64).unwrap_or(0.0) >= since)
        .filter_map(|event| text(event, "message"))
        .filter(|message| !USUAL.iter().any(|usual| message.contains(usual)))
        .take(EVENTS_SHOWN)
        .map(|message| format!("event: {}", clean(message)))
        .collect()
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_tasks_of_this_revision_are_told_newest_first_and_counted() {
        let task = |revision: &str, at: u32, reason: &str, code: i64| {
            json!({"taskDefinitionArn": format!("arn:aws:ecs:r:1:task-definition/{revision}"), "stoppedAt": at,
                "stoppedReason": reason, "containers": [{"name": "app", "exitCode": code}]})
        };
        let described = json!({"tasks": [
            task("web:3", 10, "Essential container in task exited", 1),
            task("web:3", 30, "Task failed ELB health checks in (target-group x)", 143),
            task("web:3", 20, "Essential container in task exited", 1),
            task("web:2", 40, "old", 0),
            task("web:3", 50, "Scaling activity initiated by (deployment ecs-svc/1)", 0),
        ]});
        assert_eq!(
            stop_sentences(&described, "arn:aws:ecs:r:1:task-definition/web:3"),
            [
                "1 × task stopped: Task failed ELB health checks in (target-group x); container app: exit code 143",
                "2 × task stopped: Essential container in task exited; container app: exit code 1",
            ]
        );
    }

    #[test]
    fn events_from_before_the_deployment_and_usual_ones_are_left_out() {
        let service = json!({"deployments": [{"status": "PRIMARY", "createdAt": 100.5}], "events": [
            {"createdAt": 130.0, "message": "(service web) was unable to place a task because no capacity"},
            {"createdAt": 120.0, "message": "(service web) has started 1 tasks: (task a)."},
            {"createdAt": 90.0, "message": "(service web) was unable to place a task: old"},
        ]});
        assert_eq!(
            telling_events(&service),
            ["event: (service web) was unable to place a task because no capacity"]
        );
    }

    #[test]
    fn a_young_deployment_without_failures_costs_no_reads() {
        let deployment = |state: &str, failed: u32| json!({"deployments": [{"rolloutState": state, "failedTasks": failed, "createdAt": 100.0}]});
        assert!(!has_signs_of_trouble(&deployment("IN_PROGRESS", 0), 110.0));
        assert!(has_signs_of_trouble(&deployment("IN_PROGRESS", 1), 110.0));
        assert!(has_signs_of_trouble(&deployment("FAILED", 0), 110.0));
        assert!(has_signs_of_trouble(&deployment("IN_PROGRESS", 0), 200.0));
        assert!(!has_signs_of_trouble(&deployment("COMPLETED", 0), 200.0));
    }
}
