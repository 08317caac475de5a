//! The part that all kinds have in common: `apiVersion`, `kind`, `metadata` and `spec`.

use super::forms::is_document_name;
use super::node::{Data, Entry, Node};
use super::objects::{is_label, is_ours, is_word_to_us};
use super::problems::{Problems, clip, guess};
use super::{CUTOVER_API, ECS_API};
use crate::model::{Kind, Origin, PlatformKind, Problem, marks};

/// Lists field paths (separated by commas or white space, without indices) that are sent to AWS unchecked: the way out
/// when AWS has a field or value that this version of the program does not know yet.
pub const UNCHECKED_FIELDS: &str = "cutover.dev/unchecked-fields";

/// All kinds with their `apiVersion`.
pub const KINDS: [(Kind, &str); 5] = [
    (Kind::Application, CUTOVER_API),
    (Kind::BlueGreen, CUTOVER_API),
    (Kind::ControllerConfiguration, CUTOVER_API),
    (Kind::TaskDefinition, ECS_API),
    (Kind::Service, ECS_API),
];

/// A document whose kind is known. The rest of it may be wrong; what is, has been noted.
pub struct Document {
    pub origin: Origin,
    pub kind: Kind,
    /// Empty if it cannot be read.
    pub name: String,
    /// `None` if it is missing or no map.
    pub spec: Option<Node>,
    pub spec_line: usize,
    pub unchecked: Vec<String>,
    /// True as long as nothing is known to be wrong with the document.
    pub is_valid: bool,
}

impl Document {
    /// `Kind/name`, or only the kind of a document without a readable name.
    pub fn label(&self) -> String {
        label(self.kind, &self.name)
    }

    /// A problem with the field at `path` of this document's `spec`.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        let spec = self.spec.as_ref().filter(|_| !path.is_empty());
        let line = spec.map_or(self.origin.line, |spec| spec.line_of(path));
        Problem {
            origin: Origin { file: self.origin.file.clone(), line },
            document: self.label(),
            field: path.to_owned(),
            message: message.into(),
        }
    }
}

fn label(kind: Kind, name: &str) -> String {
    if name.is_empty() { kind.to_string() } else { marks::document(kind, name) }
}

/// Reads the envelope of one document; `None` if it is of no kind that is known. What is wrong is noted.
/// `platform` is that of the application, where one is known.
pub fn open(
    file: &str,
    root: Node,
    platform: Option<PlatformKind>,
    problems: &mut Problems,
) -> Option<Document> {
    let before = problems.count();
    let line = root.line;
    let Data::Map(_) = &root.data else {
        let found = root.describe(false);
        let message =
            format!("a document is a map with apiVersion, kind, metadata and spec; this is {found}");
        problems.file(file, line, message);
        return None;
    };
    if root.entry("apiVersion").is_none() && root.entry("kind").is_none() {
        let message = "this is not a document of cutover: it has neither apiVersion nor kind. The path of an Application \
                       holds only documents; move this file, or point spec.source.path at a folder of its own";
        problems.file(file, line, message);
        return None;
    }
    let kind = read_kind(file, &root, platform, problems)?;
    let mut note = |document: &str, line, field: &str, message: String| {
        problems.push(Problem {
            origin: Origin { file: file.to_owned(), line },
            document: document.to_owned(),
            field: field.to_owned(),
            message,
        });
    };
    let (name, unchecked) = read_metadata(kind, &root, &mut note);
    let document = label(kind, &name);
    for entry in root.entries() {
        let known = ["apiVersion", "kind", "metadata", "spec"];
        if !known.contains(&entry.key.as_str()) {
            let message = format!("unknown field{}", guess(&entry.key, known));
            note(&document, entry.line, &clip(&entry.key), message);
        }
    }
    let Data::Map(entries) = root.data else { return None };
    let spec = entries.into_iter().find(|entry| entry.key == "spec");
    let spec_line = spec.as_ref().map_or(line, |entry| entry.line);
    match &spec {
        None => note(&document, line, "", "the field \"spec\" is missing".into()),
        Some(Entry { line, node, .. }) if !matches!(node.data, Data::Map(_)) => {
            note(&document, *line, "spec", format!("expected a map, found {}", node.describe(false)));
        }
        Some(_) => {}
    }
    let spec = spec.map(|entry| entry.node).filter(|node| matches!(node.data, Data::Map(_)));
    let origin = Origin { file: file.to_owned(), line };
    Some(Document { origin, kind, name, spec, spec_line, unchecked, is_valid: problems.count() == before })
}

