//! Who an object is: its API version, kind, namespace and name.

use super::helm_hooks::HELM_HOOK;
use super::names::{is_api_version, is_kind, is_label, wrong_name};
use super::turns::{ARGO_HOOK, HOOK, phase_name};
use crate::config::node::{Data, Node};
use crate::config::problems::{Problems, clip};
use crate::model::{ObjectKey, Origin, Problem, Turn};

/// What is left of a name that is made up for a hook: a Job's name goes into labels of at most 63 characters.
const MAX_GENERATED: usize = 52;

/// Who an object is, as far as it was read.
pub struct Identity<'a> {
    file: &'a str,
    pub api_version: String,
    pub group: String,
    pub kind: String,
    namespace: Option<String>,
    /// Empty where none can be read.
    name: String,
}

impl<'a> Identity<'a> {
    /// `None` without a good `apiVersion` and `kind`.
    pub fn read(file: &'a str, root: &Node, problems: &mut Problems) -> Option<Identity<'a>> {
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

    /// With an empty name where none can be read.
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// A problem with a field of this object.
    pub fn problem(&self, line: usize, field: &str, message: String) -> Problem {
        let document = if self.name.is_empty() { self.kind.clone() } else { self.key().label() };
        Problem {
            origin: Origin { file: self.file.to_owned(), line },
            document,
            field: field.to_owned(),
            message,
        }
    }

    /// `metadata`, if it is a map, and a namespace that is one.
    pub fn metadata<'n>(&self, root: &'n Node, problems: &mut Problems) -> Option<&'n Node> {
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
    pub fn names(&self, metadata: &Node, turns: &[Turn], problems: &mut Problems) -> Option<Vec<String>> {
        let is_hook_job = (self.group.as_str(), self.kind.as_str()) == ("batch", "Job")
            && metadata
                .get("annotations")
                .is_some_and(|node| [HOOK, ARGO_HOOK, HELM_HOOK].iter().any(|key| node.get(key).is_some()));
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
