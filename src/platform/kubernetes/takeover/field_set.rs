//! Sets of fields as `metadata.managedFields` write them (`fieldsV1`), and their arithmetic. Pure.
//!
//! A node is a member if its own path belongs to the set (`{}` or `"."`); its children are fields (`f:name`), list
//! elements by key (`k:{"name":"app"}`), by value (`v:"a"`) or by index (`i:0`).

use crate::platform::kubernetes::left_alone::is_called;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A set of the fields of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::kubernetes) struct FieldSet {
    member: bool,
    children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// Reads a `fieldsV1`.
    pub(in crate::platform::kubernetes) fn parse(fields: &Value) -> FieldSet {
        let mut set = FieldSet::node(fields);
        // The object itself is nobody's.
        set.member = false;
        set
    }

    fn node(fields: &Value) -> FieldSet {
        let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
            return FieldSet { member: true, ..FieldSet::default() };
        };
        let children = fields.iter().filter(|(name, _)| *name != ".");
        let children = children.map(|(name, below)| (name.clone(), FieldSet::node(below))).collect();
        FieldSet { member: fields.contains_key("."), children }
    }

    /// Writes a `fieldsV1`.
    pub(in crate::platform::kubernetes) fn to_fields(&self) -> Value {
        let mut fields = Map::new();
        if self.member && !self.children.is_empty() {
            fields.insert(".".into(), Value::Object(Map::new()));
        }
        fields.extend(self.children.iter().map(|(name, below)| (name.clone(), below.to_fields())));
        Value::Object(fields)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    pub(super) fn child(&self, name: &str) -> Option<&FieldSet> {
        self.children.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.children.keys()
    }

    /// True for a list whose elements are merged by keys or by value.
    pub(super) fn is_keyed(&self) -> bool {
        self.children.keys().any(|name| name.starts_with("k:") || name.starts_with("v:"))
    }

    pub(super) fn unite(&mut self, other: &FieldSet) {
        self.member |= other.member;
        for (name, below) in &other.children {
            self.children.entry(name.clone()).or_default().unite(below);
        }
    }

    pub(in crate::platform::kubernetes) fn united<'a>(
        sets: impl IntoIterator<Item = &'a FieldSet>,
    ) -> FieldSet {
        sets.into_iter().fold(FieldSet::default(), |mut all, set| {
            all.unite(set);
            all
        })
    }

    /// Without the members of `other`.
    pub(super) fn without(&self, other: &FieldSet) -> FieldSet {
        let children = self.children.iter().filter_map(|(name, below)| {
            let below = other.child(name).map_or_else(|| below.clone(), |other| below.without(other));
            (!below.is_empty()).then(|| (name.clone(), below))
        });
        FieldSet { member: self.member && !other.member, children: children.collect() }
    }

    /// The members that both have.
    pub(super) fn within(&self, other: &FieldSet) -> FieldSet {
        self.without(&self.without(other))
    }

    /// The part that `value`, a document or an object, has something at.
    pub(super) fn of(&self, value: &Value) -> FieldSet {
        let children = self.children.iter().filter_map(|(name, below)| {
            let below = below.of(find(value, name)?);
            (!below.is_empty()).then(|| (name.clone(), below))
        });
        FieldSet { member: self.member, children: children.collect() }
    }

    /// The part at and under `path`; `*` in it stands for every list element that `staying` has.
    pub(super) fn at(&self, path: &[&str], staying: &FieldSet) -> FieldSet {
        let Some((step, rest)) = path.split_first() else { return self.clone() };
        let fits = |name: &str| match *step {
            "*" => name.starts_with("k:") && staying.child(name).is_some(),
            step => name == step,
        };
        let none = FieldSet::default();
        let children = self.children.iter().filter(|(name, _)| fits(name)).filter_map(|(name, below)| {
            let below = below.at(rest, staying.child(name).unwrap_or(&none));
            (!below.is_empty()).then(|| (name.clone(), below))
        });
        FieldSet { member: false, children: children.collect() }
    }

    /// The part at and under a JSON pointer, whose numbers are places in the lists of `body`.
    pub(super) fn at_pointer(&self, body: &Value, pointer: &str) -> FieldSet {
        let steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        self.at_steps(Some(body), &steps.collect::<Vec<_>>())
    }

    fn at_steps(&self, body: Option<&Value>, steps: &[String]) -> FieldSet {
        let Some((step, rest)) = steps.split_first() else { return self.clone() };
        let item = body.and_then(Value::as_array).and_then(|items| items.get(step.parse::<usize>().ok()?));
        let (name, inner) = match item {
            Some(item) => (self.children.keys().find(|name| is_called(item, name)).cloned(), Some(item)),
            None => (Some(format!("f:{step}")), body.and_then(|body| body.get(step))),
        };
        let below = name.and_then(|name| Some((self.child(&name)?.at_steps(inner, rest), name)));
        let children = below.filter(|(below, _)| !below.is_empty()).map(|(below, name)| (name, below));
        FieldSet { member: false, children: children.into_iter().collect() }
    }

    /// Moves what is at and under `from` to `to`, both fields of the object.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(below) = self.children.remove(from) {
            self.children.entry(to.to_owned()).or_default().unite(&below);
        }
    }

    /// Takes the fields out of `value`, as an apply takes out what it no longer declares: with everything below, but for
    /// what `staying` has.
    pub(super) fn take_from(&self, value: &mut Value, staying: &FieldSet) {
        let none = FieldSet::default();
        for (name, below) in &self.children {
            let stays = staying.child(name).unwrap_or(&none);
            // An element as a whole: without its keys it could not be found any more.
            if stays.is_empty() && below.member {
                drop_element(value, name);
                continue;
            }
            let Some(found) = find_mut(value, name) else { continue };
            below.take_from(found, stays);
            if stays.is_empty() && is_hollow(found) {
                drop_element(value, name);
            }
        }
    }

    /// Readable paths of all members, the outermost where one has others below: `spec.template.spec.containers[app]`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = vec![];
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, path: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.to_owned());
            return;
        }
        for (name, below) in &self.children {
            let step = match name.split_once(':') {
                Some(("f", field)) if path.is_empty() => field.to_owned(),
                Some(("f", field)) if field.contains(['.', '/']) => format!("{path}[{field}]"),
                Some(("f", field)) => format!("{path}.{field}"),
                Some((_, key)) => format!("{path}[{}]", element_name(key)),
                None => continue,
            };
            below.collect(&step, paths);
        }
    }
}

