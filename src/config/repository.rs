//! All files of an application's path to [`Manifests`], or everything that is wrong with them.

use super::envelope::{self, Document};
use super::forms::{TaskDefinitionName, items, parse_task_definition_name, target_group_name, text};
use super::node::Node;
use super::objects::{self, Objects};
use super::problems::Problems;
use super::validate::Validator;
use super::yaml::{self, Budget};
use super::{check_application, check_blue_green, check_service, check_task_definition};
use crate::model::{
    Application, BlueGreen, Kind, Manifests, ObjectKey, PlatformKind, Problem, Service, Slot, SourceFile,
    TaskDefinition, TaskDefinitionRef,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// True for files that hold documents: `.yaml`, `.yml` and `.json`, and not in a folder or file whose name begins with
/// a dot (`.github/…`). `path` is seen from the application's folder.
pub fn is_document_file(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.') && part != "." && part != "..");
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
    let known = ending
        .is_some_and(|(_, e)| ["yaml", "yml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)));
    known && !hidden
}

/// How many bytes of the paths are the folder that all files are in, so that an application may live in `.deploy`.
fn common_folder(files: &[SourceFile]) -> usize {
    let folder = |path: &str| path.rfind('/').map_or(0, |slash| slash + 1);
    let Some(first) = files.first() else { return 0 };
    let mut common = &first.path[..folder(&first.path)];
    for file in files {
        while !file.path.starts_with(common) {
            common = &common[..folder(&common[..common.len() - 1])];
        }
    }
    common.len()
}

/// Reads and checks all documents of `files`; files that hold no documents by
/// [`is_document_file`] are passed over. The platform says what documents there may be; without it they tell it
/// themselves.
///
/// # Errors
/// Everything that is wrong in any of the files, by file and line (the first thousand).
pub fn load(files: &[SourceFile], platform: Option<PlatformKind>) -> Result<Manifests, Vec<Problem>> {
    let mut problems = Problems::default();
    let Read { platform, documents, objects } = read_documents(files, platform, &mut problems);
    let index = Index::new(&documents, platform, &mut problems);
    let mut manifests =
        Manifests { objects: objects.objects, left_out: objects.left_out, ..Manifests::default() };
    // Documents with a problem are built, too, as far as they go, so that their other problems come up in the same run.
    for document in &documents {
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
    let mut problems = Problems::default();
    let roots = yaml::parse(file, &mut Budget::default(), &mut problems);
    let read = |root| read_document(&file.path, root, None, &mut problems);
    let documents: Vec<Document> = roots.into_iter().filter_map(read).collect();
    for document in documents.iter().filter(|document| document.kind != Kind::Application) {
        problems.note(document, "", "this file may hold an Application and nothing else");
    }
    let mut applications = documents.iter().filter(|document| document.kind == Kind::Application);
    let first = applications.next();
    for other in applications {
        problems.note(other, "", "this file may hold one Application; it has another one before this");
    }
    let mut application = None;
    match first {
        Some(document) => application = build_application(document, &mut problems),
        None if problems.count() == 0 => problems.file(&file.path, 1, "there is no Application in this file"),
        None => {}
    }
    application.filter(|_| problems.count() == 0).ok_or_else(|| problems.into_sorted())
}

/// What was read of all files.
struct Read {
    platform: PlatformKind,
    /// The program's own kinds and those of ECS.
    documents: Vec<Document>,
    objects: Objects,
}

fn read_documents(files: &[SourceFile], platform: Option<PlatformKind>, problems: &mut Problems) -> Read {
    let folder = common_folder(files);
    let mut files: Vec<&SourceFile> =
        files.iter().filter(|file| is_document_file(&file.path[folder..])).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if platform != Some(PlatformKind::Ecs) {
        pass_over_charts(&mut files, problems);
    }
    let mut budget = Budget::default();
    let mut roots = vec![];
    for file in files {
        roots.extend(yaml::parse(file, &mut budget, problems).into_iter().map(|root| (file, root)));
    }
    let platform = platform.unwrap_or_else(|| objects::platform_of(roots.iter().map(|(_, root)| root)));
    let mut read = Read { platform, documents: vec![], objects: Objects::default() };
    for (file, root) in roots {
        match platform {
            PlatformKind::Ecs => {
                read.documents.extend(read_document(&file.path, root, Some(platform), problems));
            }
            PlatformKind::Kubernetes => read.take(&file.path, root, problems),
        }
    }
    read
}

/// Takes files in Helm charts out, with one problem for each chart.
fn pass_over_charts(files: &mut Vec<&SourceFile>, problems: &mut Problems) {
    let charts = objects::chart_folders(files);
    files.retain(|file| !charts.iter().any(|(folder, _)| file.path.starts_with(folder)));
    charts.into_iter().for_each(|(_, file)| problems.file(file, 1, objects::CHART));
}

impl Read {
    /// A document for Kubernetes: ours, an object, or a list of them.
    fn take(&mut self, file: &str, root: Node, problems: &mut Problems) {
        if let Some(message) = objects::needs_rendering(file, &root) {
            return problems.file(file, root.line, message);
        }
        for root in objects::unfold(root) {
            match objects::is_ours(&root) {
                true => self.documents.extend(read_document(file, root, Some(self.platform), problems)),
                false => objects::read(file, root, &mut self.objects, problems),
            }
        }
    }
}

fn read_document(
    file: &str,
    root: Node,
    platform: Option<PlatformKind>,
    problems: &mut Problems,
) -> Option<Document> {
    let mut document = envelope::open(file, root, platform, problems)?;
    if let Some(spec) = &document.spec {
        let before = problems.count();
        let mut validator = Validator {
            file,
            document: &document.label(),
            kind: document.kind,
            unchecked: &document.unchecked,
            problems: &mut *problems,
        };
        validator.validate(spec, document.spec_line);
        document.is_valid &= problems.count() == before;
    }
    Some(document)
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
    fn new(documents: &'a [Document], platform: PlatformKind, problems: &mut Problems) -> Self {
        let mut kinds: BTreeMap<Kind, HashMap<&str, Named<'_>>> = BTreeMap::new();
        for document in documents.iter().filter(|document| !document.name.is_empty()) {
            let names = kinds.entry(document.kind).or_default();
            if let Some(first) = names.get(document.name.as_str()) {
                problems.note(document, "", format!("is already at {}", first.document.origin));
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

fn build_application(document: &Document, problems: &mut Problems) -> Option<Application> {
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

/// Rules over several documents: nothing in AWS may have two masters.
fn check_together(manifests: &Manifests, index: &Index<'_>, problems: &mut Problems) {
    let mut families = Owners::new("family");
    for task_definition in manifests.task_definitions.values() {
        let family = text(&task_definition.spec, "family").unwrap_or_default();
        if let Some(document) = index.get(Kind::TaskDefinition, &task_definition.name) {
            families.claim(family, document, "family", problems);
        }
    }
    let mut steered: BTreeMap<&str, &BlueGreen> = BTreeMap::new();
    let mut groups = Owners::new("target group");
    let mut rules = Owners::new("rule or listener");
    for blue_green in manifests.blue_greens.values() {
        let Some(document) = index.get(Kind::BlueGreen, &blue_green.name) else { continue };
        let workload = blue_green.workload_ref.name.as_str();
        if let Some(other) = steered.get(workload) {
            let message = format!(
                "{}/{workload} is already steered by BlueGreen/{} ({})",
                blue_green.workload_ref.kind, other.name, other.origin
            );
            problems.note(document, "workloadRef.name", message);
            continue;
        }
        steered.insert(workload, blue_green);
        for slot in Slot::BOTH {
            if let Some(group) = target_group_name(blue_green.target_group(slot)) {
                groups.claim(group, document, &check_blue_green::group_path(blue_green, slot), problems);
            }
        }
        for (path, arn) in check_blue_green::rules(blue_green) {
            rules.claim(&arn, document, &path, problems);
        }
    }
    check_slots_together(manifests, index, problems);
    let mut names = Owners::new("serviceName");
    let mut live = Owners::new("ECS service");
    for service in manifests.services.values() {
        let Some(document) = index.get(Kind::Service, &service.name) else { continue };
        let name = text(&service.spec, "serviceName").unwrap_or_default();
        names.claim(name, document, "serviceName", problems);
        match steered.get(service.name.as_str()) {
            None => live.claim(name, document, "serviceName", problems),
            Some(blue_green) => {
                let Some(document) = index.get(Kind::BlueGreen, &blue_green.name) else { continue };
                for slot in Slot::BOTH {
                    live.claim(
                        &blue_green.slot_workload(slot, name),
                        document,
                        &format!("slots.{slot}"),
                        problems,
                    );
                }
            }
        }
        for (at, balancer) in items(&service.spec, "loadBalancers").iter().enumerate() {
            let group = text(balancer, "targetGroupArn").and_then(target_group_name);
            if let Some(owner) = group.and_then(|group| groups.owner(group)) {
                let message = format!(
                    "{owner} steers this target group; its tasks are registered by the program alone"
                );
                problems.note(document, &format!("loadBalancers[{at}].targetGroupArn"), message);
            }
        }
    }
}

/// Two BlueGreens on Kubernetes share neither the Service that their requests come through nor a slot's name.
fn check_slots_together(manifests: &Manifests, index: &Index<'_>, problems: &mut Problems) {
    let mut services = Owners::new("Service");
    let mut slots = Owners::new("Deployment");
    for blue_green in manifests.blue_greens.values() {
        let Some(deployment) = manifests.steered_deployment(blue_green) else { continue };
        let Some(document) = index.get(Kind::BlueGreen, &blue_green.name) else { continue };
        if let Some(service) = manifests.pattern_service(blue_green, deployment) {
            let path = if blue_green.traffic.is_some() { "traffic" } else { "workloadRef.name" };
            services.claim(&service.key.label(), document, path, problems);
        }
        for slot in Slot::BOTH {
            let name = blue_green.slot_workload(slot, &deployment.key.name);
            let key = ObjectKey { name, ..deployment.key.clone() };
            slots.claim(&key.label(), document, &format!("slots.{slot}"), problems);
        }
    }
}

/// Who has claimed what.
struct Owners {
    what: &'static str,
    owners: HashMap<String, (String, String)>,
}

impl Owners {
    fn new(what: &'static str) -> Self {
        Owners { what, owners: HashMap::new() }
    }

    fn owner(&self, thing: &str) -> Option<&str> {
        self.owners.get(thing).map(|(label, _)| label.as_str())
    }

    fn claim(&mut self, thing: &str, document: &Document, path: &str, problems: &mut Problems) {
        let label = document.label();
        match self.owners.get(thing) {
            Some((owner, _)) if *owner == label => {
                problems.note(document, path, format!("the {} \"{thing}\" is named twice", self.what));
            }
            Some((owner, origin)) => {
                let message = format!("the {} \"{thing}\" belongs to {owner} ({origin}) already", self.what);
                problems.note(document, path, message);
            }
            None => {
                self.owners.insert(thing.to_owned(), (label, document.origin.to_string()));
            }
        }
    }
}

#[cfg(test)]
#[path = "repository_tests.rs"]
mod tests;
