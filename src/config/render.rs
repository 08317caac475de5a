//! Validated documents back to text: what `cutover render` prints. Reading it again gives the same documents.

use super::emit::yaml_text;
use super::{CUTOVER_API, ECS_API};
use crate::model::{Kind, Manifests, Service, TaskDefinitionRef};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// All documents as one YAML stream: by kind, then by name; defaults filled in.
pub fn render(manifests: &Manifests) -> String {
    let mut texts = vec![];
    for application in manifests.applications.values() {
        texts.push(document_text(Kind::Application, &application.name, own_spec(application)));
    }
    for task_definition in manifests.task_definitions.values() {
        texts.push(document_text(Kind::TaskDefinition, &task_definition.name, task_definition.spec.clone()));
    }
    for service in manifests.services.values() {
        texts.push(document_text(Kind::Service, &service.name, service_spec(service)));
    }
    for blue_green in manifests.blue_greens.values() {
        texts.push(document_text(Kind::BlueGreen, &blue_green.name, own_spec(blue_green)));
    }
    texts.join("---\n")
}

/// One document as YAML.
pub fn document_text(kind: Kind, name: &str, spec: Value) -> String {
    let api = match kind {
        Kind::Application | Kind::BlueGreen => CUTOVER_API,
        Kind::TaskDefinition | Kind::Service => ECS_API,
    };
    yaml_text(&json!({"apiVersion": api, "kind": kind.to_string(), "metadata": {"name": name}, "spec": spec}))
}

fn service_spec(service: &Service) -> Value {
    let (TaskDefinitionRef::Document(name) | TaskDefinitionRef::External(name)) = &service.task_definition;
    let mut spec = Map::new();
    spec.extend(service.spec.get("serviceName").map(|name| ("serviceName".to_owned(), name.clone())));
    spec.insert("taskDefinition".into(), name.as_str().into());
    spec.extend(service.spec.as_object().cloned().unwrap_or_default());
    Value::Object(spec)
}

/// The spec of one of the program's own kinds; what is not set is left out.
fn own_spec(document: &impl Serialize) -> Value {
    let mut spec = serde_json::to_value(document).unwrap_or_default();
    drop_unset(&mut spec);
    spec
}

fn drop_unset(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_unset);
            fields.retain(|_, value| {
                !(value.is_null() || value == "" || value.as_object().is_some_and(Map::is_empty))
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_unset),
        _ => {}
    }
}
