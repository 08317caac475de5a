//! Whether an apply would change nothing, told from `metadata.managedFields` without asking.
//!
//! The fields that our last apply declared are kept there, and whoever changes one of them takes it from us. So if they
//! are the very fields that are declared now, and each has the declared value, an apply writes nothing. What else is in
//! the live object is a default or somebody else's. Which lists are merged, by which keys, and which are one value, the
//! managed fields show themselves.
//!
//! Every doubt means: no. A dry run then tells; nothing is ever taken for the same that is not.

use super::quantity::canonical;
use crate::kubernetes::FIELD_MANAGER;
use crate::platform::kubernetes::left_alone::is_called;
use serde_json::{Map, Value};

/// Fields of `metadata`, and of an object, that name it and are nobody's.
const NAMING: [&str; 4] = ["apiVersion", "kind", "name", "namespace"];
/// API groups whose kinds are built in: only of their fields it is known how they are spelt. Without those of
/// definitions, in whose schemas any name may stand.
const BUILT_IN: [&str; 12] = [
    "",
    "apps",
    "batch",
    "policy",
    "autoscaling",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "scheduling.k8s.io",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "coordination.k8s.io",
];
/// Fields that are quantities, each with what holds it, and those under which all are.
const QUANTITIES: [(&str, &str); 4] = [
    ("emptyDir", "sizeLimit"),
    ("resourceFieldRef", "divisor"),
    ("target", "averageValue"),
    ("target", "value"),
];
const OF_QUANTITIES: [&str; 9] =
    ["limits", "requests", "capacity", "hard", "podFixed", "default", "defaultRequest", "max", "min"];
/// Fields whose zero value the server does not write out, and that are no pointers: absent and zero are the same.
const ZERO_IS_ABSENT: [&str; 15] = [
    "value",
    "paused",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "readOnly",
    "stdin",
    "stdinOnce",
    "tty",
    "minReadySeconds",
    "initialDelaySeconds",
    "publishNotReadyAddresses",
    "subPath",
    "globalDefault",
    "description",
];
/// Maps of which the same holds.
const EMPTY_IS_ABSENT: [&str; 7] =
    ["labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests", "data"];
/// Structures that are filled with defaults where a document leaves them empty, field by field.
const FILLED: [&str; 4] = ["strategy", "updateStrategy", "resources", "securityContext"];

/// True if an apply of `body` over `live` certainly changes nothing.
pub(super) fn is_as_applied(body: &Value, live: &Value) -> bool {
    let Some(owned) = ours(body, live) else { return false };
    let version = body["apiVersion"].as_str().unwrap_or_default();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let walk = Walk { is_built_in: BUILT_IN.contains(&group), is_rbac: group == "rbac.authorization.k8s.io" };
    ["apiVersion", "kind"].iter().all(|field| body[*field] == live[*field])
        && live.pointer("/metadata/deletionTimestamp").is_none()
        && walk.top(body, live, owned)
}

/// The fields that our applies declared, if there is one entry of them, in the version of `body`.
fn ours<'a>(body: &Value, live: &'a Value) -> Option<&'a Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let mut ours =
        entries.iter().filter(|entry| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply");
    let entry = ours.next()?;
    let is_usable = ours.next().is_none()
        && entry.get("subresource").is_none_or(|subresource| subresource == "")
        && entry["apiVersion"] == body["apiVersion"]
        && entry["fieldsType"] == "FieldsV1";
    entry.get("fieldsV1").filter(|fields| is_usable && fields.is_object())
}

struct Walk {
    is_built_in: bool,
    is_rbac: bool,
}

/// What a field is called, and what holds it.
#[derive(Clone, Copy)]
struct Name<'a> {
    field: &'a str,
    parent: &'a str,
}

impl<'a> Name<'a> {
    fn under(self, field: &'a str) -> Name<'a> {
        Name { field, parent: self.field }
    }
}

impl Walk {
    fn top(&self, body: &Value, live: &Value, owned: &Value) -> bool {
        let (Some(body), Some(owned)) = (body.as_object(), owned.as_object()) else { return false };
        let mut declared = without(body, &["apiVersion", "kind"]);
        let metadata = body.get("metadata").and_then(Value::as_object);
        let metadata = metadata.map(|fields| without(fields, &NAMING)).unwrap_or_default();
        // An object of no fields but its name would be a leaf.
        match metadata.is_empty() {
            true => drop(declared.shift_remove("metadata")),
            false => drop(declared.insert("metadata".into(), Value::Object(metadata))),
        }
        self.fields(&declared, live, owned, Name { field: "", parent: "" })
    }

    /// A declared value of which `owned` says what we declared before.
    fn same(&self, body: &Value, live: Option<&Value>, owned: &Value, name: Name<'_>) -> bool {
        let Some(owned) = owned.as_object() else { return false };
        if owned.is_empty() {
            return self.leaf(body, live, name);
        }
        match (body, live) {
            (Value::Object(body), Some(live @ Value::Object(_))) => self.fields(body, live, owned, name),
            (Value::Array(body), Some(Value::Array(live))) => self.items(body, live, owned, name),
            _ => false,
        }
    }

    fn fields(
        &self,
        body: &Map<String, Value>,
        live: &Value,
        owned: &Map<String, Value>,
        name: Name<'_>,
    ) -> bool {
        let mut matched = 0;
        for (field, value) in body {
            let found = live.get(field);
            match owned.get(&format!("f:{field}")) {
                Some(before) => {
                    matched += 1;
                    if !self.same(value, found, before, name.under(field)) {
                        return false;
                    }
                }
                // Nothing is declared by these, and nothing is noted.
                None if is_nothing(value) && found.is_none_or(is_nothing) => {}
                None => return false,
            }
        }
        matched == owned.keys().filter(|key| *key != ".").count()
    }

