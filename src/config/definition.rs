//! The CustomResourceDefinition of Application, made of the same shapes that the validator walks.

use super::CUTOVER_API;
use super::cel_rules::{DURATION, LIMIT, RULES};
use super::shape::{Form, Format, Shape, Table, request_shape, status_shape};
use crate::model::Kind;
use serde_json::{Map, Value, json};

/// Fields of the kind that an Application in a cluster does not have: it is where its cluster is.
const LEFT_OUT: &[&str] = &["spec.destination.kubernetes.context"];
/// Longer than any duration that is one.
const DURATION_LENGTH: i64 = 40;

/// The CustomResourceDefinition `applications.cutover.dev`, as it is applied.
pub fn application_definition() -> Value {
    let (group, version) = CUTOVER_API.split_once('/').unwrap_or_default();
    let (table, spec) = request_shape(Kind::Application);
    let spec = structural(table, spec, "spec");
    let (table, status) = status_shape();
    let mut status = structural(table, status, "status");
    if let Some(conditions) = status.pointer_mut("/properties/conditions").and_then(Value::as_object_mut) {
        conditions.insert("x-kubernetes-list-type".into(), "map".into());
        conditions.insert("x-kubernetes-list-map-keys".into(), json!(["type"]));
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("applications.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": "Application",
                "listKind": "ApplicationList",
                "plural": "applications",
                // Where Argo CD is installed, too, the long name is its own or ours by chance.
                "shortNames": ["capp"],
                "singular": "application",
                "categories": ["cutover"],
            },
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": {
                    "description": "Which repository goes where, and how; see `cutover schema Application`.",
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec,
                        "status": status,
                    },
                    "x-kubernetes-validations": rules_at(""),
                }},
            }],
        },
    })
}

/// What `kubectl get applications.cutover.dev` prints. The revision is a whole commit and the wait a whole sentence, so
/// these take `-o wide`.
fn columns() -> Value {
    json!([
        {"name": "Sync", "type": "string", "jsonPath": ".status.sync"},
        {"name": "Health", "type": "string", "jsonPath": ".status.health"},
        {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason"},
        {"name": "Waiting for", "type": "string", "priority": 1, "jsonPath": ".status.waitingFor"},
        {"name": "Revision", "type": "string", "priority": 1, "jsonPath": ".status.revision"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ])
}

/// A shape as a structural schema: every value has one type, and nothing is said twice.
fn structural(table: &Table, shape: &Shape, path: &str) -> Value {
    let mut schema = Map::new();
    if let Some(about) = &shape.about {
        schema.insert("description".into(), about.as_str().into());
    }
    let mut rules = rules_at(path);
    let mut put = |key: &str, value: Value| _ = schema.insert(key.into(), value);
    match shape.form {
        Form::Structure => {
            put("type", "object".into());
            if !shape.required.is_empty() {
                put("required", json!(shape.required));
            }
            put("properties", Value::Object(properties(table, shape, path)));
        }
        Form::Map => {
            put("type", "object".into());
            put("additionalProperties", structural(table, table.item(shape), &format!("{path}[]")));
        }
        Form::List => {
            put("type", "array".into());
            bounds(shape, "minItems", "maxItems", &mut put);
            put("items", structural(table, table.item(shape), &format!("{path}[]")));
        }
        Form::String => match shape.format {
            Some(Format::Limit) => {
                put("x-kubernetes-int-or-string", true.into());
                rules.push(rule(LIMIT));
            }
            Some(Format::Time) => {
                put("type", "string".into());
                put("format", "date-time".into());
            }
            Some(Format::Duration) => {
                put("type", "string".into());
                put("maxLength", DURATION_LENGTH.into());
                rules.insert(0, rule(DURATION));
            }
            None | Some(Format::Share) => {
                put("type", "string".into());
                bounds(shape, "minLength", "maxLength", &mut put);
                if !shape.allowed.is_empty() {
                    put("enum", json!(shape.allowed));
                }
            }
        },
        Form::Integer | Form::Long => {
            put("type", "integer".into());
            put("format", if shape.form == Form::Integer { "int32" } else { "int64" }.into());
            bounds(shape, "minimum", "maximum", &mut put);
        }
        Form::Double => put("type", "number".into()),
        Form::Boolean => put("type", "boolean".into()),
        // Neither of them can be said in a structural schema.
        Form::Json | Form::OneOrMany => put("x-kubernetes-preserve-unknown-fields", true.into()),
    }
    if !rules.is_empty() {
        put("x-kubernetes-validations", Value::Array(rules));
    }
    Value::Object(schema)
}

fn properties(table: &Table, shape: &Shape, path: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    for (field, member) in &shape.members {
        let path = format!("{path}.{field}");
        if LEFT_OUT.contains(&path.as_str()) {
            continue;
        }
        let mut property = structural(table, table.member(member), &path);
        if let (Some(about), Some(property)) = (member.about(), property.as_object_mut()) {
            property.shift_insert(0, "description".into(), about.into());
        }
        properties.insert(field.clone(), property);
    }
    properties
}

fn bounds(shape: &Shape, least: &str, most: &str, put: &mut impl FnMut(&str, Value)) {
    if let Some(min) = shape.min {
        put(least, min.into());
    }
    if let Some(max) = shape.max {
        put(most, max.into());
    }
}

fn rules_at(path: &str) -> Vec<Value> {
    RULES
        .iter()
        .filter(|(place, ..)| *place == path)
        .map(|(_, condition, message)| rule((condition, message)))
        .collect()
}

fn rule((condition, message): (&str, &str)) -> Value {
    json!({"rule": condition, "message": message})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All places that rules and left-out fields name, as far as the schema has them.
    fn places(schema: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
            places(inner, format!("{path}.{field}").trim_start_matches('.'), found);
        }
        if let Some(items) = schema.get("items") {
            places(items, &format!("{path}[]"), found);
        }
    }

    #[test]
    fn every_rule_stands_at_a_field_of_the_schema() {
        let definition = application_definition();
        let mut found = vec![];
        places(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut found);
        for (place, ..) in RULES {
            assert!(found.iter().any(|path| path == place), "{place}");
        }
        for place in LEFT_OUT {
            assert!(!found.iter().any(|path| path == place), "{place}");
        }
    }
}
