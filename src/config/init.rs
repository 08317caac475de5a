//! Documents from a live service: what `cutover init` writes. Fields that AWS only reports, and values that AWS fills in
//! by itself, are left out, so that people see what is theirs, and a plan made from the documents changes nothing.

use super::check_blue_green::ways_around;
use super::forms::{items, parse_task_definition_name, target_group_name, text};
use super::render::document_text;
use super::shape::request_only;
use crate::model::{Kind, marks};
use serde_json::{Map, Value, json};

/// What was read of one service.
#[derive(Clone, Debug)]
pub struct LiveService<'a> {
    /// The entry of DescribeServices, read with `include=TAGS`.
    pub service: &'a Value,
    /// `taskDefinition` of DescribeTaskDefinition, for the revision that the service names.
    pub task_definition: &'a Value,
    /// `tags` of DescribeTaskDefinition.
    pub task_definition_tags: &'a Value,
    /// True if something else (auto scaling) sets the number of tasks; `desiredCount` is then left out.
    pub is_scaled: bool,
    /// How requests reach the service; `None` without a load balancer.
    pub traffic: Option<LiveTraffic>,
}

/// The load balancer's side of a live service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTraffic {
    /// ARNs of the rules, and of the listeners whose default action, forward to the service's target group.
    pub production: Vec<String>,
    /// A rule or listener for tests, where one is known.
    pub test: Option<String>,
    /// The service's target group (name or ARN).
    pub target_group: String,
    /// A second target group that is free for the other slot, where one is known.
    pub second_target_group: Option<String>,
}

/// The TaskDefinition and the Service, and for a service behind a load balancer the BlueGreen that would adopt it as
/// its blue slot: as a comment as long as there is no second target group, or another way to its tasks. Text in YAML.
pub fn documents_from_live(live: &LiveService<'_>) -> String {
    let service_name = text(live.service, "serviceName").unwrap_or("service");
    let family = text(live.task_definition, "family").unwrap_or(service_name);
    let task_name = document_name(family);
    let name = document_name(service_name);
    let task_definition = task_definition_spec(live, family);
    let mut service = service_spec(live, service_name, &task_name);
    let blue_green = blue_green_spec(live, &name, service_name);
    let mut is_complete = live.traffic.as_ref().is_some_and(|traffic| traffic.second_target_group.is_some());
    let mut in_the_way = vec![];
    if let Some(spec) = &blue_green {
        let mut steered = service.clone();
        drop_steered_balancer(&mut steered, spec);
        in_the_way = reaches_both_slots(&steered);
        is_complete &= in_the_way.is_empty();
        if is_complete {
            service = steered;
        }
    }
    let mut out = document_text(Kind::TaskDefinition, &task_name, task_definition);
    out.push_str("---\n");
    out.push_str(&document_text(Kind::Service, &name, service));
    if let Some(spec) = blue_green {
        let document = document_text(Kind::BlueGreen, &name, spec);
        if is_complete {
            out.push_str("---\n");
            out.push_str(&document);
        } else {
            out.push_str(&hint(&document, &in_the_way));
        }
    }
    out
}

fn task_definition_spec(live: &LiveService<'_>, family: &str) -> Value {
    let mut spec = request_only(Kind::TaskDefinition, live.task_definition);
    let mode = text(live.task_definition, "networkMode").unwrap_or_default().to_owned();
    drop_empty_lists(&mut spec);
    drop_if(&mut spec, "enableFaultInjection", &json!(false));
    for container in list_mut(&mut spec, "containerDefinitions") {
        drop_if(container, "cpu", &json!(0));
        drop_if(container, "essential", &json!(true));
        for port in list_mut(container, "portMappings") {
            drop_if(port, "protocol", &json!("tcp"));
            drop_if(port, "hostPort", &json!(0));
            let same = port.get("containerPort").cloned().unwrap_or_default();
            if mode == "awsvpc" || mode == "host" {
                drop_if(port, "hostPort", &same);
            }
        }
    }
    put_tags(&mut spec, live.task_definition_tags);
    first("family", family, spec)
}

