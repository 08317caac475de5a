//! What a BlueGreen must say beyond its shape, and what it asks of the Service it steers.

use super::check_cluster_traffic::check_without_alb;
use super::check_deployment;
use super::check_service::missing_port;
use super::envelope::Document;
use super::forms::{
    MAX_ECS_NAME, is_ecs_name, is_listener_arn, is_listener_rule_arn, items, target_group_name, text,
};
use super::problems::Problems;
use super::repository::Index;
use crate::diff::same_reference;
use crate::model::{BlueGreen, HttpGate, Kind, Listeners, Manifests, PlatformKind, Slot, settle_seconds};
use serde_json::Value;
use std::collections::HashSet;

/// Notes what is wrong with the document, and with what it names for its sake.
pub fn check(
    document: &Document,
    blue_green: &BlueGreen,
    index: &Index<'_>,
    manifests: &Manifests,
    problems: &mut Problems,
) {
    check_steps(document, blue_green, problems);
    check_gates(document, blue_green, problems);
    check_platform(document, blue_green, index.platform, problems);
    if blue_green.traffic.is_none() {
        check_rules(document, blue_green, problems);
        check_target_groups(document, blue_green, problems);
    }
    match (index.platform, blue_green.workload_ref.kind.as_str()) {
        (PlatformKind::Ecs, "Service") => check_steered_service(document, blue_green, index, problems),
        (PlatformKind::Kubernetes, "Deployment") => {
            check_without_alb(document, blue_green, problems);
            check_deployment::check(document, blue_green, manifests, problems);
        }
        (PlatformKind::Ecs, kind) => {
            let message = format!(
                "a {kind} is shipped on Kubernetes, and this application goes to ECS; name a Service document, or move \
                 this to an application with destination.kubernetes"
            );
            problems.note(document, "workloadRef.kind", message);
        }
        (PlatformKind::Kubernetes, _) => {
            let message =
                "on Kubernetes a Deployment is shipped; name it here, its Service is found by its selector";
            problems.note(document, "workloadRef.kind", message);
        }
    }
}

/// What one platform has and the other has not.
fn check_platform(
    document: &Document,
    blue_green: &BlueGreen,
    platform: PlatformKind,
    problems: &mut Problems,
) {
    let has_alb = document.spec.as_ref().is_some_and(|spec| spec.entry("alb").is_some());
    match (platform, has_alb, &blue_green.traffic) {
        (PlatformKind::Ecs, _, Some(_)) => {
            problems.note(document, "traffic", "is for Kubernetes; on ECS requests are steered by alb");
        }
        (PlatformKind::Ecs, false, None) => problems.note(document, "", "the field \"alb\" is missing"),
        (PlatformKind::Kubernetes, false, None) => {
            let message = "has neither alb nor traffic: nothing says how requests are steered";
            problems.note(document, "", message);
        }
        (PlatformKind::Kubernetes, true, Some(_)) => {
            problems.note(document, "traffic", "there can be alb or traffic, not both");
        }
        _ => {}
    }
    for slot in Slot::BOTH {
        let Some(named) = blue_green.slots.get(slot) else { continue };
        let wrong = match platform {
            PlatformKind::Ecs => named.deployment.as_ref().map(|_| ("deployment", "service")),
            PlatformKind::Kubernetes => named.service.as_ref().map(|_| ("service", "deployment")),
        };
        if let Some((field, right)) = wrong {
            let message = format!("is not for this platform; here a slot is named with slots.{slot}.{right}");
            problems.note(document, &format!("slots.{slot}.{field}"), message);
        }
    }
}

