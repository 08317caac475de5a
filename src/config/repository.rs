//! All files of an application's path to [`Manifests`], or everything that is wrong with them.

use super::envelope::Document;
use super::forms::{TaskDefinitionName, parse_task_definition_name, text};
use super::node::Node;
use super::problems::{Problems, differs_from, same_as};
use super::reading::{Read, read_document, read_documents};
use super::together::check_together;
use super::yaml::{self, Budget};
use super::{check_application, check_blue_green, check_controller, check_service, check_task_definition};
use crate::model::{
    Application, BlueGreen, ControllerConfiguration, Kind, Manifests, PlatformKind, Problem, Service,
    SourceFile, TaskDefinition, TaskDefinitionRef,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Reads and checks all documents of `files`; files that hold no documents by [`super::is_document_file`] are passed
/// over. The platform says what documents there may be; without it they tell it themselves.
///
/// # Errors
/// Everything that is wrong in any of the files, by file and line (the first thousand).
pub fn load(files: &[SourceFile], platform: Option<PlatformKind>) -> Result<Manifests, Vec<Problem>> {
    let mut problems = Problems::default();
    let Read { platform, documents, objects, children, is_destined } =
        read_documents(files, platform, &mut problems);
    let mut left_out = objects.left_out;
    let index = Index::new(&documents, platform, &mut left_out, &mut problems);
    let mut manifests = Manifests { objects: objects.objects, children, left_out, ..Manifests::default() };
    // Documents with a problem are built, too, as far as they go, so that their other problems come up in the same run.
    for document in &documents {
        if is_destined && document.kind == Kind::Application {
            problems.note(document, "", UNSERVED);
        }
        build(document, &index, &mut manifests, &mut problems);
    }
    check_together(&manifests, &index, &mut problems);
    if problems.count() == 0 { Ok(manifests) } else { Err(problems.into_sorted()) }
}

/// Reads a file that holds one Application and nothing else.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load_application(file: &SourceFile) -> Result<Application, Vec<Problem>> {
    load_only(file, Kind::Application, "an", build_application)
}

/// Reads a file that holds one ControllerConfiguration and nothing else.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load_controller(file: &SourceFile) -> Result<ControllerConfiguration, Vec<Problem>> {
    load_only(file, Kind::ControllerConfiguration, "a", |document, problems| {
        let spec = document.spec.as_ref()?.to_json();
        let configuration = typed::<ControllerConfiguration>(document, spec, problems)?;
        check_controller::check(document, &configuration, problems);
        Some(configuration)
    })
}

/// Said of an Application among documents for ECS.
const UNSERVED: &str = "would be served by nobody there: an Application among documents goes to a Kubernetes cluster with a \
                        controller. Give this file to `cutover controller --applications FOLDER`, or leave it out by \
                        spec.source.directory.exclude or a .cutoverignore";

fn load_only<T>(
    file: &SourceFile,
    kind: Kind,
    article: &str,
    build: impl Fn(&Document, &mut Problems) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    let mut problems = Problems::default();
    let roots = yaml::parse(file, &mut Budget::default(), &mut problems);
    let read = |root| read_document(&file.path, root, None, &mut problems);
    let documents: Vec<Document> = roots.into_iter().filter_map(read).collect();
    for document in documents.iter().filter(|document| document.kind != kind) {
        problems.note(document, "", format!("this file may hold {article} {kind} and nothing else"));
    }
    let mut wanted = documents.iter().filter(|document| document.kind == kind);
    let first = wanted.next();
    for other in wanted {
        problems.note(other, "", format!("this file may hold one {kind}; it has another one before this"));
    }
    let mut built = None;
    match first {
        Some(document) => built = build(document, &mut problems),
        None if problems.count() == 0 => {
            problems.file(&file.path, 1, format!("there is no {kind} in this file"));
        }
        None => {}
    }
    built.filter(|_| problems.count() == 0).ok_or_else(|| problems.into_sorted())
}

/// The documents by kind and name; the first one of each name, valid or not.
pub struct Index<'a> {
    pub platform: PlatformKind,
    kinds: BTreeMap<Kind, HashMap<&'a str, Named<'a>>>,
}

struct Named<'a> {
    document: &'a Document,
    /// Its `spec`, if the document is valid.
    valid_spec: Option<Value>,
}

impl<'a> Index<'a> {
    fn new(
        documents: &'a [Document],
        platform: PlatformKind,
        left_out: &mut Vec<Problem>,
        problems: &mut Problems,
    ) -> Self {
        let mut kinds: BTreeMap<Kind, HashMap<&str, Named<'_>>> = BTreeMap::new();
        for document in documents.iter().filter(|document| !document.name.is_empty()) {
            let names = kinds.entry(document.kind).or_default();
            if let Some(first) = names.get(document.name.as_str()) {
                let (first, spec) =
                    (first.document, |document: &Document| document.spec.as_ref().map(Node::to_json));
                let is_same = first.unchecked == document.unchecked && spec(first) == spec(document);
                match is_same {
                    true => left_out.push(document.problem("", same_as(&first.origin))),
                    false => problems.note(document, "", differs_from(&first.origin)),
                }
                continue;
            }
            let valid_spec = document.spec.as_ref().filter(|_| document.is_valid).map(Node::to_json);
            names.insert(&document.name, Named { document, valid_spec });
        }
        Index { platform, kinds }
    }