/// The element's name, or the values of its keys: `app`, `80/TCP`.
fn element_name(key: &str) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match serde_json::from_str(key) {
        Ok(Value::Object(keys)) => keys.values().map(plain).collect::<Vec<_>>().join("/"),
        Ok(value) => plain(&value),
        Err(_) => key.to_owned(),
    }
}

fn position(items: &[Value], name: &str) -> Option<usize> {
    match name.strip_prefix("i:") {
        Some(index) => index.parse().ok().filter(|index| *index < items.len()),
        None => items.iter().position(|item| is_called(item, name)),
    }
}

fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match (value, name.strip_prefix("f:")) {
        (Value::Object(fields), Some(field)) => fields.get(field).filter(|found| !found.is_null()),
        (Value::Array(items), None) => items.get(position(items, name)?),
        _ => None,
    }
}

fn find_mut<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    match (value, name.strip_prefix("f:")) {
        (Value::Object(fields), Some(field)) => fields.get_mut(field),
        (Value::Array(items), None) => {
            let at = position(items, name)?;
            items.get_mut(at)
        }
        _ => None,
    }
}

fn drop_element(value: &mut Value, name: &str) {
    match (value, name.strip_prefix("f:")) {
        (Value::Object(fields), Some(field)) => drop(fields.shift_remove(field)),
        (Value::Array(items), None) => drop(position(items, name).map(|at| items.remove(at))),
        _ => {}
    }
}

fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(fields: Value) -> FieldSet {
        FieldSet::parse(&fields)
    }

    #[test]
    fn sets_are_written_as_they_were_read() {
        for fields in [
            json!({}),
            json!({"f:data": {".": {}, "f:a": {}}, "f:spec": {"f:replicas": {}}}),
            json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}}),
        ] {
            assert_eq!(set(fields.clone()).to_fields(), fields);
        }
    }

    #[test]
    fn differences_unions_and_intersections_are_of_members() {
        let all = set(json!({"f:a": {".": {}, "f:x": {}, "f:y": {}}, "f:b": {}}));
        let some = set(json!({"f:a": {"f:x": {}}, "f:c": {}}));
        assert_eq!(all.without(&some).to_fields(), json!({"f:a": {".": {}, "f:y": {}}, "f:b": {}}));
        assert_eq!(all.within(&some).to_fields(), json!({"f:a": {"f:x": {}}}));
        let mut both = all.clone();
        both.unite(&some);
        assert_eq!(both.to_fields(), json!({"f:a": {".": {}, "f:x": {}, "f:y": {}}, "f:b": {}, "f:c": {}}));
        assert!(all.without(&all).is_empty());
    }

    #[test]
    fn what_a_document_has_is_found_by_the_keys_of_lists() {
        let owned = set(json!({"f:spec": {"f:containers": {
            "k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:value": {}}}},
            "k:{\"name\":\"sidecar\"}": {".": {}, "f:image": {}}}}}));
        let body = json!({"spec": {"containers": [{"name": "app", "image": "a:2"}]}});
        let gone = owned.without(&owned.of(&body));
        assert_eq!(gone.paths(), ["spec.containers[app].env", "spec.containers[sidecar]"]);
    }

    #[test]
    fn an_exempt_field_of_an_element_that_goes_goes_with_it() {
        let ports = json!({"f:spec": {"f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:nodePort": {}},
            "k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}, "f:nodePort": {}}}}});
        let staying =
            set(json!({"f:spec": {"f:ports": {"k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}}}}}));
        let kept = set(ports).at(&["f:spec", "f:ports", "*", "f:nodePort"], &staying);
        assert_eq!(kept.paths(), ["spec.ports[81/TCP].nodePort"]);
    }

    #[test]
    fn taking_fields_out_leaves_what_others_have() {
        let mut object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"containers": [
            {"name": "app", "env": [{"name": "A", "value": "1"}]}, {"name": "sidecar", "image": "s", "added": true},
            {"name": "injected", "image": "i"}]}});
        let goes = set(json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:containers": {
            "k:{\"name\":\"app\"}": {"f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}},
            "k:{\"name\":\"sidecar\"}": {".": {}, "f:image": {}},
            "k:{\"name\":\"injected\"}": {".": {}}}}}));
        let staying = set(json!({"f:metadata": {"f:labels": {"f:b": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"injected\"}": {"f:image": {}}}}}));
        goes.take_from(&mut object, &staying);
        assert_eq!(
            object,
            json!({"metadata": {"labels": {"b": "2"}},
                "spec": {"containers": [{"name": "app"}, {"name": "injected", "image": "i"}]}})
        );
    }
}