fn check_steered_service(
    document: &Document,
    blue_green: &BlueGreen,
    index: &Index<'_>,
    problems: &mut Problems,
) {
    for slot in Slot::BOTH {
        if let Some(service) = blue_green.slots.get(slot).as_ref().and_then(|named| named.service.as_ref())
            && !is_ecs_name(service)
        {
            problems.note(document, &format!("slots.{slot}.service"), "is not the name of an ECS service");
        }
    }
    let name = &blue_green.workload_ref.name;
    let Some(service) = index.get(Kind::Service, name) else {
        let hint = index.guess_name(Kind::Service, name, problems);
        let message = format!("there is no Service document \"{name}\"{hint}");
        return problems.note(document, "workloadRef.name", message);
    };
    if let Some(spec) = index.spec(Kind::Service, name) {
        check_service(document, blue_green, service, spec, index, problems);
    }
}

/// All rules and listeners that are named, with their paths.
pub fn rules(blue_green: &BlueGreen) -> Vec<(String, String)> {
    let alb = &blue_green.alb;
    let mut found = vec![];
    for (field, listeners) in [
        ("productionListenerRule", &alb.production_listener_rule),
        ("productionListener", &alb.production_listener),
    ] {
        for (at, arn) in listeners.arns().iter().enumerate() {
            let path = match listeners {
                Listeners::Many(_) => format!("alb.{field}[{at}]"),
                Listeners::None | Listeners::One(_) => format!("alb.{field}"),
            };
            found.push((path, arn.clone()));
        }
    }
    for (field, arn) in [("testListenerRule", &alb.test_listener_rule), ("testListener", &alb.test_listener)]
    {
        found.extend(arn.iter().map(|arn| (format!("alb.{field}"), arn.clone())));
    }
    found
}

fn check_rules(document: &Document, blue_green: &BlueGreen, problems: &mut Problems) {
    let alb = &blue_green.alb;
    let is_written = document.spec.as_ref().is_some_and(|spec| spec.entry("alb").is_some());
    if is_written
        && alb.production_listener_rule.arns().is_empty()
        && alb.production_listener.arns().is_empty()
    {
        let message =
            "names neither productionListenerRule nor productionListener; there is no traffic to shift";
        problems.note(document, "alb", message);
    }
    if alb.test_listener_rule.is_some() && alb.test_listener.is_some() {
        problems.push(
            document
                .problem("alb.testListener", "there can be a testListenerRule or a testListener, not both"),
        );
    }
    for (path, arn) in rules(blue_green) {
        let wants_rule = path.contains("ListenerRule");
        let fits = if wants_rule { is_listener_rule_arn(&arn) } else { is_listener_arn(&arn) };
        if fits {
            continue;
        }
        let message = match (wants_rule, is_listener_arn(&arn), is_listener_rule_arn(&arn)) {
            (true, true, _) => {
                "is the ARN of a listener, not of a rule; a listener's default action goes to productionListener or testListener"
            }
            (false, _, true) => {
                "is the ARN of a rule, not of a listener; a rule goes to productionListenerRule or testListenerRule"
            }
            (true, ..) => {
                "is not the ARN of a listener rule (arn:aws:elasticloadbalancing:…:listener-rule/app/…)"
            }
            (false, ..) => "is not the ARN of a listener (arn:aws:elasticloadbalancing:…:listener/app/…)",
        };
        problems.note(document, &path, message);
    }
}

/// Where the target group of `slot` is written.
pub fn group_path(blue_green: &BlueGreen, slot: Slot) -> String {
    match blue_green.slots.get(slot).as_ref().and_then(|named| named.target_group.as_ref()) {
        Some(_) => format!("slots.{slot}.targetGroup"),
        None => format!("alb.targetGroups.{slot}"),
    }
}

fn check_target_groups(document: &Document, blue_green: &BlueGreen, problems: &mut Problems) {
    if document.spec.as_ref().is_none_or(|spec| spec.entry("alb").is_none()) {
        return;
    }
    for slot in Slot::BOTH {
        let path = group_path(blue_green, slot);
        let group = blue_green.target_group(slot);
        if group.is_empty() {
            problems.note(document, "alb.targetGroups", format!("the field \"{slot}\" is missing"));
        } else if target_group_name(group).is_none() {
            let message =
                "is neither a target group's name (letters, digits and \"-\", at most 32) nor its ARN";
            problems.note(document, &path, message);
        }
    }
}

