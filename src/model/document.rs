//! Validated documents, where they came from, and what is wrong with those that are not valid.

use super::{Application, BlueGreen, ClusterTraffic, Object, ObjectKey, selects};
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
    ControllerConfiguration,
    TaskDefinition,
    Service,
}

impl Kind {
    /// As documents write it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Application => "Application",
            Kind::BlueGreen => "BlueGreen",
            Kind::ControllerConfiguration => "ControllerConfiguration",
            Kind::TaskDefinition => "TaskDefinition",
            Kind::Service => "Service",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where something is written: file and 1-based line. Prints as `apps/shop/web.yaml:14`. What was not in a file has
/// line 0, which is not printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Origin {
    pub file: String,
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
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

impl TaskDefinitionRef {
    /// The name of the document, if it is one.
    pub fn document(&self) -> Option<&str> {
        match self {
            TaskDefinitionRef::Document(name) => Some(name),
            TaskDefinitionRef::External(_) => None,
        }
    }
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

fn by_name<S: serde::Serializer>(
    objects: &BTreeMap<ObjectKey, Object>,
    output: S,
) -> Result<S::Ok, S::Error> {
    output.collect_map(objects.iter().map(|(key, object)| (key.to_string(), object)))
}

impl Service {
    /// Its name in AWS.
    pub fn live_name(&self) -> &str {
        self.spec.get("serviceName").and_then(Value::as_str).unwrap_or(&self.name)
    }

    /// The declared number of tasks; `None` means: leave it as it is.
    pub fn desired_count(&self) -> Option<u32> {
        self.spec.get("desiredCount").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok())
    }
}

/// All documents found under one application's path, by name; every reference between them holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Manifests {
    /// Where documents are only looked at; in a cluster an Application is an object like any other.
    pub applications: BTreeMap<String, Application>,
    pub task_definitions: BTreeMap<String, TaskDefinition>,
    pub services: BTreeMap<String, Service>,
    pub blue_greens: BTreeMap<String, BlueGreen>,
    /// Kubernetes objects, as written: an object without a namespace has none here.
    #[serde(serialize_with = "by_name")]
    pub objects: BTreeMap<ObjectKey, Object>,
    /// What the Applications among `objects` say, by their keys.
    #[serde(skip)]
    pub children: BTreeMap<ObjectKey, Application>,
    /// Valid documents that are not applied (Argo CD's `hook: Skip`), each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Problem>,
}

impl Manifests {
    /// The BlueGreen that steers the service document `name`, if one does.
    pub fn blue_green_of(&self, service: &str) -> Option<&BlueGreen> {
        self.blue_greens.values().find(|bg| bg.workload_ref.name == service)
    }

    /// The Deployment that a BlueGreen steers.
    pub fn steered_deployment(&self, blue_green: &BlueGreen) -> Option<&Object> {
        let named = &blue_green.workload_ref;
        self.objects.values().find(|object| {
            named.kind == "Deployment" && object.key.is("apps", "Deployment") && object.key.name == named.name
        })
    }

    /// The objects that BlueGreens make slots of, by key: Deployments and what belongs to their pods.
    pub fn steered_objects(&self) -> BTreeMap<&ObjectKey, &BlueGreen> {
        let mut steered = BTreeMap::new();
        for blue_green in self.blue_greens.values() {
            if let Some(deployment) = self.steered_deployment(blue_green) {
                let parts = self.parts_of(blue_green, deployment);
                steered.extend(parts.into_iter().map(|object| (&object.key, blue_green)));
            }
        }
        steered
    }

    /// The objects that a BlueGreen makes slots of, and that are not applied themselves: its Deployment and what is
    /// carried with it; with an ALB also the Service. With `traffic` clients go through the user's own Service or
    /// HTTPRoute, which therefore stays an object like any other.
    pub fn parts_of<'a>(&'a self, blue_green: &BlueGreen, deployment: &'a Object) -> Vec<&'a Object> {
        let service = self.pattern_service(blue_green, deployment).filter(|_| blue_green.traffic.is_none());
        self.carried_with(deployment).chain(service).chain([deployment]).collect()
    }

    /// The Service that the slots' own are made after: the one that `traffic` names, or the one that selects the
    /// Deployment's pods.
    pub fn pattern_service(&self, blue_green: &BlueGreen, deployment: &Object) -> Option<&Object> {
        match &blue_green.traffic {
            Some(ClusterTraffic::Service(name)) => self.objects.get(&ObjectKey {
                kind: "Service".into(),
                namespace: deployment.key.namespace.clone(),
                name: name.clone(),
                ..ObjectKey::default()
            }),
            Some(ClusterTraffic::HttpRoute(_)) | None => self.service_of(deployment),
        }
    }

    /// The Service whose selector takes the Deployment's pods: the first by name.
    pub fn service_of(&self, deployment: &Object) -> Option<&Object> {
        let labels = deployment.body.pointer("/spec/template/metadata/labels");
        self.objects.values().find(|object| {
            object.key.is("", "Service")
                && object.key.namespace == deployment.key.namespace
                && selects(object.body.pointer("/spec/selector"), labels)
        })
    }

    /// HorizontalPodAutoscalers that scale the Deployment and PodDisruptionBudgets that select its pods.
    pub fn carried_with<'a>(&'a self, deployment: &'a Object) -> impl Iterator<Item = &'a Object> {
        let labels = deployment.body.pointer("/spec/template/metadata/labels");
        self.objects.values().filter(move |object| {
            let scales = || {
                let target = |field| object.body.pointer("/spec/scaleTargetRef")?.get(field)?.as_str();
                target("kind") == Some("Deployment") && target("name") == Some(&deployment.key.name)
            };
            let guards = || selects(object.body.pointer("/spec/selector/matchLabels"), labels);
            object.key.namespace == deployment.key.namespace
                && (object.key.is("autoscaling", "HorizontalPodAutoscaler") && scales()
                    || object.key.is("policy", "PodDisruptionBudget") && guards())
        })
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.applications.len()
            + self.task_definitions.len()
            + self.services.len()
            + self.blue_greens.len()
            + self.objects.len()
    }

    /// True if there is no document at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
