//! One document to an object.

use super::metadata::check;
use super::names::{is_api_version, is_kind, is_label, wrong_name};
use super::turns::{Timing, phase_name, timing};
use crate::config::node::{Data, Entry, Node};
use crate::config::problems::{Problems, clip};
use crate::diff::MASKED;
use crate::model::{FieldLines, Object, ObjectKey, Origin, Problem, Turn};
use std::collections::BTreeMap;

/// What is left of a name that is made up for a hook: a Job's name goes into labels of at most 63 characters.
const MAX_GENERATED: usize = 52;

/// The objects that were read.
#[derive(Default)]
pub struct Objects {
    pub objects: BTreeMap<ObjectKey, Object>,
    /// What is valid and not applied, and why.
    pub left_out: Vec<Problem>,
}

/// Reads one document (no list). What is wrong is noted; an object that can be named is kept all the same, so that
/// references to it hold.
pub fn read(file: &str, root: Node, objects: &mut Objects, problems: &mut Problems) {
    let Data::Map(_) = &root.data else {
        let message = format!(
            "a document is a map with apiVersion, kind and metadata; this is {}",
            root.describe(false)
        );
        return problems.file(file, root.line, message);
    };
    let Some(who) = Identity::read(file, &root, problems) else { return };
    let metadata = root.get("metadata").filter(|node| matches!(node.data, Data::Map(_)));
    let annotation = |key: &str| metadata?.get("annotations")?.get(key)?.text();
    let mut wrong = vec![];
    let timing = timing(&who.group, &who.kind, annotation, |key, message| wrong.push((key, message)));
    for (key, message) in wrong {
        let path = format!("metadata.annotations.{key}");
        let line =
            metadata.and_then(|node| node.get("annotations")?.entry(key)).map_or(root.line, |e| e.line);
        problems.push(who.problem(line, &path, message));
    }
    let Some(metadata) = who.metadata(&root, problems) else { return };
    let mut note = |line, path: &str, message| problems.push(who.problem(line, path, message));
    check(metadata, &mut note);
    check_slot_labels(&root, &mut note);
    let turns = match timing {
        Timing::Turns(turns) => turns,
        Timing::LeftOut(key, why) => {
            let line =
                metadata.get("annotations").and_then(|node| node.entry(key)).map_or(root.line, |e| e.line);
            objects.left_out.push(who.problem(line, &format!("metadata.annotations.{key}"), why));
            return;
        }
    };
    let Some(names) = who.names(metadata, &turns, problems) else { return };
    check_masks(&who, &root, problems);
    let lines = lines(&root);
    let mut body = root.to_json();
    for (name, turn) in names.into_iter().zip(turns) {
        if let Some(metadata) = body.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
            metadata.shift_remove("generateName");
            metadata.insert("name".into(), name.as_str().into());
        }
        let key = ObjectKey { name, ..who.key() };
        if let Some(first) = objects.objects.get(&key) {
            let message = format!("is already at {}", first.origin);
            problems.push(Problem { document: key.label(), ..who.problem(root.line, "", message) });
            continue;
        }
        let object = Object {
            key: key.clone(),
            api_version: who.api_version.clone(),
            origin: Origin { file: file.to_owned(), line: root.line },
            turn,
            body: body.clone(),
            lines: lines.clone(),
        };
        objects.objects.insert(key, object);
    }
}

/// Who an object is, as far as it was read.
struct Identity<'a> {
    file: &'a str,
    api_version: String,
    group: String,
    kind: String,
    namespace: Option<String>,
    /// Empty where none can be read.
    name: String,
}

