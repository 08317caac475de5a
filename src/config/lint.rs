//! Checks of valid documents that need no AWS: what ECS would refuse, and what works but will hurt.

use super::forms::{is_role_arn, items, text};
use super::{lint_deployment, lint_fargate};
use crate::model::{
    Application, Kind, Manifests, Origin, Problem, Service, TaskDefinition, TaskDefinitionRef, marks,
    settle_seconds,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// AWS will refuse it.
    Error,
    /// AWS takes it, but it may not do what is wanted.
    Warning,
}

/// One thing that a deploy would stumble over. Its line is that of the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    #[serde(flatten)]
    pub problem: Problem,
    pub severity: Severity,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.problem)
    }
}

/// Looks through valid documents; the findings are sorted by file and line.
pub fn lint(manifests: &Manifests) -> Vec<Finding> {
    let mut findings = vec![];
    for task_definition in manifests.task_definitions.values() {
        let label = marks::document(Kind::TaskDefinition, &task_definition.name);
        let mut notes = Notes { origin: &task_definition.origin, label, findings: &mut findings };
        lint_task_definition(task_definition, &mut notes);
    }
    for service in manifests.services.values() {
        let label = marks::document(Kind::Service, &service.name);
        let mut notes = Notes { origin: &service.origin, label, findings: &mut findings };
        let task_definition = match &service.task_definition {
            TaskDefinitionRef::Document(name) => manifests.task_definitions.get(name),
            TaskDefinitionRef::External(_) => None,
        };
        if let Some(task_definition) = task_definition {
            lint_pair(service, task_definition, &mut notes);
        }
    }
    for blue_green in manifests.blue_greens.values() {
        let Some(service) = manifests.services.get(&blue_green.workload_ref.name) else { continue };
        let label = marks::document(Kind::Service, &service.name);
        let mut notes = Notes { origin: &service.origin, label, findings: &mut findings };
        for (field, through) in [
            ("serviceRegistries", "Cloud Map"),
            ("serviceConnectConfiguration", "Service Connect"),
            ("vpcLatticeConfigurations", "VPC Lattice"),
        ] {
            let value = service.spec.get(field);
            let offers = value.is_some_and(|v| match v.as_array() {
                Some(list) => !list.is_empty(),
                None => !items(v, "services").is_empty(),
            });
            if offers {
                let message = format!(
                    "both slots are offered through {through}, so its clients reach a new version before its gates have opened"
                );
                notes.warning(field, message);
            }
        }
    }
    lint_deployment::lint(manifests, &mut findings);
    findings.sort();
    findings
}

/// Looks at how long a sync of `application` may take, beside what its load balancers need. A sync that ends before a
/// network load balancer has surely followed the last change never gets to what comes after it.
pub fn lint_timeout(application: &Application, manifests: &Manifests) -> Vec<Finding> {
    let mut findings = vec![];
    for blue_green in manifests.blue_greens.values() {
        let alb = &blue_green.alb;
        let settle =
            settle_seconds(alb.production_listener_rule.arns().iter().chain(alb.production_listener.arns()));
        let timeout = application.sync.timeout;
        if timeout > settle {
            continue;
        }
        let label = format!("{}/{}", Kind::Application, application.name);
        let mut notes = Notes { origin: &application.origin, label, findings: &mut findings };
        let message = format!(
            "{timeout}s is no longer than the {settle}s that the load balancer of BlueGreen/{} takes to follow a change of \
             weights; set more than {settle}s",
            blue_green.name
        );
        notes.error("sync.timeout", message);
    }
    findings
}

/// Collects what is found in one document.
pub struct Notes<'a> {
    pub origin: &'a Origin,
    pub label: String,
    pub findings: &'a mut Vec<Finding>,
}

impl Notes<'_> {
    /// AWS will refuse it.
    pub fn error(&mut self, field: &str, message: impl Into<String>) {
        self.push(Severity::Error, field, message.into());
    }

    /// AWS takes it, but.
    pub fn warning(&mut self, field: &str, message: impl Into<String>) {
        self.push(Severity::Warning, field, message.into());
    }

    fn push(&mut self, severity: Severity, field: &str, message: String) {
        let (origin, document) = (self.origin.clone(), self.label.clone());
        let problem = Problem { origin, document, field: field.to_owned(), message };
        self.findings.push(Finding { problem, severity });
    }
}

fn lint_task_definition(task_definition: &TaskDefinition, notes: &mut Notes<'_>) {
    let spec = &task_definition.spec;
    let on_fargate = items(spec, "requiresCompatibilities").iter().any(|c| c == "FARGATE");
    for (at, container) in items(spec, "containerDefinitions").iter().enumerate() {
        let place = format!("containerDefinitions[{at}]");
        lint_image(container, &place, notes);
        lint_log(container, &place, on_fargate, notes);
        lint_environment(container, &place, notes);
        let has_memory = container.get("memory").is_some() || container.get("memoryReservation").is_some();
        if !has_memory && spec.get("memory").is_none() {
            notes.error(&place, "neither the container nor the task has memory");
        }
        let has_secrets = !items(container, "secrets").is_empty();
        if has_secrets && spec.get("executionRoleArn").is_none() {
            notes.error(&format!("{place}.secrets"), "need an executionRoleArn that may read them");
        }
    }
    for field in ["executionRoleArn", "taskRoleArn"] {
        // A role's short name is taken, too.
        if text(spec, field).is_some_and(|role| role.contains(':') && !is_role_arn(role)) {
            notes.error(field, "is not a role's ARN (arn:aws:iam::123456789012:role/name)");
        }
    }
    if on_fargate {
        lint_fargate::lint(spec, notes);
    }
}