fn check_steps(document: &Document, blue_green: &BlueGreen, problems: &mut Problems) {
    let steps = &blue_green.steps;
    for (at, pair) in steps.windows(2).enumerate() {
        if pair[1].weight <= pair[0].weight {
            let message = format!("{} does not follow {}: weights must grow", pair[1].weight, pair[0].weight);
            problems.note(document, &format!("steps[{}].weight", at + 1), message);
        }
    }
    let last = steps.len().saturating_sub(1);
    match steps.last() {
        Some(step) if step.weight != 100 => {
            let message = format!("the last step must be 100, not {}; add `- weight: 100`", step.weight);
            problems.note(document, &format!("steps[{last}].weight"), message);
        }
        Some(step) if step.hold > 0 => {
            let message = "there is nothing to hold after the last step; how long it is watched is bakeTime";
            problems.note(document, &format!("steps[{last}].hold"), message);
        }
        _ => {}
    }
}

fn check_gates(document: &Document, blue_green: &BlueGreen, problems: &mut Problems) {
    let gates = &blue_green.gates;
    let alb = &blue_green.alb;
    if blue_green.deadline <= gates.stable_for {
        let message = format!(
            "{}s is not longer than gates.stableFor ({}s): no rollout could ever pass",
            blue_green.deadline, gates.stable_for
        );
        problems.note(document, "deadline", message);
    }
    let has_traffic = blue_green.traffic.is_some();
    if !gates.http.is_empty()
        && !has_traffic
        && alb.test_listener_rule.is_none()
        && alb.test_listener.is_none()
    {
        let message =
            "is asked through the test rule, but there is neither alb.testListenerRule nor alb.testListener";
        problems.note(document, "gates.http", message);
    }
    let test: Vec<&String> = alb.test_listener_rule.iter().chain(&alb.test_listener).collect();
    let settle = settle_seconds(test.iter().copied()) + gates.stable_for;
    let too_short = blue_green.deadline > gates.stable_for && blue_green.deadline <= settle;
    if !gates.http.is_empty() && !test.is_empty() && too_short {
        let message = format!(
            "{}s is too short: the load balancer takes {}s to follow the test rule, and then the gates have to hold for \
             {}s; set more than {settle}s",
            blue_green.deadline,
            settle - gates.stable_for,
            gates.stable_for
        );
        problems.note(document, "deadline", message);
    }
    for (at, gate) in gates.http.iter().enumerate() {
        let odd = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !gate.path.starts_with('/') || odd(&gate.path) || gate.path.contains('#') {
            let message = "must begin with \"/\" and hold neither spaces nor \"#\"";
            problems.note(document, &format!("gates.http[{at}].path"), message);
        }
        let host_letters =
            |host: &String| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
        if !gate.host.as_ref().is_none_or(host_letters) {
            problems.note(document, &format!("gates.http[{at}].host"), "is not a host's name");
        }
        check_headers(document, at, gate, problems);
    }
    let mut alarms = HashSet::new();
    for (at, alarm) in gates.alarms.iter().enumerate() {
        if !alarms.insert(alarm) {
            problems.push(
                document.problem(&format!("gates.alarms[{at}]"), format!("\"{alarm}\" is named twice")),
            );
        }
    }
}

/// Ways to a service's tasks that know no weights, and what they make of two slots.
const INSEPARABLE: [(&str, &str); 3] = [
    ("serviceRegistries", "Cloud Map would tell clients the addresses of both slots"),
    ("serviceConnectConfiguration.services", "Service Connect would send requests to both slots"),
    ("vpcLatticeConfigurations", "VPC Lattice would send requests to both slots"),
];