impl<'a> Identity<'a> {
    fn read(file: &'a str, root: &Node, problems: &mut Problems) -> Option<Identity<'a>> {
        let mut field = |name: &str, is_good: fn(&str) -> bool| -> Option<String> {
            let Some(entry) = root.entry(name) else {
                problems.file(file, root.line, format!("the field \"{name}\" is missing"));
                return None;
            };
            match entry.node.text() {
                Some(text) if is_good(text) => return Some(text.to_owned()),
                Some(text) => {
                    let message = format!("{name}: \"{}\" is not an API version or kind", clip(text));
                    problems.file(file, entry.line, message);
                }
                None => {
                    let found = entry.node.describe(true);
                    problems.file(file, entry.line, format!("{name}: expected text, found {found}"));
                }
            }
            None
        };
        let (api_version, kind) = (field("apiVersion", is_api_version), field("kind", is_kind));
        let (api_version, kind) = (api_version?, kind?);
        let text = |field: &str| root.get("metadata")?.get(field)?.text().map(ToOwned::to_owned);
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
        let good_name = text("name").filter(|name| wrong_name(&group, &kind, name).is_none());
        Some(Identity {
            file,
            group,
            name: good_name.unwrap_or_default(),
            namespace: text("namespace").filter(|namespace| !namespace.is_empty()),
            api_version,
            kind,
        })
    }

    fn key(&self) -> ObjectKey {
        ObjectKey {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    fn problem(&self, line: usize, field: &str, message: String) -> Problem {
        let document = if self.name.is_empty() { self.kind.clone() } else { self.key().label() };
        Problem {
            origin: Origin { file: self.file.to_owned(), line },
            document,
            field: field.to_owned(),
            message,
        }
    }

    /// `metadata`, if it is a map, and a namespace that is one.
    fn metadata<'n>(&self, root: &'n Node, problems: &mut Problems) -> Option<&'n Node> {
        let Some(metadata) = root.entry("metadata") else {
            let message = "the field \"metadata\" is missing; write `metadata: {name: …}`".into();
            problems.push(self.problem(root.line, "", message));
            return None;
        };
        if !matches!(metadata.node.data, Data::Map(_)) {
            let message = format!("expected a map, found {}", metadata.node.describe(false));
            problems.push(self.problem(metadata.line, "metadata", message));
            return None;
        }
        if let Some(entry) = metadata.node.entry("namespace")
            && !entry.node.is_null()
        {
            let message = match entry.node.text() {
                None => {
                    Some(format!("expected text, found {}; write it in quotes", entry.node.describe(true)))
                }
                Some("") => None,
                Some(text) => {
                    (!is_label(text)).then(|| format!("\"{}\" is not the name of a namespace", clip(text)))
                }
            };
            if let Some(message) = message {
                problems.push(self.problem(entry.line, "metadata.namespace", message));
            }
        }
        Some(&metadata.node)
    }

    /// A name for each turn. A hook without a name of its own gets one that stays the same: `migrate-` becomes
    /// `migrate-pre-sync`. A hook of several phases is one Job for each of them.
    fn names(&self, metadata: &Node, turns: &[Turn], problems: &mut Problems) -> Option<Vec<String>> {
        let is_hook_job = (self.group.as_str(), self.kind.as_str()) == ("batch", "Job")
            && metadata.get("annotations").is_some_and(|node| {
                [super::turns::HOOK, super::turns::ARGO_HOOK].iter().any(|key| node.get(key).is_some())
            });
        let (entry, field, is_generated) = match (metadata.entry("name"), metadata.entry("generateName")) {
            (Some(entry), _) => (entry, "metadata.name", false),
            (None, Some(entry)) if is_hook_job => (entry, "metadata.generateName", true),
            (None, Some(entry)) => {
                let message = "an object without a fixed name can't be compared with what runs; give it \
                               metadata.name (only a Job that is a hook may go without)";
                problems.push(self.problem(entry.line, "metadata.generateName", message.into()));
                return None;
            }
            (None, None) => {
                let message = "the field \"name\" is missing".into();
                problems.push(self.problem(metadata.line, "metadata", message));
                return None;
            }
        };
        let Some(text) = entry.node.text() else {
            let message = format!("expected text, found {}; write it in quotes", entry.node.describe(true));
            problems.push(self.problem(entry.line, field, message));
            return None;
        };
        let base = match is_generated {
            true => text.get(..MAX_GENERATED).unwrap_or(text).trim_end_matches(['-', '.']),
            false => text,
        };
        if let Some(message) = wrong_name(&self.group, &self.kind, base) {
            problems.push(self.problem(entry.line, field, format!("\"{}\" {message}", clip(text))));
            return None;
        }
        let with_phase = is_generated || turns.len() > 1;
        Some(
            turns
                .iter()
                .map(|turn| match with_phase {
                    true => format!("{base}-{}", phase_name(turn.phase)),
                    false => base.to_owned(),
                })
                .collect(),
        )
    }
}

/// The slot of a pod is the program's to say: a label or selector of that name in a document would send one slot's
/// requests to the other.
fn check_slot_labels(root: &Node, note: &mut impl FnMut(usize, &str, String)) {
    for path in [
        &["spec", "template", "metadata", "labels"][..],
        &["spec", "selector", "matchLabels"],
        &["spec", "selector"],
    ] {
        let (last, outer) = path.split_last().unwrap_or((&"", &[]));
        let holder = outer.iter().try_fold(root, |node, step| node.get(step));
        let Some(entry) = holder.and_then(|node| node.entry(last)) else { continue };
        for label in entry.node.entries().iter().filter(|e| e.key == crate::model::marks::SLOT) {
            let path = format!("{}.{}", path.join("."), label.key);
            note(label.line, &path, "is set by the program on the pods of its slots; remove it".into());
        }
    }
}

/// `cutover render` prints a mask for the values of Secrets. Nobody shall apply that.
fn check_masks(who: &Identity<'_>, root: &Node, problems: &mut Problems) {
    if (who.group.as_str(), who.kind.as_str()) != ("", "Secret") {
        return;
    }
    for field in ["data", "stringData"] {
        let entries = root.get(field).map_or(&[][..], Node::entries);
        for entry in entries.iter().filter(|entry| entry.node.text() == Some(MASKED)) {
            let path = format!("{field}.{}", clip(&entry.key));
            let message =
                format!("{MASKED} is what is printed in place of a secret value; write the value itself");
            problems.push(who.problem(entry.line, &path, message));
        }
    }
}

/// The lines of all fields; those that stand on the line of what holds them are found by that.
fn lines(root: &Node) -> FieldLines {
    let mut lines = FieldLines::default();
    add_fields(root, root.line, &mut lines);
    lines
}

fn add_fields(node: &Node, line: usize, lines: &mut FieldLines) {
    let mut add = |name: &str, at: usize, inner: &Node| {
        let is_leaf = !matches!(inner.data, Data::Map(_) | Data::List(_));
        if at != line || !is_leaf {
            lines.add(name, at, |lines| add_fields(inner, at, lines));
        }
    };
    match &node.data {
        Data::Map(entries) => entries.iter().for_each(|Entry { key, line, node }| add(key, *line, node)),
        Data::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| add(&format!("[{index}]"), item.line, item));
        }
        Data::Text(_) | Data::Plain { .. } => {}
    }
}