/// An image that is none, or that may be another one tomorrow.
pub fn lint_image(container: &Value, place: &str, notes: &mut Notes<'_>) {
    let Some(image) = text(container, "image") else { return };
    let field = format!("{place}.image");
    match ImageReference::parse(image) {
        None => notes.error(&field, format!("\"{}\" is not an image reference", image.escape_debug())),
        Some(ImageReference { has_digest: true, .. }) => {}
        Some(ImageReference { tag: None, .. }) => {
            notes.warning(&field, "has neither tag nor digest: a revert cannot bring back what ran before");
        }
        Some(ImageReference { tag: Some("latest"), .. }) => {
            notes.warning(&field, "\"latest\" moves: a revert cannot bring back what ran before");
        }
        Some(_) => {}
    }
}

/// `[registry/]path[:tag][@digest]`
struct ImageReference<'a> {
    tag: Option<&'a str>,
    has_digest: bool,
}

impl<'a> ImageReference<'a> {
    fn parse(text: &'a str) -> Option<ImageReference<'a>> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let digest_ok = digest.is_none_or(|digest| {
            digest.split_once(':').is_some_and(|(algorithm, hex)| {
                let algorithm_ok = !algorithm.is_empty()
                    && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'.');
                algorithm_ok && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
            })
        });
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].split_once(':') {
            Some((name, tag)) => (&rest[..name_start + name.len()], Some(tag)),
            None => (rest, None),
        };
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b == b'-';
        let tag_ok = tag.is_none_or(|tag| {
            (1..=128).contains(&tag.len()) && tag.bytes().all(word) && !tag.starts_with(['.', '-'])
        });
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
            _ => (None, name),
        };
        let host_ok = host.is_none_or(|host| host.bytes().all(|b| word(b) || b == b':'));
        let part_ok = |part: &str| {
            let letters =
                part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
            let ends = part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric());
            letters && ends
        };
        let good = digest_ok && tag_ok && host_ok && path.split('/').all(part_ok) && text.len() <= 1024;
        good.then_some(ImageReference { tag, has_digest: digest.is_some() })
    }
}

fn lint_log(container: &Value, place: &str, on_fargate: bool, notes: &mut Notes<'_>) {
    let Some(log) = container.get("logConfiguration").filter(|log| text(log, "logDriver") == Some("awslogs"))
    else {
        return;
    };
    let field = format!("{place}.logConfiguration.options");
    let option = |name: &str| log.get("options").and_then(|options| text(options, name));
    match option("awslogs-group") {
        None => notes.error(&field, "the option \"awslogs-group\" is missing"),
        Some(group) => {
            let letters = group.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/.#".contains(&b));
            if !letters || !(1..=512).contains(&group.len()) {
                notes.error(
                    &format!("{field}.awslogs-group"),
                    "is not a log group's name: letters, digits and _ - / . #, at most 512",
                );
            }
        }
    }
    if option("awslogs-region").is_none() {
        notes.error(&field, "the option \"awslogs-region\" is missing");
    }
    if on_fargate && option("awslogs-stream-prefix").is_none() {
        notes.error(&field, "the option \"awslogs-stream-prefix\" is missing; Fargate needs it");
    }
}

fn lint_environment(container: &Value, place: &str, notes: &mut Notes<'_>) {
    let mut seen = HashSet::new();
    for list in ["environment", "secrets"] {
        for (at, item) in items(container, list).iter().enumerate() {
            let Some(name) = text(item, "name") else { continue };
            if !seen.insert(name) {
                notes.error(&format!("{place}.{list}[{at}].name"), format!("\"{name}\" is given twice"));
            }
        }
    }
}

/// A service and its task definition must fit together.
fn lint_pair(service: &Service, task_definition: &TaskDefinition, notes: &mut Notes<'_>) {
    let (spec, task) = (&service.spec, &task_definition.spec);
    let is_awsvpc = text(task, "networkMode") == Some("awsvpc");
    let has_network = spec.pointer("/networkConfiguration/awsvpcConfiguration").is_some();
    if is_awsvpc && !has_network {
        notes.error(
            "networkConfiguration",
            "awsvpcConfiguration is needed: the task definition's networkMode is awsvpc",
        );
    }
    if !is_awsvpc && has_network {
        notes.error("networkConfiguration", "only a task definition with networkMode awsvpc can have one");
    }
    let strategy = items(spec, "capacityProviderStrategy");
    let provider =
        |item: &Value| text(item, "capacityProvider").is_some_and(|name| name.starts_with("FARGATE"));
    if text(spec, "launchType") == Some("FARGATE") || strategy.iter().any(provider) {
        let fits = items(task, "requiresCompatibilities").iter().any(|c| c == "FARGATE");
        if !fits {
            let message = format!(
                "runs on Fargate, but TaskDefinition/{} does not name FARGATE in requiresCompatibilities",
                task_definition.name
            );
            notes.error("launchType", message);
        }
    }
    let ports: HashSet<&str> = items(task, "containerDefinitions")
        .iter()
        .flat_map(|container| items(container, "portMappings"))
        .filter_map(|port| text(port, "name"))
        .collect();
    let connect =
        spec.get("serviceConnectConfiguration").map_or(&[][..], |connect| items(connect, "services"));
    let named =
        connect.iter().enumerate().map(|(at, s)| (format!("serviceConnectConfiguration.services[{at}]"), s));
    let lattice = items(spec, "vpcLatticeConfigurations").iter().enumerate();
    for (place, item) in named.chain(lattice.map(|(at, s)| (format!("vpcLatticeConfigurations[{at}]"), s))) {
        if let Some(name) = text(item, "portName").filter(|name| !ports.contains(name)) {
            let message =
                format!("TaskDefinition/{} has no port mapping named \"{name}\"", task_definition.name);
            notes.error(&format!("{place}.portName"), message);
        }
    }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