    fn items(&self, body: &[Value], live: &[Value], owned: &Map<String, Value>, name: Name<'_>) -> bool {
        let mut unmatched: Vec<&String> = owned.keys().filter(|key| *key != ".").collect();
        let mut places = vec![];
        for item in body {
            let fitting: Vec<usize> =
                (0..unmatched.len()).filter(|index| is_called(item, unmatched[*index])).collect();
            let [index] = fitting[..] else { return false };
            let key = unmatched.swap_remove(index);
            let mut found = live.iter().enumerate().filter(|(_, other)| is_called(other, key));
            let (Some((place, other)), None) = (found.next(), found.next()) else { return false };
            places.push(place);
            let is_same = match key.starts_with("v:") {
                true => item == other,
                false => self.same(item, Some(other), &owned[key], name),
            };
            if !is_same {
                return false;
            }
        }
        // The order in which a document has them is that in which the server keeps them.
        unmatched.is_empty() && places.is_sorted()
    }

    /// A value that is declared as a whole.
    fn leaf(&self, body: &Value, live: Option<&Value>, name: Name<'_>) -> bool {
        match (body, live) {
            (Value::Null, live) => live.is_none_or(Value::is_null),
            (Value::Array(items), None) => items.is_empty(),
            (Value::Object(fields), None) => {
                self.is_built_in && fields.is_empty() && EMPTY_IS_ABSENT.contains(&name.field)
            }
            (_, None) => self.is_built_in && ZERO_IS_ABSENT.contains(&name.field) && is_zero(body),
            (Value::Object(fields), Some(Value::Object(_)))
                if self.is_built_in && fields.is_empty() && FILLED.contains(&name.field) =>
            {
                true
            }
            (body, Some(live)) => self.equal(body, live, name),
        }
    }

    /// Both whole: nothing may be missing, and only certain defaults may have come.
    fn equal(&self, body: &Value, live: &Value, name: Name<'_>) -> bool {
        match (body, live) {
            (Value::Object(body), Value::Object(live)) => {
                let told = body.iter().filter(|(_, value)| !value.is_null());
                let mut declared = told.clone();
                let is_default = |(field, value): (&String, &Value)| {
                    body.get(field).is_some_and(|told| !told.is_null())
                        || self.is_default(field, value, name.field, body)
                };
                declared.all(|(field, value)| {
                    let found = live.get(field);
                    found.is_some_and(|found| self.equal(value, found, name.under(field)))
                }) && live.iter().all(is_default)
            }
            (Value::Array(body), Value::Array(live)) => {
                body.len() == live.len()
                    && body.iter().zip(live).all(|(body, live)| self.equal(body, live, name))
            }
            _ => body == live || self.is_same_number(body, live) || self.is_same_quantity(body, live, name),
        }
    }

    fn is_same_number(&self, body: &Value, live: &Value) -> bool {
        // 1.0 is 1 in JSON; what a float holds exactly ends at 2⁵³.
        let exact = |value: &Value| value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15);
        body.is_number() && live.is_number() && exact(body).is_some() && exact(body) == exact(live)
    }

    fn is_same_quantity(&self, body: &Value, live: &Value, name: Name<'_>) -> bool {
        let is_quantity = self.is_built_in
            && (OF_QUANTITIES.contains(&name.parent) || QUANTITIES.contains(&(name.parent, name.field)));
        is_quantity && live.is_string() && canonical(body).is_some_and(|spelt| live == spelt.as_str())
    }

    /// True for what the server adds to a value where the document says nothing, and never otherwise has to be asked for.
    fn is_default(&self, field: &str, value: &Value, holder: &str, body: &Map<String, Value>) -> bool {
        if value.is_null() {
            return true;
        }
        let text = value.as_str();
        let is_claim = holder == "volumeClaimTemplates";
        match field {
            _ if !self.is_built_in => false,
            "protocol" => holder == "ports" && text == Some("TCP"),
            "apiGroup" => {
                let is_subject = matches!(body.get("kind").and_then(Value::as_str), Some("User" | "Group"));
                self.is_rbac
                    && text == Some("rbac.authorization.k8s.io")
                    && (holder == "roleRef" || holder == "subjects" && is_subject)
            }
            "scope" => matches!(holder, "rules" | "resourceRules") && text == Some("*"),
            "matchPolicy" => holder == "matchConstraints" && text == Some("Equivalent"),
            "namespaceSelector" | "objectSelector" => holder == "matchConstraints" && is_empty_map(value),
            "divisor" => holder == "resourceFieldRef" && text == Some("0"),
            "expirationSeconds" => holder == "serviceAccountToken" && value == 3_600,
            "apiVersion" => (holder == "fieldRef" || is_claim) && text == Some("v1"),
            "kind" => is_claim && text == Some("PersistentVolumeClaim"),
            "status" => is_claim && *value == serde_json::json!({"phase": "Pending"}),
            "volumeMode" => holder == "spec" && text == Some("Filesystem"),
            _ => false,
        }
    }
}

fn without(fields: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let kept = fields.iter().filter(|(name, _)| !names.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Null and the empty list declare nothing.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn is_empty_map(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn is_zero(value: &Value) -> bool {
    value == false || value.as_str() == Some("") || value.as_i64() == Some(0)
}

#[cfg(test)]
mod tests;
