//! What ECS asks of a task definition beyond the shape of the request, found before it is sent.

use super::envelope::Document;
use super::forms::{is_ecs_name, items, text};
use super::problems::{Problems, did_you_mean};
use crate::model::marks;
use serde_json::Value;
use std::collections::HashSet;

/// The program adds its own tags; AWS allows 50.
const MAX_TAGS: usize = 40;

/// Notes what is wrong with the task definition.
pub fn check(document: &Document, spec: &Value, problems: &mut Problems) {
    if text(spec, "family").is_some_and(|family| !is_ecs_name(family)) {
        let message = "is not a family's name: letters, digits, \"-\" and \"_\", at most 255 characters";
        problems.note(document, "family", message);
    }
    check_tags(document, spec, problems);
    let containers = items(spec, "containerDefinitions");
    if containers.is_empty() {
        if spec.get("containerDefinitions").is_some_and(Value::is_array) {
            problems.note(document, "containerDefinitions", "is empty");
        }
        return;
    }
    if containers.len() > 100 {
        return; // noted by the shape
    }
    let names: HashSet<&str> = containers.iter().filter_map(|container| text(container, "name")).collect();
    let volumes: HashSet<&str> =
        items(spec, "volumes").iter().filter_map(|volume| text(volume, "name")).collect();
    let mut seen = HashSet::new();
    let mut ports = HashSet::new();
    for (at, container) in containers.iter().enumerate() {
        let path = |field: &str| format!("containerDefinitions[{at}].{field}");
        for field in ["name", "image"] {
            let fields = container.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
            let is_misspelt =
                !document.is_valid && did_you_mean(field, fields.filter(|key| *key != field)).is_some();
            if container.get(field).is_none_or(|value| value == "") && !is_misspelt {
                let place = format!("containerDefinitions[{at}]");
                problems.note(document, &place, format!("the field \"{field}\" is missing"));
            }
        }
        if let Some(name) = text(container, "name") {
            if !name.is_empty() && !is_ecs_name(name) {
                let message =
                    "is not a container's name: letters, digits, \"-\" and \"_\", at most 255 characters";
                problems.note(document, &path("name"), message);
            }
            if !seen.insert(name) {
                problems.note(document, &path("name"), format!("there are two containers \"{name}\""));
            }
        }
        let own = text(container, "name").unwrap_or_default();
        let mut refer = |list: &str, field: &str, what: &str, known: &HashSet<&str>| {
            for (i, item) in items(container, list).iter().enumerate() {
                let Some(name) = text(item, field) else { continue };
                let itself = what == "container" && name == own;
                if itself || !known.contains(name) {
                    let hint = problems.guess(
                        name,
                        known.iter().copied().filter(|known| what != "container" || *known != own),
                    );
                    let message = if itself {
                        "is the container itself".to_owned()
                    } else {
                        format!("there is no {what} \"{name}\"{hint}")
                    };
                    problems.note(document, &path(&format!("{list}[{i}].{field}")), message);
                }
            }
        };
        refer("mountPoints", "sourceVolume", "volume", &volumes);
        refer("volumesFrom", "sourceContainer", "container", &names);
        refer("dependsOn", "containerName", "container", &names);
        for (i, port) in items(container, "portMappings").iter().enumerate() {
            if let Some(name) = text(port, "name").filter(|name| !ports.insert(*name)) {
                let place = path(&format!("portMappings[{i}].name"));
                problems.push(
                    document
                        .problem(&place, format!("there are two ports \"{name}\" in this task definition")),
                );
            }
        }
    }
    if containers.iter().all(|container| container.get("essential") == Some(&Value::Bool(false))) {
        problems.note(document, "containerDefinitions", "at least one container must be essential");
    }
}

/// Notes tags that AWS or this program keep for themselves.
pub fn check_tags(document: &Document, spec: &Value, problems: &mut Problems) {
    let tags = items(spec, "tags");
    if tags.len() > MAX_TAGS {
        let message = format!(
            "has {} tags; AWS allows 50, and the program needs some for itself: at most {MAX_TAGS}",
            tags.len()
        );
        problems.note(document, "tags", message);
    }
    let mut seen = HashSet::new();
    for (at, tag) in tags.iter().enumerate() {
        let place = format!("tags[{at}].key");
        if tag.is_object() && tag.get("key").is_none() {
            problems.note(document, &format!("tags[{at}]"), "the field \"key\" is missing");
        }
        let Some(key) = text(tag, "key") else { continue };
        if marks::is_ours(key) {
            problems.push(
                document
                    .problem(&place, format!("tags that begin with {} are the program's own", marks::PREFIX)),
            );
        } else if key.to_ascii_lowercase().starts_with("aws:") {
            problems.note(document, &place, "tags that begin with aws: are AWS's own");
        }
        if !seen.insert(key) {
            problems.note(document, &place, format!("the tag \"{key}\" is given twice"));
        }
    }
}