    /// The document of this kind and name.
    pub fn get(&self, kind: Kind, name: &str) -> Option<&'a Document> {
        self.kinds.get(&kind)?.get(name).map(|named| named.document)
    }

    /// The `spec` of the document of this kind and name, if the document is valid.
    pub fn spec(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.kinds.get(&kind)?.get(name)?.valid_spec.as_ref()
    }

    /// `, did you mean …` over the names of this kind.
    pub fn guess_name(&self, kind: Kind, name: &str, problems: &Problems) -> String {
        match self.kinds.get(&kind) {
            Some(names) => problems.guess(name, names.keys().copied()),
            None => String::new(),
        }
    }
}

fn build(document: &Document, index: &Index<'_>, manifests: &mut Manifests, problems: &mut Problems) {
    // Of two documents with the same name only the first is built; the other one has been noted.
    let other = index.get(document.kind, &document.name).is_some_and(|first| !std::ptr::eq(first, document));
    let Some(spec) = document.spec.as_ref().filter(|_| !other) else { return };
    let spec = &spec.to_json();
    let name = document.name.clone();
    match document.kind {
        Kind::Application => {
            if let Some(application) = build_application(document, problems) {
                manifests.applications.insert(name, application);
            }
        }
        Kind::ControllerConfiguration => problems.note(
            document,
            "",
            "is the configuration of a controller and no part of an application; it goes to `cutover controller --config`",
        ),
        Kind::TaskDefinition => {
            check_task_definition::check(document, spec, problems);
            let spec = with_default(spec, "family", &name);
            let origin = document.origin.clone();
            manifests.task_definitions.insert(name.clone(), TaskDefinition { name, origin, spec });
        }
        Kind::Service => {
            let task_definition = task_definition_of(document, spec, index, problems);
            check_service::check(document, spec, task_definition.as_ref(), index, problems);
            let Some(task_definition) = task_definition else { return };
            let mut spec = with_default(spec, "serviceName", &name);
            if let Some(fields) = spec.as_object_mut() {
                fields.shift_remove("taskDefinition");
            }
            let origin = document.origin.clone();
            manifests.services.insert(name.clone(), Service { name, origin, spec, task_definition });
        }
        Kind::BlueGreen => {
            let Some(mut blue_green) = typed::<BlueGreen>(document, spec.clone(), problems) else { return };
            (blue_green.name, blue_green.origin) = (name.clone(), document.origin.clone());
            check_blue_green::check(document, &blue_green, index, manifests, problems);
            manifests.blue_greens.insert(name, blue_green);
        }
    }
}

/// The Application of a document, with everything that is wrong with it noted.
pub(super) fn build_application(document: &Document, problems: &mut Problems) -> Option<Application> {
    let mut spec = document.spec.as_ref()?.to_json();
    if let Some(limit) = spec.pointer_mut("/sync/pruneLimit").filter(|limit| limit.is_number()) {
        *limit = Value::String(limit.to_string());
    }
    let mut application = typed::<Application>(document, spec, problems)?;
    application.name.clone_from(&document.name);
    application.origin = document.origin.clone();
    check_application::check(document, &application, problems);
    Some(application)
}

/// What fits its shape fits its type; of a document with problems only those are of interest.
fn typed<T: serde::de::DeserializeOwned>(
    document: &Document,
    spec: Value,
    problems: &mut Problems,
) -> Option<T> {
    let typed = serde_json::from_value(spec);
    if let (Err(error), true) = (&typed, document.is_valid) {
        problems.note(document, "", error.to_string());
    }
    typed.ok()
}

fn with_default(spec: &Value, field: &str, default: &str) -> Value {
    if spec.get(field).is_some() {
        return spec.clone();
    }
    let mut fields = serde_json::Map::new();
    fields.insert(field.to_owned(), Value::String(default.to_owned()));
    fields.extend(spec.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

/// A document's name first; `family:7` or an ARN otherwise.
fn task_definition_of(
    document: &Document,
    spec: &Value,
    index: &Index<'_>,
    problems: &mut Problems,
) -> Option<TaskDefinitionRef> {
    let name = text(spec, "taskDefinition")?;
    if index.get(Kind::TaskDefinition, name).is_some() {
        return Some(TaskDefinitionRef::Document(name.to_owned()));
    }
    let message = match parse_task_definition_name(name) {
        Some(TaskDefinitionName { revision: Some(_), .. }) => {
            return Some(TaskDefinitionRef::External(name.to_owned()));
        }
        Some(TaskDefinitionName { family, .. }) => {
            let hint = index.guess_name(Kind::TaskDefinition, &family, problems);
            format!(
                "there is no TaskDefinition document \"{family}\"{hint}; one that is not in this repository is named with its revision, \"{family}:7\" or the whole ARN"
            )
        }
        None => "is neither the name of a TaskDefinition document nor \"family:revision\" nor an ARN".into(),
    };
    problems.note(document, "taskDefinition", message);
    None
}

#[cfg(test)]
#[path = "repository_tests.rs"]
mod tests;
