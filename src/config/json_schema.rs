//! JSON Schema (draft 2020-12) of the kinds, for editors. Printed from the same shapes that the validator walks.

use super::envelope::{KINDS, UNCHECKED_FIELDS};
use super::shape::{Form, Format, Shape, Table, request_shape};
use crate::model::Kind;
use serde_json::{Map, Value, json};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of one kind's documents.
pub fn json_schema(kind: Kind) -> Value {
    let mut definitions = Map::new();
    let mut schema = envelope(kind, &mut definitions);
    schema.insert("$defs".into(), Value::Object(definitions));
    let mut whole = Map::new();
    whole.insert("$schema".into(), DRAFT.into());
    whole.extend(schema);
    Value::Object(whole)
}

/// The schema of a document of any kind.
pub fn combined_json_schema() -> Value {
    let mut definitions = Map::new();
    let kinds: Vec<Value> =
        KINDS.iter().map(|(kind, _)| Value::Object(envelope(*kind, &mut definitions))).collect();
    json!({"$schema": DRAFT, "title": "Documents of cutover", "oneOf": kinds, "$defs": definitions})
}

fn envelope(kind: Kind, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let api = KINDS.iter().find(|(known, _)| *known == kind).map_or("", |(_, api)| api);
    let (table, root) = request_shape(kind);
    let spec = describe(table, root, kind.to_string().as_str(), definitions);
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let annotations = match kind {
        Kind::Application | Kind::BlueGreen | Kind::ControllerConfiguration => texts.clone(),
        Kind::TaskDefinition | Kind::Service => json!({
            "type": "object",
            "properties": {UNCHECKED_FIELDS: {
                "type": "string",
                "description": "Fields of spec that are sent to AWS unchecked: paths without indices, separated by commas."
            }},
            "additionalProperties": {"type": "string"}
        }),
    };
    let mut schema = json!({
        "title": kind.to_string(),
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": {"const": api},
            "kind": {"const": kind.to_string()},
            "metadata": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": false,
                "properties": {
                    "name": {"type": "string", "maxLength": 253, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
                    "labels": texts,
                    "annotations": annotations
                }
            },
            "spec": spec
        }
    });
    if kind == Kind::Application {
        schema["properties"]["metadata"]["properties"]["namespace"] = json!({
            "type": "string",
            "maxLength": 63,
            "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            "description": "Where it goes as a document among others. Default: the namespace of the destination."
        });
    }
    schema.as_object().cloned().unwrap_or_default()
}

/// A shape as a schema; structures, lists and maps go to `definitions` under `name` and are referred to.
fn describe(table: &Table, shape: &Shape, name: &str, definitions: &mut Map<String, Value>) -> Value {
    if matches!(shape.form, Form::Structure | Form::List | Form::Map | Form::OneOrMany) {
        if !definitions.contains_key(name) {
            definitions.insert(name.to_owned(), Value::Null);
            let schema = collection(table, shape, definitions);
            definitions.insert(name.to_owned(), schema);
        }
        return json!({"$ref": format!("#/$defs/{name}")});
    }
    let mut schema = Map::new();
    match shape.form {
        Form::String => {
            schema.insert("type".into(), "string".into());
            put(&mut schema, "minLength", shape.min.filter(|min| *min > 0));
            put(&mut schema, "maxLength", shape.max);
            if !shape.allowed.is_empty() {
                schema.insert("enum".into(), json!(shape.allowed));
            }
            match shape.format {
                None => {}
                Some(Format::Duration) => {
                    schema.insert("pattern".into(), "^(0|([0-9]+[smhd])+)$".into());
                }
                Some(Format::Share) => {
                    schema.insert("pattern".into(), "^0*([1-9][0-9]?|100)%$".into());
                }
                Some(Format::Time) => {
                    schema.insert("format".into(), "date-time".into());
                }
                Some(Format::Limit) => {
                    let text = json!({"type": "string", "pattern": "^(0*([0-9]{1,2}|100)%|[0-9]+)$"});
                    return json!({"oneOf": [text, {"type": "integer", "minimum": 0}]});
                }
            }
        }
        Form::Integer | Form::Long => {
            schema.insert("type".into(), "integer".into());
            let is_small = shape.form == Form::Integer;
            put(&mut schema, "minimum", shape.min.or(is_small.then_some(i64::from(i32::MIN))));
            put(&mut schema, "maximum", shape.max.or(is_small.then_some(i64::from(i32::MAX))));
        }
        Form::Double => {
            schema.insert("type".into(), "number".into());
        }
        Form::Boolean => {
            schema.insert("type".into(), "boolean".into());
        }
        Form::Json | Form::Structure | Form::List | Form::Map | Form::OneOrMany => {}
    }
    Value::Object(schema)
}

