//! Kubernetes objects as documents.

use super::{Origin, Problem, Turn};
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

    /// Something that is wrong with a field, or with the object as a whole if `field` is empty.
    pub fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        let origin = self.origin_of(field);
        Problem { origin, document: self.label(), field: field.to_owned(), message: message.into() }
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

/// The lines of an object's fields, as a tree in the order of the text: a CustomResourceDefinition has tens of thousands
/// of fields, and ten thousand objects are read at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldLines(Vec<FieldLine>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldLine {
    /// A key, or an index such as `[0]`.
    name: Box<str>,
    line: u32,
    /// How many of the following entries are inside of this one.
    inside: u32,
}

impl FieldLines {
    /// Adds a field at a 1-based line, and whatever `inside` adds as inside of it.
    pub fn add(&mut self, name: &str, line: usize, inside: impl FnOnce(&mut FieldLines)) {
        let at = self.0.len();
        self.0.push(FieldLine {
            name: name.into(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            inside: 0,
        });
        inside(self);
        self.0[at].inside = u32::try_from(self.0.len() - at - 1).unwrap_or(u32::MAX);
    }

    /// The 1-based line of a field (`spec.ports[0].name`, also `data[a.b]`) or, if it is not there, of the nearest one
    /// that holds it.
    pub fn line(&self, field: &str) -> Option<usize> {
        let (mut among, mut rest, mut found) = (&self.0[..], field, None);
        loop {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let mut best: Option<(usize, &str)> = None;
            let mut at = 0;
            while let Some(candidate) = among.get(at) {
                // Keys may hold dots: of several that fit, the longest is meant.
                let after = after(&candidate.name, rest);
                if let Some(after) = after.filter(|after| best.is_none_or(|(_, b)| after.len() < b.len())) {
                    best = Some((at, after));
                }
                at += 1 + candidate.inside as usize;
            }
            let Some((at, after)) = best else { return found };
            found = Some(among[at].line as usize);
            among = &among[at + 1..=at + among[at].inside as usize];
            rest = after;
        }
    }
}

impl<'a> FromIterator<(&'a str, usize)> for FieldLines {
    /// From paths, as they are.
    fn from_iter<T: IntoIterator<Item = (&'a str, usize)>>(paths: T) -> Self {
        let mut lines = FieldLines::default();
        paths.into_iter().for_each(|(path, line)| lines.add(path, line, |_| {}));
        lines
    }
}

/// What follows `name` at the beginning of a path.
fn after<'a>(name: &str, path: &'a str) -> Option<&'a str> {
    if let Some(after) = path.strip_prefix(name) {
        return (after.is_empty() || after.starts_with(['.', '['])).then_some(after);
    }
    path.strip_prefix('[')?.strip_prefix(name)?.strip_prefix(']')
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
        let mut tree = FieldLines::default();
        tree.add("metadata", 2, |lines| lines.add("labels", 3, |lines| lines.add("a.b/c", 4, |_| {})));
        tree.add("spec", 5, |lines| {
            lines.add("ports", 6, |lines| lines.add("[0]", 7, |lines| lines.add("name", 8, |_| {})));
            lines.add("port", 9, |_| {});
        });
        for (field, line) in [
            ("spec.ports[0].name", Some(8)),
            ("spec.ports[0].port", Some(7)),
            ("spec.ports[3].port", Some(6)),
            ("spec.port", Some(9)),
            ("spec.type", Some(5)),
            ("metadata.labels[a.b/c]", Some(4)),
            ("metadata.labels.a.b/c", Some(4)),
            ("metadata.labels.a", Some(3)),
            ("status", None),
            ("", None),
            ("[", None),
        ] {
            assert_eq!(tree.line(field), line, "{field}");
        }
        let flat: FieldLines = [("spec", 5), ("spec.ports[0]", 7)].into_iter().collect();
        assert_eq!(
            ["spec.ports[0].port", "spec.ports[1]", "x"].map(|field| flat.line(field)),
            [Some(7), Some(5), None]
        );
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
