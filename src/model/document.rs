//! Validated documents, where they came from, and what is wrong with those that are not valid.

use super::{Application, BlueGreen};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A file as read from a Git tree. `path` is relative to the repository's root, with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    pub path: String,
    pub bytes: Vec<u8>,
}

/// The kinds of document the program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    Application,
    BlueGreen,
    TaskDefinition,
    Service,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Application => "Application",
            Kind::BlueGreen => "BlueGreen",
            Kind::TaskDefinition => "TaskDefinition",
            Kind::Service => "Service",
        })
    }
}

/// Where something is written: file and 1-based line. Prints as `apps/shop/web.yaml:14`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Origin {
    pub file: String,
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One thing that is wrong with a document. Prints as
/// `apps/shop/web.yaml:14: TaskDefinition/web: containerDefinitions[0].enviroment: unknown field, did you mean …`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    pub origin: Origin,
    /// `Kind/name`, or empty where the document is not known yet.
    pub document: String,
    /// The field's path, or empty for the document as a whole.
    pub field: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        for part in [&self.document, &self.field] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// A `RegisterTaskDefinition` request as a document; `spec` holds AWS's own fields, validated, `family` always set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskDefinition {
    pub name: String,
    pub origin: Origin,
    pub spec: Value,
}

/// What a service's `taskDefinition` field names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum TaskDefinitionRef {
    /// A TaskDefinition document of the same repository.
    Document(String),
    /// An ARN or `family:revision`, sent as it is.
    External(String),
}

/// A `CreateService` request as a document; `spec` holds AWS's own fields, validated, without `cluster`,
/// `taskDefinition` and `clientToken` (which the program sets), `serviceName` always set (default: the document's name).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Service {
    pub name: String,
    pub origin: Origin,
    pub spec: Value,
    pub task_definition: TaskDefinitionRef,
}

impl Service {
    /// The declared number of tasks; `None` means: leave it as it is.
    pub fn desired_count(&self) -> Option<u32> {
        self.spec.get("desiredCount").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok())
    }
}

/// All documents found under one application's path, by name; every reference between them holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Manifests {
    pub applications: BTreeMap<String, Application>,
    pub task_definitions: BTreeMap<String, TaskDefinition>,
    pub services: BTreeMap<String, Service>,
    pub blue_greens: BTreeMap<String, BlueGreen>,
}

impl Manifests {
    /// The BlueGreen that steers the service document `name`, if one does.
    pub fn blue_green_of(&self, service: &str) -> Option<&BlueGreen> {
        self.blue_greens.values().find(|bg| bg.workload_ref.name == service)
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.applications.len() + self.task_definitions.len() + self.services.len() + self.blue_greens.len()
    }

    /// True if there is no document at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
