//! The JSON Schemas are checked with a small interpreter of the words they use, so that they agree with the validator.

use super::config::{project, read_folder};
use cutover::config::{combined_json_schema, json_schema, load, render};
use cutover::model::Kind;
use serde_json::{Value, json};

/// True if `value` fits `schema`. Panics on a word that it does not know, so that none is silently passed over.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let words = schema.as_object().expect("a schema is a map");
    let number = |word: &Value| word.as_f64().unwrap_or_default();
    let length = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    #[allow(clippy::cast_precision_loss)]
    let length = length as f64;
    words.iter().all(|(word, want)| match word.as_str() {
        "$schema" | "$defs" | "title" | "description" | "pattern" => true,
        "$ref" => {
            let pointer =
                want.as_str().and_then(|name| name.strip_prefix('#')).expect("references are local");
            fits(root, root.pointer(pointer).expect("the definition exists"), value)
        }
        "type" => match want.as_str().expect("one type") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            other => panic!("unknown type {other}"),
        },
        "const" => value == want,
        "enum" => want.as_array().expect("a list").contains(value),
        "required" => want
            .as_array()
            .expect("a list")
            .iter()
            .all(|name| value.get(name.as_str().expect("text")).is_some()),
        "properties" => want
            .as_object()
            .expect("a map")
            .iter()
            .all(|(name, inner)| value.get(name).is_none_or(|value| fits(root, inner, value))),
        "additionalProperties" => value.as_object().is_none_or(|fields| {
            let known = |name: &String| words.get("properties").is_some_and(|all| all.get(name).is_some());
            fields.iter().filter(|(name, _)| !known(name)).all(|(_, value)| match want {
                Value::Bool(allowed) => *allowed,
                inner => fits(root, inner, value),
            })
        }),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(root, want, item))),
        "oneOf" => want.as_array().expect("a list").iter().filter(|one| fits(root, one, value)).count() == 1,
        "minimum" => value.as_f64().is_none_or(|n| n >= number(want)),
        "maximum" => value.as_f64().is_none_or(|n| n <= number(want)),
        "minProperties" => value.as_object().is_none_or(|fields| fields.len() as f64 >= number(want)),
        "maxProperties" => value.as_object().is_none_or(|fields| fields.len() as f64 <= number(want)),
        "minLength" | "minItems" => length >= number(want),
        "maxLength" | "maxItems" => length <= number(want),
        other => panic!("unknown word {other}"),
    })
}

/// The documents of all examples, as JSON.
fn examples() -> Vec<Value> {
    let root = project("examples");
    let mut documents = vec![];
    for folder in ["shop", "worker"] {
        let manifests = load(&read_folder(&root, &root.join(folder)), None).expect("examples are valid");
        for text in render(&manifests).split("---\n") {
            documents.push(serde_yaml::from_str::<Value>(text).expect("rendered documents are YAML"));
        }
    }
    documents
}

#[test]
fn every_example_fits_the_schema_of_its_kind_and_no_other() {
    let documents = examples();
    assert!(documents.len() >= 5, "{}", documents.len());
    let combined = combined_json_schema();
    for document in &documents {
        assert!(fits(&combined, &combined, document), "{document:#}");
        for kind in [Kind::Application, Kind::BlueGreen, Kind::TaskDefinition, Kind::Service] {
            let schema = json_schema(kind);
            assert_eq!(
                fits(&schema, &schema, document),
                document["kind"] == kind.to_string(),
                "{kind} {document:#}"
            );
        }
    }
}

#[test]
fn what_the_validator_refuses_does_not_fit_the_schema() {
    let documents = examples();
    let schema = combined_json_schema();
    for (kind, pointer, wrong) in [
        ("TaskDefinition", "/spec/containerDefinitions/0", json!({"name": "app", "imag": "x"})),
        ("TaskDefinition", "/spec/cpu", json!(256)),
        ("TaskDefinition", "/spec/networkMode", json!("vpc")),
        ("Service", "/spec/desiredCount", json!("3")),
        ("Service", "/spec/networkConfiguration/awsvpcConfiguration", json!({})),
        ("BlueGreen", "/spec/steps/0/weight", json!(101)),
        ("BlueGreen", "/spec/alb/productionListenerRule", json!(7)),
        ("BlueGreen", "/metadata", json!({})),
    ] {
        let mut document = documents.iter().find(|d| d["kind"] == kind).expect("there is one").clone();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{kind} has no {pointer}")) = wrong;
        assert!(!fits(&schema, &schema, &document), "{kind} {pointer}");
    }
}