fn read_kind(
    file: &str,
    root: &Node,
    platform: Option<PlatformKind>,
    problems: &mut Problems,
) -> Option<Kind> {
    let field = |name: &str| root.get(name).and_then(Node::text);
    let (Some(api), Some(kind)) = (field("apiVersion"), field("kind")) else {
        for name in ["apiVersion", "kind"] {
            match root.entry(name) {
                None => problems.file(file, root.line, format!("the field \"{name}\" is missing")),
                Some(entry) if entry.node.text().is_none() => {
                    problems.file(
                        file,
                        entry.line,
                        format!("{name}: expected text, found {}", entry.node.describe(true)),
                    );
                }
                Some(_) => {}
            }
        }
        return None;
    };
    if platform == Some(PlatformKind::Kubernetes) && api == ECS_API {
        let message = format!(
            "kind: {} of \"{ECS_API}\" goes to ECS, and this application goes to Kubernetes; move it to an application \
             with destination.ecs",
            clip(kind)
        );
        problems.file(file, root.line_of("kind"), message);
        return None;
    }
    let elsewhere = match platform == Some(PlatformKind::Ecs) && !is_ours(root) {
        true => "; Kubernetes objects go to an application with destination.kubernetes",
        false => "",
    };
    if let Some((kind, _)) =
        KINDS.iter().find(|(known, its_api)| known.to_string() == kind && *its_api == api)
    {
        return Some(*kind);
    }
    let names: Vec<String> = KINDS.iter().map(|(kind, _)| kind.to_string()).collect();
    let line = root.line_of("kind");
    match KINDS.iter().find(|(known, _)| known.to_string() == kind) {
        Some((_, its_api)) => {
            let message =
                format!("apiVersion: {kind} is of \"{its_api}\", found \"{}\"{elsewhere}", clip(api));
            problems.file(file, root.line_of("apiVersion"), message);
        }
        None => {
            // The controller's own configuration is in no repository.
            let in_repositories = KINDS.iter().filter(|(kind, _)| *kind != Kind::ControllerConfiguration);
            let known: Vec<String> = in_repositories.map(|(kind, api)| format!("{kind} ({api})")).collect();
            let hint = guess(kind, names.iter().map(String::as_str));
            let message = format!(
                "kind: \"{}\" of \"{}\" is not known{hint}; known are {}{elsewhere}",
                clip(kind),
                clip(api),
                known.join(", ")
            );
            problems.file(file, line, message);
        }
    }
    None
}

/// The name (empty if it cannot be read) and the unchecked fields.
fn read_metadata(
    kind: Kind,
    root: &Node,
    note: &mut impl FnMut(&str, usize, &str, String),
) -> (String, Vec<String>) {
    let document = kind.to_string();
    let nothing = (String::new(), vec![]);
    let Some(metadata) = root.entry("metadata") else {
        note(
            &document,
            root.line,
            "",
            "the field \"metadata\" is missing; write `metadata: {name: …}`".into(),
        );
        return nothing;
    };
    if !matches!(metadata.node.data, Data::Map(_)) {
        let found = metadata.node.describe(false);
        note(&document, metadata.line, "metadata", format!("expected a map, found {found}"));
        return nothing;
    }
    let Some(name) = metadata.node.entry("name") else {
        note(&document, metadata.line, "metadata", "the field \"name\" is missing".into());
        return nothing;
    };
    let name_line = name.line;
    let Some(name) = name.node.text() else {
        let message = format!("expected text, found {}; write it in quotes", name.node.describe(true));
        note(&document, name_line, "metadata.name", message);
        return nothing;
    };
    if !is_document_name(name) {
        let message = format!(
            "\"{}\" is not a name: lower-case letters, digits and \"-\" in between, at most 253 characters{}",
            clip(name),
            other_names(kind)
        );
        note(&document, name_line, "metadata.name", message);
        return nothing;
    }
    let document = marks::document(kind, name);
    let mut unchecked = vec![];
    for entry in metadata.node.entries() {
        match (entry.key.as_str(), &entry.node.data) {
            ("name", _) => {}
            ("namespace", _) if kind == Kind::Application => {
                let is_good = entry.node.is_null() || entry.node.text().is_some_and(is_label);
                if !is_good {
                    let message = "is not the name of a namespace".into();
                    note(&document, entry.line, "metadata.namespace", message);
                }
            }
            (field @ ("labels" | "annotations"), Data::Map(entries)) => {
                for entry in entries {
                    let path = format!("metadata.{field}.{}", clip(&entry.key));
                    match entry.node.text() {
                        None => {
                            note(&document, entry.line, &path, "expected text; write it in quotes".into())
                        }
                        Some(list) if entry.key == UNCHECKED_FIELDS && field == "annotations" => {
                            let parts = list.split(|c: char| c == ',' || c.is_whitespace());
                            unchecked.extend(parts.filter(|part| !part.is_empty()).map(ToOwned::to_owned));
                        }
                        Some(_)
                            if kind == Kind::Application
                                && field == "annotations"
                                && is_word_to_us(&entry.key) => {}
                        Some(_) if marks::is_ours(&entry.key) => {
                            let message =
                                format!("is not known; of {} only {UNCHECKED_FIELDS} is", marks::PREFIX);
                            note(&document, entry.line, &path, message);
                        }
                        Some(_) => {}
                    }
                }
            }
            (field @ ("labels" | "annotations"), _) => {
                let found = entry.node.describe(false);
                note(
                    &document,
                    entry.line,
                    &format!("metadata.{field}"),
                    format!("expected a map, found {found}"),
                );
            }
            (other, _) => {
                let message = format!("unknown field{}", guess(other, ["name", "labels", "annotations"]));
                note(&document, entry.line, &format!("metadata.{}", clip(other)), message);
            }
        }
    }
    if unchecked.len() > 100
        || (!unchecked.is_empty() && !matches!(kind, Kind::TaskDefinition | Kind::Service))
    {
        let message =
            format!("{UNCHECKED_FIELDS} is for TaskDefinition and Service, and for 100 fields at most");
        note(&document, metadata.line, "metadata.annotations", message);
    }
    (name.to_owned(), unchecked)
}

/// AWS's names may have other letters; where they go.
fn other_names(kind: Kind) -> &'static str {
    match kind {
        Kind::TaskDefinition => "; another name for AWS goes to spec.family",
        Kind::Service => "; another name for AWS goes to spec.serviceName",
        Kind::Application | Kind::BlueGreen | Kind::ControllerConfiguration => "",
    }
}
