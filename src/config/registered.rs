//! Applications as a controller finds them: as objects of a cluster, and many in a file.

use super::check_application;
use super::envelope::Document;
use super::forms::is_document_name;
use super::node::{Data, Node};
use super::problems::Problems;
use super::reading::read_document;
use super::repository::build_application;
use super::shape::{Form, Shape, Table, status_shape};
use super::validate::Validator;
use super::yaml::{self, Budget};
use crate::model::{Application, ApplicationStatus, Kind, Origin, Problem, SourceFile};
use serde_json::Value;

/// Said of a name that is none.
const NAME: &str = "has lower-case letters, digits and \"-\" in between, and no dots; choose another name";

/// Reads an Application that is an object of a cluster: `metadata` and `spec`. It is held to all that a file is held to,
/// and may not name what is on the machine of the controller: another context, a repository that is a folder.
///
/// # Errors
/// Everything that is wrong with it.
pub fn application_of(object: &Value) -> Result<Application, Vec<Problem>> {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    let origin = Origin { file: format!("Application {namespace}/{name}"), line: 0 };
    let mut problems = Problems::default();
    let spec = object.get("spec").filter(|spec| spec.is_object()).map(Node::from_json);
    let mut document = Document {
        origin,
        kind: Kind::Application,
        name,
        spec,
        spec_line: 0,
        unchecked: vec![],
        is_valid: true,
    };
    if !is_document_name(&document.name) {
        problems.note(&document, "metadata.name", NAME);
    }
    match &document.spec {
        None => problems.note(&document, "", "the field \"spec\" is missing"),
        Some(spec) => Validator {
            file: &document.origin.file,
            document: &document.label(),
            kind: document.kind,
            unchecked: &[],
            problems: &mut problems,
        }
        .validate(spec, 0),
    }
    document.is_valid = problems.count() == 0;
    let application = build_remote(&document, &mut problems);
    if let Some(application) = application.filter(|_| problems.count() == 0) {
        return Ok(application);
    }
    // The origin names the object already.
    let mut problems = problems.into_sorted();
    problems.iter_mut().for_each(|problem| problem.document.clear());
    Err(problems)
}

/// Reads what an Application says that is a document among others and is going to be an object of a cluster. Who it is, its
/// labels and annotations are for whoever reads objects.
pub fn child_of(file: &str, root: &Node, problems: &mut Problems) -> Option<Application> {
    let name = root.get("metadata").and_then(|metadata| metadata.get("name")?.text()).unwrap_or_default();
    let spec = root.entry("spec");
    let before = problems.count();
    let mut document = Document {
        origin: Origin { file: file.to_owned(), line: root.line },
        kind: Kind::Application,
        name: name.to_owned(),
        spec: spec.map(|entry| entry.node.clone()).filter(|node| matches!(node.data, Data::Map(_))),
        spec_line: spec.map_or(root.line, |entry| entry.line),
        unchecked: vec![],
        is_valid: true,
    };
    if !name.is_empty() && !is_document_name(name) {
        problems.note(&document, "", NAME);
    }
    match &document.spec {
        None => problems.note(&document, "", "the field \"spec\" is missing or no map"),
        Some(spec) => Validator {
            file,
            document: &document.label(),
            kind: document.kind,
            unchecked: &[],
            problems: &mut *problems,
        }
        .validate(spec, document.spec_line),
    }
    document.is_valid = problems.count() == before;
    build_remote(&document, problems).filter(|_| problems.count() == before)
}

fn build_remote(document: &Document, problems: &mut Problems) -> Option<Application> {
    let application = build_application(document, problems)?;
    check_application::check_remote(document, &application, problems);
    Some(application)
}

/// What a file with Applications holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplicationFile {
    /// Each by its name, valid or not, in the order of the file.
    pub applications: Vec<(String, Result<Application, Vec<Problem>>)>,
    /// What is wrong with the file as a whole. If there is anything, other Applications may be hidden by it.
    pub problems: Vec<Problem>,
}

/// Reads a file that holds Applications and nothing else.
pub fn applications_in(file: &SourceFile) -> ApplicationFile {
    let mut read = ApplicationFile::default();
    let mut whole = Problems::default();
    let roots = yaml::parse(file, &mut Budget::default(), &mut whole);
    for root in roots {
        let mut problems = Problems::default();
        let document = read_document(&file.path, root, None, &mut problems);
        let Some(document) = document.filter(|document| !document.name.is_empty()) else {
            problems.into_sorted().into_iter().for_each(|problem| whole.push(problem));
            continue;
        };
        if document.kind != Kind::Application {
            whole.note(&document, "", "this file may hold Applications and nothing else");
            continue;
        }
        if read.applications.iter().any(|(name, _)| *name == document.name) {
            whole.note(&document, "", "this file has another Application of that name before this");
            continue;
        }
        let application = build_application(&document, &mut problems);
        let application = application.filter(|_| problems.count() == 0);
        read.applications.push((document.name, application.ok_or_else(|| problems.into_sorted())));
    }
    read.problems = whole.into_sorted();
    read
}

/// The status as JSON, with every text and list cut to what the CustomResourceDefinition allows: a status that is refused
/// tells nobody anything.
pub fn status_of(status: &ApplicationStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    let (table, shape) = status_shape();
    cut(table, shape, &mut value);
    value
}

fn cut(table: &Table, shape: &Shape, value: &mut Value) {
    let most = shape.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    match (shape.form, value) {
        (Form::String, Value::String(text)) if shape.allowed.is_empty() && text.chars().count() > most => {
            *text = text.chars().take(most.saturating_sub(1)).chain(['…']).collect();
        }
        (Form::List, Value::Array(items)) => {
            items.truncate(most);
            items.iter_mut().for_each(|item| cut(table, table.item(shape), item));
        }
        (Form::Structure, Value::Object(fields)) => {
            for (name, value) in fields {
                if let Some(member) = shape.members.get(name) {
                    cut(table, table.member(member), value);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "registered_tests.rs"]
mod tests;