/// The ways that a service declares to its tasks around the weights: the field, and what it would make of two slots.
pub fn ways_around(service: &Value) -> impl Iterator<Item = (&'static str, &'static str)> {
    INSEPARABLE.into_iter().filter(|(field, _)| {
        let entries = service.pointer(&format!("/{}", field.replace('.', "/")));
        entries.and_then(Value::as_array).is_some_and(|entries| !entries.is_empty())
    })
}

/// True if an entry of `loadBalancers` names the target group of a slot, which takes its place.
fn is_group_of_slot(blue_green: &BlueGreen, balancer: &Value) -> bool {
    let group = text(balancer, "targetGroupArn").unwrap_or_default();
    Slot::BOTH.iter().any(|slot| same_reference(blue_green.target_group(*slot), group))
}

/// Headers that the program or the connection sets.
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];

fn check_headers(document: &Document, at: usize, gate: &HttpGate, problems: &mut Problems) {
    for (name, value) in &gate.headers {
        let lower = name.to_ascii_lowercase();
        let is_token = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        let twice = gate.headers.keys().any(|other| other < name && other.eq_ignore_ascii_case(name));
        let wrong = if !is_token {
            "is not the name of a header"
        } else if lower == "host" {
            "is sent by `host`"
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            "is set by the connection"
        } else if twice {
            "is named twice"
        } else if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) || value.trim() != value {
            "must have a value of visible ASCII characters without spaces around"
        } else {
            continue;
        };
        problems.note(document, &format!("gates.http[{at}].headers.{name}"), wrong);
    }
}

/// What the steered service must and must not say.
fn check_service(
    document: &Document,
    blue_green: &BlueGreen,
    service: &Document,
    spec: &Value,
    index: &Index<'_>,
    problems: &mut Problems,
) {
    let label = document.label();
    let mut note = |path: &str, message: String| problems.note(service, path, message);
    if let Some(strategy @ ("BLUE_GREEN" | "LINEAR" | "CANARY")) =
        spec.pointer("/deploymentConfiguration/strategy").and_then(Value::as_str)
    {
        let message = format!(
            "{label} shifts the traffic of this service, and with {strategy} ECS would do it too; remove one of them"
        );
        note("deploymentConfiguration.strategy", message);
    }
    if text(spec, "schedulingStrategy") == Some("DAEMON") {
        note("schedulingStrategy", format!("a DAEMON service cannot have two sides; {label} steers it"));
    }
    let container = &blue_green.container;
    for (at, balancer) in items(spec, "loadBalancers").iter().enumerate() {
        let same_port =
            balancer.get("containerPort").and_then(Value::as_u64) == Some(u64::from(container.port));
        if same_port && text(balancer, "containerName") == Some(&container.name) {
            let message = format!(
                "{label} gives each slot its own target group for this container and port; remove this entry"
            );
            note(&format!("loadBalancers[{at}]"), message);
        } else if !is_group_of_slot(blue_green, balancer) {
            let message = format!(
                "{label} would register both slots here, where the new version answers requests before its gates are \
                 open; remove this entry, or serve it from a Service of its own"
            );
            note(&format!("loadBalancers[{at}]"), message);
        }
    }
    for (field, effect) in ways_around(spec) {
        note(field, format!("{effect}, whatever the weights of {label}; remove it"));
    }
    let service_name = text(spec, "serviceName").unwrap_or(&service.name);
    for slot in Slot::BOTH {
        let name = blue_green.slot_workload(slot, service_name);
        if name.len() > MAX_ECS_NAME {
            let message =
                format!("with \"-{slot}\" for its slot the name is longer than {MAX_ECS_NAME} characters");
            note("serviceName", message);
            break;
        }
    }
    let task_definition =
        text(spec, "taskDefinition").and_then(|name| index.spec(Kind::TaskDefinition, name));
    if let Some(task_definition) = task_definition
        && let Some((field, message)) =
            missing_port(task_definition, &container.name, i64::from(container.port), problems)
    {
        problems.note(document, &format!("container.{field}"), message);
    }
}