fn service_spec(live: &LiveService<'_>, service_name: &str, task_name: &str) -> Value {
    let mut live_fields = live.service.as_object().cloned().unwrap_or_default();
    // These are reported with the deployment, not with the service.
    let primary = items(live.service, "deployments").iter().find(|d| text(d, "status") == Some("PRIMARY"));
    for field in ["serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations"] {
        if let Some(value) = primary.and_then(|deployment| deployment.get(field)) {
            live_fields.entry(field).or_insert_with(|| value.clone());
        }
    }
    let mut spec = request_only(Kind::Service, &Value::Object(live_fields));
    drop_empty_lists(&mut spec);
    for (field, default) in [
        ("platformVersion", json!("LATEST")),
        ("schedulingStrategy", json!("REPLICA")),
        ("deploymentController", json!({"type": "ECS"})),
        ("enableECSManagedTags", json!(false)),
        ("enableExecuteCommand", json!(false)),
        ("propagateTags", json!("NONE")),
        ("healthCheckGracePeriodSeconds", json!(0)),
        ("serviceConnectConfiguration", json!({"enabled": false})),
    ] {
        drop_if(&mut spec, field, &default);
    }
    let is_daemon = text(&spec, "schedulingStrategy") == Some("DAEMON");
    if live.is_scaled || is_daemon {
        remove(&mut spec, "desiredCount");
    }
    if let Some(deployment) = spec.get_mut("deploymentConfiguration") {
        for (field, default) in [
            ("maximumPercent", json!(if is_daemon { 100 } else { 200 })),
            ("minimumHealthyPercent", json!(if is_daemon { 0 } else { 100 })),
            ("deploymentCircuitBreaker", json!({"enable": false, "rollback": false})),
            ("alarms", json!({"rollback": false, "enable": false})),
            ("strategy", json!("ROLLING")),
            ("bakeTimeInMinutes", json!(0)),
        ] {
            drop_if(deployment, field, &default);
        }
    }
    drop_if(&mut spec, "deploymentConfiguration", &json!({}));
    if let Some(network) = spec.pointer_mut("/networkConfiguration/awsvpcConfiguration") {
        drop_if(network, "assignPublicIp", &json!("DISABLED"));
    }
    remove(&mut spec, "taskDefinition");
    put_tags(&mut spec, live.service.get("tags").unwrap_or(&Value::Null));
    first("serviceName", service_name, first("taskDefinition", task_name, spec))
}

/// The BlueGreen that adopts the service as its blue slot; `None` if there is nothing to shift.
fn blue_green_spec(live: &LiveService<'_>, name: &str, service_name: &str) -> Option<Value> {
    let traffic = live.traffic.as_ref()?;
    let steered_by_ecs = live.service.pointer("/deploymentConfiguration/strategy").and_then(Value::as_str);
    if !matches!(steered_by_ecs, None | Some("ROLLING")) || traffic.production.is_empty() {
        return None;
    }
    let group = target_group_name(&traffic.target_group)?;
    let balancer = items(live.service, "loadBalancers")
        .iter()
        .find(|balancer| text(balancer, "targetGroupArn").and_then(target_group_name) == Some(group))?;
    let is_rule = |arn: &&String| arn.contains(":listener-rule/");
    let (rules, listeners): (Vec<&String>, Vec<&String>) = traffic.production.iter().partition(is_rule);
    let mut alb = Map::new();
    for (field, arns) in [("productionListenerRule", rules), ("productionListener", listeners)] {
        match arns.as_slice() {
            [] => {}
            [arn] => {
                alb.insert(field.into(), json!(arn));
            }
            arns => {
                alb.insert(field.into(), json!(arns));
            }
        }
    }
    if let Some(arn) = &traffic.test {
        let field = if is_rule(&arn) { "testListenerRule" } else { "testListener" };
        alb.insert(field.into(), json!(arn));
    }
    let second = traffic.second_target_group.clone().unwrap_or_else(|| "NAME-OF-A-SECOND-GROUP".into());
    alb.insert("targetGroups".into(), json!({"blue": traffic.target_group, "green": second}));
    Some(json!({
        "workloadRef": {"kind": "Service", "name": name},
        "container": {"name": balancer.get("containerName"), "port": balancer.get("containerPort")},
        "alb": alb,
        "slots": {"blue": {"service": service_name}},
    }))
}

