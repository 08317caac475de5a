//! What a kind's `spec` may look like, as data: AWS's own request shapes (`shapes.json`, written by `make_shapes.py`)
//! and the program's own kinds (`own_shapes.json`), read by one validator and one JSON Schema printer.

use crate::model::Kind;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The shapes of some kinds, by name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// Where the shapes come from, for people.
    #[serde(rename = "from")]
    _from: String,
    roots: BTreeMap<String, String>,
    /// Fields that AWS reports and takes nowhere, by kind.
    read_only: BTreeMap<String, Vec<String>>,
    shapes: BTreeMap<String, Shape>,
    /// Top-level fields that are refused, with the reason, by kind.
    #[serde(skip)]
    refused: BTreeMap<String, BTreeMap<String, String>>,
}

/// What one value may be.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shape {
    #[serde(rename = "type")]
    pub form: Form,
    /// Fields of a structure.
    #[serde(default)]
    pub members: BTreeMap<String, Member>,
    /// Fields that a structure must have.
    #[serde(default)]
    pub required: Vec<String>,
    /// A structure of which one field has to be there, and no second one.
    #[serde(default)]
    pub exactly_one: bool,
    /// The shape of a list's items or a map's values.
    #[serde(default)]
    member: Option<String>,
    /// The allowed texts, where they are counted.
    #[serde(default, rename = "enum")]
    pub allowed: Vec<String>,
    /// The smallest number, or the smallest length of text and lists.
    #[serde(default)]
    pub min: Option<i64>,
    /// The largest number, or the largest length of text and lists.
    #[serde(default)]
    pub max: Option<i64>,
    #[serde(default)]
    pub format: Option<Format>,
    /// Values in here are never printed.
    #[serde(default)]
    pub sensitive: bool,
    /// For people, in the JSON Schema.
    #[serde(default)]
    pub about: Option<String>,
}

/// The basic type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Structure,
    List,
    /// Text to values of one shape.
    Map,
    String,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    Double,
    Boolean,
    /// Anything.
    Json,
    /// A value or a list of them.
    OneOrMany,
}

/// How a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `30s`, `1h30m`
    Duration,
    /// `100%`
    Share,
    /// `30%`, or a number
    Limit,
    /// `2026-11-25T21:19:16Z`
    Time,
}

/// A field of a structure: the name of its shape, and what it is for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Member {
    Plain(String),
    Described { shape: String, about: String },
}

impl Member {
    /// The name of the field's shape.
    pub fn shape(&self) -> &str {
        match self {
            Member::Plain(shape) | Member::Described { shape, .. } => shape,
        }
    }

    /// What the field is for, where the table says so.
    pub fn about(&self) -> Option<&str> {
        match self {
            Member::Plain(_) => None,
            Member::Described { about, .. } => Some(about),
        }
    }
}

impl Table {
    /// The table that has `kind`.
    pub fn of(kind: Kind) -> &'static Table {
        match kind {
            Kind::Application | Kind::BlueGreen | Kind::ControllerConfiguration => &OWN,
            Kind::TaskDefinition | Kind::Service => &AWS,
        }
    }

    /// The shape of the kind's `spec`.
    pub fn root(&self, kind: Kind) -> &Shape {
        self.shape(&self.roots[&kind.to_string()])
    }

    /// The shape of a structure's field.
    pub fn member(&self, member: &Member) -> &Shape {
        self.shape(member.shape())
    }

    /// The shape of a list's items or a map's values.
    pub fn item(&self, shape: &Shape) -> &Shape {
        self.shape(shape.member.as_deref().unwrap_or_default())
    }

    /// The name of [`Table::item`]'s shape.
    pub fn item_name<'a>(&self, shape: &'a Shape) -> &'a str {
        shape.member.as_deref().unwrap_or_default()
    }

    /// Why a top-level field of a kind is refused, if it is.
    pub fn refusal(&self, kind: Kind, field: &str) -> Option<&str> {
        self.refused.get(&kind.to_string())?.get(field).map(String::as_str)
    }

    fn shape(&self, name: &str) -> &Shape {
        // A test walks all names of both tables.
        self.shapes.get(name).unwrap_or_else(|| panic!("the shape table has no \"{name}\""))
    }
}

static OWN: LazyLock<Table> = LazyLock::new(|| read(include_str!("own_shapes.json")));