fn collection(table: &Table, shape: &Shape, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = Map::new();
    if let Some(about) = &shape.about {
        schema.insert("description".into(), about.as_str().into());
    }
    let list = |schema: &mut Map<String, Value>, definitions: &mut Map<String, Value>| {
        schema.insert("type".into(), "array".into());
        schema
            .insert("items".into(), describe(table, table.item(shape), table.item_name(shape), definitions));
        put(schema, "minItems", shape.min.filter(|min| *min > 0));
        put(schema, "maxItems", shape.max);
    };
    match shape.form {
        Form::Structure => {
            schema.insert("type".into(), "object".into());
            if !shape.required.is_empty() {
                schema.insert("required".into(), json!(shape.required));
            }
            if shape.exactly_one {
                schema.insert("minProperties".into(), 1.into());
                schema.insert("maxProperties".into(), 1.into());
            }
            let mut properties = Map::new();
            for (field, member) in &shape.members {
                let mut property = describe(table, table.member(member), member.shape(), definitions);
                if let (Some(about), Some(property)) = (member.about(), property.as_object_mut()) {
                    property.insert("description".into(), about.into());
                }
                properties.insert(field.clone(), property);
            }
            schema.insert("properties".into(), Value::Object(properties));
            schema.insert("additionalProperties".into(), false.into());
        }
        Form::Map => {
            schema.insert("type".into(), "object".into());
            let values = describe(table, table.item(shape), table.item_name(shape), definitions);
            schema.insert("additionalProperties".into(), values);
        }
        Form::OneOrMany => {
            let mut many = Map::new();
            list(&mut many, definitions);
            let one = describe(table, table.item(shape), table.item_name(shape), definitions);
            schema.insert("oneOf".into(), json!([one, many]));
        }
        _ => list(&mut schema, definitions),
    }
    Value::Object(schema)
}

fn put(schema: &mut Map<String, Value>, key: &str, value: Option<i64>) {
    if let Some(value) = value {
        schema.insert(key.into(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All `$ref`s in a schema.
    fn references(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value.as_str() {
                        Some(name) if key == "$ref" => found.push(name.to_owned()),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_of_a_schema_leads_to_a_definition() {
        let mut schemas: Vec<Value> = KINDS.iter().map(|(kind, _)| json_schema(*kind)).collect();
        schemas.push(combined_json_schema());
        for schema in schemas {
            let mut found = vec![];
            references(&schema, &mut found);
            assert!(!found.is_empty());
            for name in found {
                let pointer = name.strip_prefix('#').expect("references are local");
                assert!(schema.pointer(pointer).is_some_and(Value::is_object), "{name}");
            }
        }
    }

    #[test]
    fn both_tables_fit_into_one_schema_without_a_clash_of_names() {
        let count = |schema: &Value| schema["$defs"].as_object().map_or(0, Map::len);
        let union: std::collections::BTreeSet<String> = KINDS
            .iter()
            .flat_map(|(kind, _)| {
                let schema = json_schema(*kind);
                let table = if matches!(kind, Kind::TaskDefinition | Kind::Service) { "aws" } else { "own" };
                let names: Vec<String> = schema["$defs"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| format!("{table} {name}"))
                    .collect();
                names
            })
            .collect();
        assert_eq!(count(&combined_json_schema()), union.len());
    }

    #[test]
    fn a_schema_refuses_what_the_validator_refuses() {
        let schema = json_schema(Kind::TaskDefinition);
        assert_eq!(schema["$defs"]["ContainerDefinition"]["additionalProperties"], json!(false));
        assert_eq!(schema["$defs"]["TaskDefinition"]["required"], json!(["containerDefinitions"]));
        assert_eq!(schema["properties"]["apiVersion"]["const"], "ecs.cutover.dev/v1alpha1");
        let service = json_schema(Kind::Service);
        assert!(service.pointer("/$defs/Service/properties/cluster").is_none());
        assert!(service.pointer("/$defs/Service/properties/launchType/enum").is_some());
    }
}