/// A BlueGreen registers the tasks of its slots itself.
fn drop_steered_balancer(service: &mut Value, blue_green: &Value) {
    let container = blue_green.pointer("/container/name").cloned();
    let port = blue_green.pointer("/container/port").cloned();
    if let Some(balancers) = service.get_mut("loadBalancers").and_then(Value::as_array_mut) {
        balancers.retain(|b| {
            b.get("containerName") != container.as_ref() || b.get("containerPort") != port.as_ref()
        });
    }
    drop_empty_lists(service);
}

/// The fields of a service by which requests would reach both slots, whatever the weights.
fn reaches_both_slots(service: &Value) -> Vec<&'static str> {
    let others = !items(service, "loadBalancers").is_empty();
    let balancers = others.then_some("another entry of loadBalancers");
    balancers.into_iter().chain(ways_around(service).map(|(field, _)| field)).collect()
}

fn hint(document: &str, in_the_way: &[&str]) -> String {
    let mut out = String::from(
        "# To ship this service by blue/green, create a second target group with the settings of the first one, name it\n\
         # below, take the entry out of the Service's loadBalancers, and remove the comment signs.\n",
    );
    if !in_the_way.is_empty() {
        out.push_str(&format!(
            "# Requests would reach both of its slots by {}: that has to go first.\n",
            in_the_way.join(" and ")
        ));
    }
    out.push_str("# ---\n");
    for line in document.lines() {
        out.push_str("# ");
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// An AWS name as the name of a document: lower case, with `-` for what documents do not allow.
fn document_name(name: &str) -> String {
    let name = parse_task_definition_name(name).map_or_else(|| name.to_owned(), |parsed| parsed.family);
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let name: String = letters.take(253).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "service".to_owned() } else { name.to_owned() }
}

fn put_tags(spec: &mut Value, tags: &Value) {
    remove(spec, "tags");
    let foreign = |tag: &&Value| {
        text(tag, "key")
            .is_some_and(|key| !marks::is_ours(key) && !key.to_ascii_lowercase().starts_with("aws:"))
    };
    let own: Vec<Value> = tags.as_array().into_iter().flatten().filter(foreign).cloned().collect();
    if let (false, Some(fields)) = (own.is_empty(), spec.as_object_mut()) {
        fields.insert("tags".into(), Value::Array(own));
    }
}

/// The map with `field` in front.
fn first(field: &str, value: &str, spec: Value) -> Value {
    let mut fields = Map::new();
    fields.insert(field.into(), value.into());
    if let Value::Object(rest) = spec {
        fields.extend(rest.into_iter().filter(|(name, _)| name != field));
    }
    Value::Object(fields)
}

pub(super) fn remove(value: &mut Value, field: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.shift_remove(field);
    }
}

pub(super) fn drop_if(value: &mut Value, field: &str, default: &Value) {
    if value.get(field) == Some(default) {
        remove(value, field);
    }
}

pub(super) fn list_mut<'a>(value: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

/// AWS reports lists that nobody has given as empty ones.
fn drop_empty_lists(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_empty_lists);
            fields.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty_lists),
        _ => {}
    }
}

#[cfg(test)]
#[path = "init_tests.rs"]
mod tests;
