//! Kubernetes objects as documents.

use super::{Origin, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A Kubernetes object as it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Object {
    pub key: ObjectKey,
    /// `apps/v1`, `v1`.
    pub api_version: String,
    pub origin: Origin,
    #[serde(skip)]
    pub turn: Turn,
    /// The whole object, `apiVersion` and `kind` included, as `kubectl apply` would send it.
    pub body: Value,
    #[serde(skip)]
    pub lines: FieldLines,
}

impl Object {
    /// `Deployment/web`, with the namespace where one is written: `Deployment/shop/web`.
    pub fn label(&self) -> String {
        self.key.label()
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.body.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    /// Where a field such as `spec.template.spec.containers[0].image` is written, or the object if that is not known.
    pub fn origin_of(&self, field: &str) -> Origin {
        let line = self.lines.line(field).unwrap_or(self.origin.line);
        Origin { file: self.origin.file.clone(), line }
    }
}

/// What names an object in a cluster: the API group without its version, the kind, namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectKey {
    /// Empty for the core group.
    pub group: String,
    pub kind: String,
    /// `None` for what lies in no namespace and, in documents, where none is written.
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectKey {
    /// True for a kind of this group.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    /// `Deployment/web`, `Deployment/shop/web`.
    pub fn label(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", self.kind, self.name),
            None => format!("{}/{}", self.kind, self.name),
        }
    }
}

impl fmt::Display for ObjectKey {
    /// `Deployment.apps/shop/web`; tells objects of one cluster apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        for (sign, part) in
            [('.', Some(&self.group)), ('/', self.namespace.as_ref()), ('/', Some(&self.name))]
        {
            if let Some(part) = part.filter(|part| !part.is_empty()) {
                write!(f, "{sign}{part}")?;
            }
        }
        Ok(())
    }
}

/// The lines of an object's fields, by path (`spec.ports[0].name`), in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldLines(pub Vec<(String, usize)>);

impl FieldLines {
    /// The 1-based line of a field or, if it is not there, of the nearest one that holds it.
    pub fn line(&self, field: &str) -> Option<usize> {
        let exact = |path: &str| self.0.iter().find(|(known, _)| known == path).map(|(_, line)| *line);
        let mut path = field;
        loop {
            if let Some(line) = exact(path) {
                return Some(line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// Which fields of which objects are left out of comparison and writing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IgnoreDifferences {
    pub group: String,
    /// `*` for every kind of the group.
    pub kind: String,
    /// Left out: every name.
    pub name: Option<String>,
    pub namespace: Option<String>,
    /// RFC 6901, `/spec/replicas`.
    pub json_pointers: Vec<String>,
}

/// True if a selector of labels is there and takes these labels.
pub fn selects(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let wanted = selector.and_then(Value::as_object).filter(|wanted| !wanted.is_empty());
    let found = labels.and_then(Value::as_object);
    wanted.is_some_and(|wanted| {
        wanted.iter().all(|(key, value)| found.is_some_and(|labels| labels.get(key) == Some(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_not_written_has_the_line_of_what_holds_it() {
        let known = [("spec", 4), ("spec.ports", 5), ("spec.ports[0]", 6), ("spec.ports[0].name", 7)];
        let lines = FieldLines(known.map(|(path, line)| (path.to_owned(), line)).to_vec());
        for (field, line) in [
            ("spec.ports[0].name", Some(7)),
            ("spec.ports[0].port", Some(6)),
            ("spec.ports[3].port", Some(5)),
            ("spec.type", Some(4)),
            ("status", None),
        ] {
            assert_eq!(lines.line(field), line, "{field}");
        }
    }

    #[test]
    fn a_key_tells_group_namespace_and_name() {
        let key = |group: &str, namespace: Option<&str>| ObjectKey {
            group: group.into(),
            kind: "Deployment".into(),
            namespace: namespace.map(Into::into),
            name: "web".into(),
        };
        assert_eq!(key("apps", Some("shop")).to_string(), "Deployment.apps/shop/web");
        assert_eq!(key("", None).to_string(), "Deployment/web");
    }

    #[test]
    fn an_empty_selector_selects_nothing_here() {
        let labels = serde_json::json!({"app": "web", "tier": "front"});
        let selects = |selector| selects(Some(&selector), Some(&labels));
        assert!(selects(serde_json::json!({"app": "web"})));
        assert!(!selects(serde_json::json!({"app": "web", "tier": "back"})));
        assert!(!selects(serde_json::json!({})));
    }
}