static AWS: LazyLock<Table> = LazyLock::new(|| {
    let mut table = read(include_str!("shapes.json"));
    for (kind, fields) in &table.read_only {
        let why = "AWS reports this field and takes it in no request; remove it";
        let refused = fields.iter().map(|field| (field.clone(), why.to_owned()));
        table.refused.insert(kind.clone(), refused.collect());
    }
    let service = table.refused.entry("Service".into()).or_default();
    for (field, why) in [
        ("cluster", "the cluster is that of the Application's destination; remove this field"),
        (
            "clientToken",
            "the program sets this field itself, so that a repeated request is the same; remove it",
        ),
        (
            "serviceArn",
            "AWS reports this field and takes it in no request; name the service with serviceName",
        ),
    ] {
        service.insert(field.into(), why.into());
    }
    // ECS takes 10 containers and 5 load balancers, today; far more is no honest document, and is not looked into.
    for name in ["ContainerDefinitions", "LoadBalancers"] {
        table.shapes.get_mut(name).expect("the table has its lists").max = Some(100);
    }
    let root = table.shapes.get_mut("CreateServiceRequest").expect("the table has CreateServiceRequest");
    root.members.retain(|field, _| field != "cluster" && field != "clientToken");
    // The document's name is the default of serviceName and family; AWS needs taskDefinition in all but name.
    root.required = vec!["taskDefinition".into()];
    let root = table.shapes.get_mut("RegisterTaskDefinitionRequest").expect("the table has its roots");
    root.required.retain(|field| field != "family");
    table
});

fn read(text: &str) -> Table {
    serde_json::from_str(text).expect("the tables in the program are read by a test")
}

/// The shape of the kind's `spec` with the table that it belongs to.
pub fn request_shape(kind: Kind) -> (&'static Table, &'static Shape) {
    let table = Table::of(kind);
    (table, table.root(kind))
}

/// The shape of an Application's `status` with the table that it belongs to.
pub fn status_shape() -> (&'static Table, &'static Shape) {
    (&OWN, OWN.shape("ApplicationStatus"))
}

/// What of `live` (an entry of DescribeServices or DescribeTaskDefinition) a request may carry: only fields of the
/// request's shape, at every depth, and no nulls.
pub fn request_only(kind: Kind, live: &Value) -> Value {
    let (table, root) = request_shape(kind);
    keep(table, root, live)
}

fn keep(table: &Table, shape: &Shape, value: &Value) -> Value {
    match (shape.form, value) {
        (Form::Structure, Value::Object(fields)) => {
            let known = fields.iter().filter(|(_, value)| !value.is_null()).filter_map(|(name, value)| {
                let member = shape.members.get(name)?;
                Some((name.clone(), keep(table, table.member(member), value)))
            });
            Value::Object(known.collect::<Map<_, _>>())
        }
        (Form::List | Form::OneOrMany, Value::Array(items)) => {
            Value::Array(items.iter().map(|item| keep(table, table.item(shape), item)).collect())
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_shape_that_is_named_is_in_the_table() {
        for table in [&*OWN, &*AWS] {
            for (name, shape) in &table.shapes {
                let needs_item = matches!(shape.form, Form::List | Form::Map | Form::OneOrMany);
                assert_eq!(needs_item, shape.member.is_some(), "{name}");
                if needs_item {
                    table.item(shape);
                }
                shape.members.values().for_each(|member| {
                    table.member(member);
                });
                for field in &shape.required {
                    assert!(shape.members.contains_key(field), "{name}.{field}");
                }
            }
        }
        for kind in [Kind::Application, Kind::BlueGreen, Kind::TaskDefinition, Kind::Service] {
            assert_eq!(request_shape(kind).1.form, Form::Structure);
        }
    }

    #[test]
    fn what_aws_reports_but_does_not_take_is_left_out() {
        let live = json!({"family": "web", "revision": 7, "cpu": null, "status": "ACTIVE",
            "containerDefinitions": [{"name": "app", "image": "a", "environment": [], "runtimeId": "x"}]});
        let want = json!({"family": "web", "containerDefinitions": [{"name": "app", "image": "a", "environment": []}]});
        assert_eq!(request_only(Kind::TaskDefinition, &live), want);
        assert!(Table::of(Kind::Service).refusal(Kind::Service, "runningCount").is_some());
        assert!(Table::of(Kind::Service).refusal(Kind::Service, "desiredCount").is_none());
    }
}
