//! What ECS asks of a service beyond the shape of the request, found before it is sent.

use super::check_task_definition::check_tags;
use super::envelope::Document;
use super::forms::{is_ecs_name, items, target_group_name, text};
use super::problems::Problems;
use super::repository::Index;
use crate::model::{Kind, TaskDefinitionRef};
use serde_json::Value;

/// Notes what is wrong with the service.
pub fn check(
    document: &Document,
    spec: &Value,
    task_definition: Option<&TaskDefinitionRef>,
    index: &Index<'_>,
    problems: &mut Problems,
) {
    if text(spec, "serviceName").is_some_and(|name| !is_ecs_name(name)) {
        let message = "is not a service's name: letters, digits, \"-\" and \"_\", at most 255 characters";
        problems.note(document, "serviceName", message);
    }
    check_tags(document, spec, problems);
    if spec.get("launchType").is_some() && !items(spec, "capacityProviderStrategy").is_empty() {
        let message = "launchType and capacityProviderStrategy exclude each other";
        problems.note(document, "capacityProviderStrategy", message);
    }
    if text(spec, "schedulingStrategy") == Some("DAEMON") && spec.get("desiredCount").is_some() {
        problems.note(document, "desiredCount", "a DAEMON service has no desiredCount; remove it");
    }
    if spec.get("desiredCount").and_then(Value::as_i64).is_some_and(|count| count < 0) {
        problems.note(document, "desiredCount", "must be 0 or more");
    }
    if let Some(kind @ ("CODE_DEPLOY" | "EXTERNAL")) =
        spec.pointer("/deploymentController/type").and_then(Value::as_str)
    {
        let message = format!(
            "a service with the deployment controller {kind} is deployed by somebody else; only ECS can be used here"
        );
        problems.note(document, "deploymentController.type", message);
    }
    check_load_balancers(document, spec, task_definition, index, problems);
}

fn check_load_balancers(
    document: &Document,
    spec: &Value,
    task_definition: Option<&TaskDefinitionRef>,
    index: &Index<'_>,
    problems: &mut Problems,
) {
    let known = match task_definition {
        Some(TaskDefinitionRef::Document(name)) => index.spec(Kind::TaskDefinition, name),
        Some(TaskDefinitionRef::External(_)) | None => None,
    };
    for (at, balancer) in items(spec, "loadBalancers").iter().enumerate().take(100) {
        let place = format!("loadBalancers[{at}]");
        if let Some(arn) = text(balancer, "targetGroupArn")
            && !(arn.starts_with("arn:") && target_group_name(arn).is_some())
        {
            problems.note(document, &format!("{place}.targetGroupArn"), "is not a target group's ARN");
        }
        let container = text(balancer, "containerName");
        let port = balancer.get("containerPort").and_then(Value::as_i64);
        for (field, is_missing) in [("containerName", container.is_none()), ("containerPort", port.is_none())]
        {
            if is_missing {
                problems.note(document, &place, format!("the field \"{field}\" is missing"));
            }
        }
        if let (Some(container), Some(port), Some(spec)) = (container, port, known)
            && let Some((field, message)) = missing_port(spec, container, port, problems)
        {
            let field = if field == "name" { "containerName" } else { "containerPort" };
            problems.note(document, &format!("{place}.{field}"), message);
        }
    }
}

/// Says what a task definition lacks if `container` with `port` is not in it: the field (`name` or `port`) and a sentence.
pub fn missing_port(
    task_definition: &Value,
    container: &str,
    port: i64,
    problems: &Problems,
) -> Option<(&'static str, String)> {
    let containers = items(task_definition, "containerDefinitions");
    let Some(found) = containers.iter().find(|c| text(c, "name") == Some(container)) else {
        let hint = problems.guess(container, containers.iter().filter_map(|c| text(c, "name")));
        return Some(("name", format!("the task definition has no container \"{container}\"{hint}")));
    };
    let mappings = items(found, "portMappings");
    let has = |mapping: &Value| {
        let range = text(mapping, "containerPortRange").and_then(|range| range.split_once('-'));
        let in_range = range.is_some_and(|(from, to)| {
            from.parse().is_ok_and(|from: i64| from <= port) && to.parse().is_ok_and(|to: i64| port <= to)
        });
        in_range || mapping.get("containerPort").and_then(Value::as_i64) == Some(port)
    };
    if mappings.iter().any(has) {
        return None;
    }
    let ports: Vec<String> =
        mappings.iter().filter_map(|mapping| mapping.get("containerPort")).map(ToString::to_string).collect();
    let has =
        if ports.is_empty() { "no port mappings".to_owned() } else { format!("only {}", ports.join(", ")) };
    Some(("port", format!("the container \"{container}\" has no port mapping for {port}; it has {has}")))
}
